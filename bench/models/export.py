"""Exports small random models of common architectures with both of torch's exporters.

    python bench/models/export.py OUT_FOLDER [--only NAME,NAME] [--jobs N]

Each export gives NAME.EXPORTER.onnx, NAME.EXPORTER.npz (inputs `in:NAME`, torch's own outputs `out:I`) and a line in
index.json; one that fails is listed there with its error. Models are not committed: this script makes the same ones
again (fixed seeds). Exporters:
  torchscript       torch.onnx.export(dynamo=False), opset 17, attention written out ('eager')
  torchscript-sdpa  the same with torch's scaled_dot_product_attention, as optimum exports
  dynamo            torch.onnx.export(dynamo=True), its default opset, scaled_dot_product_attention
  dynamo-23         the same at opset 23, where Attention and RMSNormalization are standard operators
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from counting import node_count, versions
from pool import run_all

SDPA_TOO = {"bert", "llama", "llama-cache", "gpt2", "qwen3-cache", "vit", "whisper-encoder", "clip-text"}
OPSET_23 = {"bert", "llama", "llama-cache", "qwen3", "vit", "whisper-encoder", "timm-convnext"}


def builders(attention):
    import text_models
    import vision_models

    return {**text_models.entries(attention), **vision_models.entries(attention)}


def export(job):
    import numpy as np
    import onnx
    import torch
    from example import ByName, WithCache, settle

    name, exporter, folder = job
    torch.set_num_threads(1)
    torch.manual_seed(0)
    example = builders("eager" if exporter == "torchscript" else "sdpa")[name]()
    module = example.module.eval()
    settle(module)
    names = list(example.inputs)
    args = tuple(example.inputs.values())
    with torch.no_grad():
        expected = module(*args)
    expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    path = Path(folder) / f"{name}.{exporter}.onnx"
    common = dict(input_names=names, output_names=[f"output_{i}" for i in range(len(expected))])
    with torch.no_grad():
        if exporter.startswith("torchscript"):
            torch.onnx.export(module, args, str(path), dynamo=False, opset_version=17, dynamic_axes=example.dynamic, **common)
        else:
            shapes = tuple({axis: torch.export.Dim.DYNAMIC for axis in example.dynamic.get(key, {})} or None for key in names)
            if isinstance(module, ByName):
                shapes = {"args": shapes}
            elif isinstance(module, WithCache):
                shapes = (*shapes[:3], shapes[3:])
            opset = dict(opset_version=23) if exporter == "dynamo-23" else {}
            program = torch.onnx.export(module, args, dynamo=True, dynamic_shapes=shapes, **common, **opset)
            program.save(str(path))
    model = onnx.load(str(path))
    onnx.save(model, str(path))
    arrays = {f"in:{key}": value.numpy() for key, value in example.inputs.items()}
    arrays.update({f"out:{i}": value.detach().numpy() for i, value in enumerate(expected)})
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    return {
        "file": path.name,
        "architecture": name,
        "exporter": exporter,
        "opset": next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        "nodes": node_count(model),
        "bytes": path.stat().st_size,
        "inputs": {key: [str(value.dtype).removeprefix("torch."), *value.shape] for key, value in example.inputs.items()},
        "dynamicAxes": {key: {str(axis): dim for axis, dim in axes.items()} for key, axes in example.dynamic.items()},
        "modelType": example.model_type,
    }


def preload():
    """Children inherit what is loaded here; importing takes longer than most exports."""
    import onnx  # noqa: F401
    import onnxscript  # noqa: F401
    import timm  # noqa: F401
    import torch.onnx._internal.exporter._core  # noqa: F401
    import torchvision  # noqa: F401
    from transformers import AutoModel, DynamicCache  # noqa: F401


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=14)
    parser.add_argument("--limit-s", type=int, default=200, help="for one export")
    parser.add_argument("--deadline-s", type=int, default=3600, help="after which no further export starts")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    preload()
    wanted = [name for name in options.only.split(",") if name] or list(builders("eager"))
    jobs = []
    for name in wanted:
        exporters = ["torchscript", "dynamo"] + ["torchscript-sdpa"] * (name in SDPA_TOO) + ["dynamo-23"] * (name in OPSET_23)
        jobs += [(name, exporter, str(options.folder)) for exporter in exporters]
    jobs.sort(key=lambda job: job[0] not in ("tv-ssdlite", "tv-googlenet", "tv-deeplabv3"))  # the longest first
    done = {}
    for job, record, error in run_all(jobs, export, options.limit_s, options.jobs, options.deadline_s):
        done[job] = record or {"architecture": job[0], "exporter": job[1], "error": error}
        print(job[0], job[1], record["nodes"] if record else error, flush=True)
        models = [done[one] for one in jobs if one in done]
        (options.folder / "index.json").write_text(json.dumps({"versions": versions(), "models": models}, indent=1) + "\n")


if __name__ == "__main__":
    main()
