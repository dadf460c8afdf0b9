"""Exports the checkpoints: python export.py [names]. Writes public/samples/<id>/model.fp16w.onnx.

The container: an ordinary float32 ONNX file in which every float32 initializer of 1,024 elements or more is stored as
float16 under the same name, with no Cast. It does not run as it is: a loader turns the initializers named in the
metadata entry `whittle.expand_fp16` (a JSON list) back into float32, and the result is the model.
"""
import json
import sys
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

import data
from common import DATA, SAMPLES, load, log
from models_image import IMAGE_MODELS, fold_norms, spread_scales
from models_lm import LM_CONFIGS, build_lm
from models_tagger import Tagger

OPSET, LARGE, KEY = 18, 1024, "whittle.expand_fp16"
SPREAD_SEED = 200
WRAPPED = ("model.model.", "model.transformer.", "model.lm_head.")  # CachedDecoder puts "model." before every name
ALL = [*IMAGE_MODELS, *LM_CONFIGS, "tagger"]


class CachedDecoder(torch.nn.Module):
    """The inputs and outputs that Optimum and transformers.js use."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, *past):
        logits, presents = self.model.step(input_ids, attention_mask, past)
        return (logits, *presents)


def torch_model(name: str) -> torch.nn.Module:
    """The trained net as torch runs it (without the export container's rounding)."""
    state, _ = load(name)
    if name in IMAGE_MODELS:
        model = IMAGE_MODELS[name]()
    elif name in LM_CONFIGS:
        model = build_lm(name)
    else:
        vocab = data.tagger_vocabulary(None)
        model = Tagger(len(vocab["pieces"]), len(vocab["tags"]))
    model.load_state_dict(state)
    return model.eval()


def signature(name: str, model) -> tuple:
    """Example inputs, input names, output names and dynamic axes."""
    if name in IMAGE_MODELS:
        return (torch.randn(2, 1, 28, 28),), ["input"], ["logits"], {"input": {0: "batch"}, "logits": {0: "batch"}}
    ids = torch.randint(1, 1000, (2, 3))
    axes = {"input_ids": {0: "batch", 1: "sequence"}, "logits": {0: "batch", 1: "sequence"}}
    if name == "tagger":
        axes["attention_mask"] = {0: "batch", 1: "sequence"}
        return (ids, torch.ones_like(ids)), ["input_ids", "attention_mask"], ["logits"], axes
    c, past = model.c, 4
    names = [f"{i}.{part}" for i in range(c.layers) for part in ("key", "value")]
    axes["attention_mask"] = {0: "batch", 1: "past_sequence + sequence"}
    for n in names:
        axes[f"past_key_values.{n}"] = {0: "batch", 2: "past_sequence"}
        axes[f"present.{n}"] = {0: "batch", 2: "past_sequence + sequence"}
    cache = [torch.randn(2, c.kv_heads, past, c.head_dim) for _ in names]
    return ((ids, torch.ones(2, past + 3, dtype=torch.long), *cache),
            ["input_ids", "attention_mask"] + [f"past_key_values.{n}" for n in names],
            ["logits"] + [f"present.{n}" for n in names], axes)


def module_path(node_name: str) -> str:
    """/blocks/blocks.0/depthwise/Conv -> blocks.0.depthwise"""
    path: list[str] = []
    for part in node_name.split("/")[1:-1]:
        if path and part.startswith(path[-1] + "."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path)


def name_initializers(proto: onnx.ModelProto, state: dict[str, np.ndarray]) -> None:
    """The exporter calls transposed or folded weights onnx::MatMul_123; give them their parameters' names back."""
    by_bytes = {}
    for key, value in state.items():
        if value.size > 1:
            by_bytes[(value.shape, value.tobytes())] = key
            by_bytes[(value.T.shape, np.ascontiguousarray(value.T).tobytes())] = key
    users = {}
    for node in proto.graph.node:
        for slot, value in enumerate(node.input):
            users.setdefault(value, (node, slot))
    new, taken = {}, {i.name for i in proto.graph.initializer}
    for init in proto.graph.initializer:
        if "::" not in init.name and not init.name.startswith(WRAPPED):
            continue
        array = numpy_helper.to_array(init)
        name = by_bytes.get((array.shape, array.tobytes()))
        if name is None and init.name in users:
            node, slot = users[init.name]
            name = f"{module_path(node.name)}.{['input', 'weight', 'bias'][min(slot, 2)]}"
        if name and name not in taken:
            new[init.name] = name
            taken.add(name)
    for init in proto.graph.initializer:
        init.name = new.get(init.name, init.name)
    for node in proto.graph.node:
        for slot, value in enumerate(node.input):
            node.input[slot] = new.get(value, value)
        node.doc_string = ""


def shrink(proto: onnx.ModelProto) -> None:
    """Stores the large float32 initializers as float16 and lists their names."""
    names = []
    for init in proto.graph.initializer:
        if init.data_type == TensorProto.FLOAT and np.prod(init.dims) >= LARGE:
            half = numpy_helper.to_array(init).astype(np.float16)
            assert np.isfinite(half).all(), f"{init.name} does not fit float16"
            init.CopyFrom(numpy_helper.from_array(half, init.name))
            names.append(init.name)
    proto.metadata_props.add(key=KEY, value=json.dumps(names))


def expand(path) -> onnx.ModelProto:
    """What every loader does: the file's float16 initializers, as float32."""
    proto = onnx.load(path)
    entry = next(p for p in proto.metadata_props if p.key == KEY)
    names = set(json.loads(entry.value))
    for init in proto.graph.initializer:
        if init.name in names:
            init.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(init).astype(np.float32), init.name))
    proto.metadata_props.remove(entry)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def export(name: str) -> None:
    torch.manual_seed(0)
    model = torch_model(name)
    if name == "fashion-mobile":
        model = spread_scales(fold_norms(model), SPREAD_SEED)
    example, inputs, outputs, axes = signature(name, model)
    wrapped = CachedDecoder(model).eval() if name in LM_CONFIGS else model
    target = SAMPLES / name / "model.fp16w.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(wrapped, example, str(target), input_names=inputs, output_names=outputs, dynamic_axes=axes,
                          opset_version=OPSET, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE)  # keeps BatchNorms apart
    proto = onnx.load(target)
    name_initializers(proto, {k: v.numpy() for k, v in model.state_dict().items()})
    proto.graph.name = name
    shrink(proto)
    onnx.save(proto, target)
    (DATA / "expanded").mkdir(exist_ok=True)
    onnx.save(expand(target), DATA / "expanded" / f"{name}.onnx")
    log("export", f"{name}: {len(proto.graph.node)} nodes, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or ALL:
        export(chosen)
