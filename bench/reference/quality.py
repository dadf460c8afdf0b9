"""Quantizes the subjects of docs/QUANTIZATION-TABLE.md with the reference implementations, as files that
bench/quality/judge-reference.mjs judges with the same tasks and runtime as ours.

    python bench/reference/quality.py INPUTS OUTPUT [--models a,b] [--methods x,y]

INPUTS is what bench/quality/export-inputs.mjs wrote. onnxruntime's own tools run as their documentation says, after their
own pre-processing; GPTQ and AWQ are written here from the papers (arXiv 2210.17323, 2306.00978) in torch, and leave
float32 files with the rounded weights, beside the bytes that these would take as MatMulNBits.
"""
import argparse
import json
import time
import traceback
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, matmul_nbits_quantizer,
                                      quantize_dynamic, quantize_static, shape_inference)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
THREADS = 0
NUMPY = {"float32": np.float32, "int64": np.int64, "int32": np.int32, "bool": np.bool_, "uint8": np.uint8}
CONVOLUTIONAL = ("fashion-mobile", "ocr-rec")


class Feeds(CalibrationDataReader):
    def __init__(self, folder: Path, model: str, limit: int):
        raw = (folder / f"{model}.feeds.bin").read_bytes()
        index = json.loads((folder / f"{model}.feeds.json").read_text())[:limit]
        self.samples = [{name: np.frombuffer(raw, NUMPY[t["dtype"]], int(np.prod(t["dims"])), t["offset"]).reshape(t["dims"])
                         for name, t in sample.items()} for sample in index]
        self.rewind()

    def batches(self, size: int):
        """Samples of equal shapes together, where their first axis is a batch of one."""
        shapes = {tuple((k, v.shape) for k, v in sample.items()) for sample in self.samples}
        if len(shapes) > 1 or any(v.ndim == 0 or v.shape[0] != 1 for v in self.samples[0].values()):
            return self.samples
        return [{k: np.concatenate([sample[k] for sample in self.samples[at:at + size]]) for k in self.samples[0]}
                for at in range(0, len(self.samples), size)]

    def rewind(self):
        self.at = iter(self.samples)

    def get_next(self):
        return next(self.at, None)


# onnxruntime's tools

def prepared(model: Path, work: Path) -> Path:
    """The file after `quant_pre_process`, or as it is where that fails (it does on some exporters' files)."""
    target = work / f"{model.stem}.prepared.onnx"
    if not target.exists():
        try:
            shape_inference.quant_pre_process(str(model), str(target))
        except Exception as problem:  # noqa: BLE001
            print(f"{model.stem}: quant_pre_process fails: {problem}")
            target.write_bytes(model.read_bytes())
    return target


def dynamic(per_channel: bool):
    def run(model, source, target, feeds):
        kind = QuantType.QUInt8 if model in CONVOLUTIONAL else QuantType.QInt8
        quantize_dynamic(str(source), str(target), per_channel=per_channel, weight_type=kind)
    return run


def static(per_channel: bool, method: CalibrationMethod):
    def run(model, source, target, feeds):
        quantize_static(str(source), str(target), feeds, quant_format=QuantFormat.QDQ, per_channel=per_channel,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=method)
    return run


def nbits(config, **settings):
    def run(model, source, target, feeds):
        quantizer = matmul_nbits_quantizer.MatMulNBitsQuantizer(onnx.load(str(source)), **settings, algo_config=config())
        quantizer.process()
        quantizer.model.save_model_to_file(str(target), use_external_data_format=False)
    return run


def hqq(block: int, bits: int = 4):
    config = lambda: matmul_nbits_quantizer.HQQWeightOnlyQuantConfig(block_size=block, bits=bits)  # noqa: E731
    return nbits(config, block_size=block)


def k_quant(block: int):
    config = lambda: matmul_nbits_quantizer.KQuantWeightOnlyQuantConfig()  # noqa: E731
    return nbits(config, block_size=block)


def rtn(block: int, symmetric: bool, bits: int = 4):
    config = lambda: matmul_nbits_quantizer.DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=symmetric, bits=bits)  # noqa: E731
    return nbits(config, block_size=block, is_symmetric=symmetric)


# GPTQ and AWQ from the papers

class Linear:
    """A MatMul or Gemm with a constant weight; `weight` is [N, K] on the device."""

    def __init__(self, node, initializer):
        self.node, self.initializer = node, initializer
        array = numpy_helper.to_array(initializer)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        self.transposed = node.op_type == "Gemm" and attributes.get("transB", 0) == 1
        self.weight = torch.tensor(array if self.transposed else array.T, device=DEVICE, dtype=torch.float32)

    def store(self, weight: torch.Tensor):
        array = weight.cpu().numpy()
        array = np.ascontiguousarray(array if self.transposed else array.T)
        self.initializer.CopyFrom(numpy_helper.from_array(array, self.initializer.name))


def linear_groups(proto):
    """Linear layers by the activation they read, in graph order."""
    weights = {i.name: i for i in proto.graph.initializer}
    groups: dict[str, list[Linear]] = {}
    for node in proto.graph.node:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in weights and len(weights[node.input[1]].dims) == 2:
            groups.setdefault(node.input[0], []).append(Linear(node, weights[node.input[1]]))
    return groups


def activations(proto, name: str, feeds: Feeds) -> torch.Tensor:
    """All rows [tokens, K] of a value over the calibration inputs, from the model as it is now."""
    if any(i.name == name for i in proto.graph.input):
        rows = [sample[name] for sample in feeds.samples]
    else:
        probe = onnx.ModelProto()
        probe.CopyFrom(proto)
        del probe.graph.output[:]
        probe.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = {i.name for i in session.get_inputs()}
        rows = [session.run([name], {k: v for k, v in sample.items() if k in names})[0] for sample in feeds.batches(8)]
    return torch.cat([torch.tensor(r.reshape(-1, r.shape[-1]), device=DEVICE) for r in rows])


def grid(w: torch.Tensor, bits: int):
    """Asymmetric min-max scale and zero point of each row of a block; zero is in the range."""
    low, high = w.amin(1, keepdim=True).clamp(max=0), w.amax(1, keepdim=True).clamp(min=0)
    scale = ((high - low) / (2 ** bits - 1)).clamp(min=1e-10)
    return scale, (-low / scale).round()


def snap(w, scale, zero, bits):
    return scale * ((w / scale).round().add(zero).clamp(0, 2 ** bits - 1) - zero)


def rtn_blocks(w: torch.Tensor, bits: int, block: int, shrink: float = 1.0) -> torch.Tensor:
    out = torch.empty_like(w)
    for at in range(0, w.shape[1], block):
        part = w[:, at:at + block]
        scale, zero = grid(part * shrink, bits)
        out[:, at:at + block] = snap(part, scale, zero, bits)
    return out


def gptq_weight(w: torch.Tensor, hessian: torch.Tensor, bits: int, block: int, damp: float = 0.01) -> torch.Tensor:
    """Algorithm 1 of the paper with groups of `block` columns, lazy batches of 128, no activation order."""
    w, h = w.clone(), hessian.clone()
    dead = h.diagonal() == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    mean = h.diagonal().mean()
    while True:
        damped = h + torch.eye(len(h), device=DEVICE) * damp * mean
        lower, info = torch.linalg.cholesky_ex(damped)
        if info == 0:
            break
        damp *= 10
    upper = torch.linalg.cholesky(torch.cholesky_inverse(lower), upper=True)
    out = torch.zeros_like(w)
    for start in range(0, w.shape[1], 128):
        end = min(start + 128, w.shape[1])
        part, errors = w[:, start:end].clone(), torch.zeros_like(w[:, start:end])
        local = upper[start:end, start:end]
        for i in range(end - start):
            column = start + i
            if column % block == 0:
                # What lies beyond this batch has been updated by all earlier batches; within it, by `part`.
                group = torch.cat([part[:, i:min(i + block, end - start)], w[:, end:column + block]], 1)
                scale, zero = grid(group, bits)
            value = part[:, i:i + 1]
            snapped = snap(value, scale, zero, bits)
            out[:, column:column + 1] = snapped
            error = (value - snapped) / local[i, i]
            part[:, i:] -= error @ local[i:i + 1, i:]
            errors[:, i:i + 1] = error
        w[:, end:] -= errors @ upper[start:end, end:]
    return out


def gptq(bits: int, block: int):
    def quantize(group: list[Linear], rows: torch.Tensor):
        hessian = 2 * rows.T @ rows / len(rows)
        for linear in group:
            linear.store(gptq_weight(linear.weight, hessian, bits, block))
    return torch_method(quantize, bits, block)


def awq(bits: int, block: int):
    def quantize(group: list[Linear], rows: torch.Tensor):
        gram = rows.T @ rows / len(rows)
        loss = lambda w, q: float(((w - q) @ gram * (w - q)).sum())  # noqa: E731
        magnitude = rows.abs().mean(0).clamp(min=1e-8)
        best, chosen = None, None
        for step in range(21):
            scale = magnitude ** (step / 20)
            scale = (scale / (scale.max() * scale.min()).sqrt()).clamp(min=1e-4)
            total = sum(loss(x.weight, rtn_blocks(x.weight * scale, bits, block) / scale) for x in group)
            if best is None or total < best:
                best, chosen = total, scale
        for linear in group:
            scaled, gram_scaled = linear.weight * chosen, gram / torch.outer(chosen, chosen)
            # Clipping, block by block: each block's own output error decides.
            out = torch.empty_like(scaled)
            for at in range(0, scaled.shape[1], block):
                part, own = scaled[:, at:at + block], gram_scaled[at:at + block, at:at + block]
                least = torch.full((len(part),), float("inf"), device=DEVICE)
                for shrink in np.arange(1.0, 0.5, -0.05):
                    scale, zero = grid(part * float(shrink), bits)
                    snapped = snap(part, scale, zero, bits)
                    error = (((part - snapped) @ own) * (part - snapped)).sum(1)
                    better = error < least
                    least = torch.where(better, error, least)
                    out[better, at:at + block] = snapped[better]
            linear.store(out / chosen)
    return torch_method(quantize, bits, block)


def rounded(bits: int, block: int):
    def quantize(group: list[Linear], rows):
        for linear in group:
            linear.store(rtn_blocks(linear.weight, bits, block))
    return torch_method(quantize, bits, block, needs_rows=False)


def torch_method(quantize, bits: int, block: int, needs_rows: bool = True):
    """Layers one after another; each sees the activations that the layers before it give once they are quantized."""
    def run(model, source, target, feeds):
        proto = onnx.load(str(source))
        saved = 0
        for name, group in linear_groups(proto).items():
            rows = activations(proto, name, feeds) if needs_rows else None
            quantize(group, rows)
            for linear in group:
                n, k = linear.weight.shape
                blocks = -(-k // block)
                # 3 bits are stored as 4, as MatMulNBits must.
                packed = n * blocks * block * (4 if bits == 3 else bits) // 8 + n * blocks * 4 + n * -(-blocks * bits // 8)
                saved += n * k * 4 - packed
        onnx.save(proto, str(target))
        return {"bytes": target.stat().st_size - saved, "simulated": True}
    return run


MinMax, Entropy, Percentile = CalibrationMethod.MinMax, CalibrationMethod.Entropy, CalibrationMethod.Percentile
METHODS = {
    "ort-dynamic-tensor": dynamic(False),
    "ort-dynamic-channel": dynamic(True),
    "ort-static-minmax-tensor": static(False, MinMax),
    "ort-static-minmax-channel": static(True, MinMax),
    "ort-static-entropy-channel": static(True, Entropy),
    "ort-static-percentile-channel": static(True, Percentile),
    "ort-rtn4-b32-sym": rtn(32, True),
    "ort-rtn4-b32": rtn(32, False),
    "ort-rtn4-b128": rtn(128, False),
    "ort-rtn8-b128": rtn(128, False, 8),
    "ort-hqq4-b32": hqq(32),
    "ort-hqq4-b128": hqq(128),
    "ort-kquant4-b32": k_quant(32),
    "torch-rtn4-b128": rounded(4, 128),
    "torch-rtn3-b128": rounded(3, 128),
    "torch-gptq4-b128": gptq(4, 128),
    "torch-gptq3-b128": gptq(3, 128),
    "torch-gptq4-b32": gptq(4, 32),
    "torch-awq4-b128": awq(4, 128),
    "torch-awq3-b128": awq(3, 128),
    "torch-awq4-b32": awq(4, 32),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("inputs", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--models", default="lm-target,lm-gpt2,lm-outlier,tagger,fashion-vit,fashion-mobile,ocr-rec")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--samples", type=int, default=64, help="calibration samples")
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime where it computes activations; 0: all")
    options = parser.parse_args()
    global THREADS
    THREADS = options.threads
    work = options.output / "work"
    work.mkdir(parents=True, exist_ok=True)
    for model in options.models.split(","):
        folder = options.output / model
        folder.mkdir(exist_ok=True)
        source = prepared(options.inputs / f"{model}.onnx", work)
        for method in options.methods.split(","):
            facts_path = folder / f"{method}.json"
            if facts_path.exists():
                continue
            target, feeds = folder / f"{method}.onnx", Feeds(options.inputs, model, options.samples)
            began = time.perf_counter()
            try:
                facts = METHODS[method](model, source, target, feeds) or {}
                facts["seconds"] = time.perf_counter() - began
            except Exception as problem:  # noqa: BLE001  a tool that fails is a row of the table
                traceback.print_exc(limit=3)
                target.unlink(missing_ok=True)
                facts = {"error": f"{type(problem).__name__}: {problem}"[:300]}
            facts_path.write_text(json.dumps(facts))
            print(model, method, facts, flush=True)


if __name__ == "__main__":
    main()
