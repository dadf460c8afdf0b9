"""What other optimizers leave of the exported models: nodes, time, and how far the outputs move.

    python bench/models/competitors.py FOLDER OUT.json.gz [--tools NAME,NAME] [--onnxsim SCRIPT] [--keep FOLDER] [--jobs N]

FOLDER is what export.py wrote. For each model and tool: nodes (subgraphs and functions included), milliseconds, and the
largest error of the result's outputs against torch's, relative to their range, run by onnxruntime without further
optimization. A tool that fails, or whose result does not run, is listed with its error. onnxslim and onnxoptimizer take
part where they are installed, onnxsim (the npm package) where --onnxsim names bench/lib/node-counts/onnxsim-child.mjs and
node is there. --tools runs only these and leaves the others in OUT.json.gz as they are. --keep saves op histograms and the
results with their large weights zeroed.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from counting import histogram, node_count, relative_error, versions
from pool import run_all

TRANSFORMERS_TYPES = {"bert", "gpt2", "gpt_neox", "phi", "qwen3", "t5", "bart", "clip", "vit", "swin", "sam2"}


def by_onnxruntime(path, record, level):
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    target = path.with_suffix(f".{level}.opt")
    options.optimized_model_filepath = str(target)
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    model = onnx.load(str(target))
    target.unlink()
    return model


def by_transformers(path, record, opt_level):
    from onnxruntime.transformers import optimizer

    if record["modelType"] not in TRANSFORMERS_TYPES:
        raise LookupError("no model type for this architecture")
    return optimizer.optimize_model(str(path), model_type=record["modelType"], num_heads=0, hidden_size=0, opt_level=opt_level, use_gpu=False).model


def by_onnxscript(path, record, fuse):
    import onnxscript.optimizer
    from onnxscript import ir

    model = ir.load(str(path))
    result = onnxscript.optimizer.optimize(model)
    model = model if result is None else result
    if fuse:
        from onnxscript.rewriter.ort_fusions import optimize_for_ort

        result = optimize_for_ort(model)
        model = result[0] if isinstance(result, tuple) else result
    return ir.to_proto(model)


def by_onnxslim(path, record):
    import onnxslim

    return onnxslim.slim(str(path))


def by_onnxoptimizer(path, record):
    import onnx
    import onnxoptimizer

    return onnxoptimizer.optimize(onnx.load(str(path)))


def by_onnxsim(path, record):
    import onnx

    target = path.with_suffix(".onnxsim")
    command = [os.environ.get("NODE", "node"), "--no-wasm-async-compilation", os.environ["ONNXSIM_SCRIPT"], str(path), str(target)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise RuntimeError((outcome.stderr or outcome.stdout).strip()[-200:])
    model = onnx.load(str(target))
    target.unlink()
    return model


TOOLS = {
    "onnxruntime-basic": lambda path, record: by_onnxruntime(path, record, "ORT_ENABLE_BASIC"),
    "onnxruntime-extended": lambda path, record: by_onnxruntime(path, record, "ORT_ENABLE_EXTENDED"),
    "onnxruntime-all": lambda path, record: by_onnxruntime(path, record, "ORT_ENABLE_ALL"),
    "onnxruntime-transformers-0": lambda path, record: by_transformers(path, record, 0),
    "onnxruntime-transformers-1": lambda path, record: by_transformers(path, record, 1),
    "onnxruntime-transformers-2": lambda path, record: by_transformers(path, record, 2),
    "onnxscript": lambda path, record: by_onnxscript(path, record, False),
    "onnxscript-ort-fusions": lambda path, record: by_onnxscript(path, record, True),
    "onnxslim": by_onnxslim,
    "onnxoptimizer": by_onnxoptimizer,
    "onnxsim": by_onnxsim,
}


def error_of(model, arrays):
    """Of a model's outputs against torch's."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {one.name: arrays[f"in:{one.name}"] for one in session.get_inputs()}
    return relative_error([arrays[f"out:{i}"] for i in range(len(session.get_outputs()))], session.run(None, feeds))


def without_weights(model):
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 2048:
            tensor.raw_data = bytes(len(tensor.raw_data))
    return model


def compete(job):
    import numpy as np
    import onnx

    folder, record, tool, keep = job
    path = Path(folder) / record["file"]
    arrays = dict(np.load(path.with_suffix(".npz")))
    started = time.perf_counter()
    model = onnx.load(str(path)) if tool == "original" else TOOLS[tool](path, record)
    ms = round((time.perf_counter() - started) * 1000)
    found = {"nodes": node_count(model)}
    if tool != "original":
        found["ms"] = ms
    try:
        error = error_of(model, arrays)
        found["relativeError"] = None if error is None else float(f"{error:.1e}")
    except Exception as error:  # noqa: BLE001
        found["doesNotRun"] = " ".join(str(error).split())[:200]
    if keep:
        found["histogram"] = histogram(model)
        if tool in ("onnxruntime-extended", "onnxruntime-transformers-1", "onnxscript", "onnxscript-ort-fusions"):
            stem = record["file"].removesuffix(".onnx")
            onnx.save(without_weights(model), str(Path(keep) / f"{stem}.{tool}.onnx"))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tools", default="")
    parser.add_argument("--onnxsim", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--jobs", type=int, default=14)
    parser.add_argument("--limit-s", type=int, default=100, help="for one tool on one model")
    parser.add_argument("--deadline-s", type=int, default=3600)
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    import onnx  # noqa: F401
    import onnxruntime.transformers.optimizer  # noqa: F401
    import onnxscript.optimizer  # noqa: F401

    seen = versions()
    absent = {name for name in ("onnxslim", "onnxoptimizer") if seen[name] is None}
    records = [one for one in json.loads((options.folder / "index.json").read_text())["models"] if "file" in one]
    if options.onnxsim:
        os.environ["ONNXSIM_SCRIPT"] = str(options.onnxsim.resolve())
    else:
        absent.add("onnxsim")
    everything = ["original", *(tool for tool in TOOLS if tool not in absent)]
    tools = options.tools.split(",") if options.tools else everything
    keep = str(options.keep) if options.keep else None
    jobs = [(str(options.folder), record, tool, keep) for record in records for tool in tools]
    before = json.loads(gzip.decompress(options.out.read_bytes())) if options.tools and options.out.exists() else {"models": {}}
    models, histograms = before["models"], {}
    for (_, record, tool, _), found, error in run_all(jobs, compete, options.limit_s, options.jobs, options.deadline_s):
        name = record["file"].removesuffix(".onnx")
        found = found or {"error": error[:200]}
        counts = found.pop("histogram", None)
        if counts:
            histograms.setdefault(name, {})[tool] = counts
        models.setdefault(name, {})[tool] = found
    models = {name: {tool: models[name][tool] for tool in ["original", *TOOLS] if tool in models[name]} for name in sorted(models)}
    body = ",\n".join(f' {json.dumps(name)}: {json.dumps(found)}' for name, found in models.items())
    text = f'{{"versions": {json.dumps(seen)},\n"notInstalled": {json.dumps(sorted(absent - {"onnxsim"}))},\n"models": {{\n{body}\n}}}}\n'
    options.out.write_bytes(gzip.compress(text.encode(), mtime=0))
    if options.keep:
        (options.keep / "histograms.json").write_text(json.dumps(histograms))


if __name__ == "__main__":
    main()
