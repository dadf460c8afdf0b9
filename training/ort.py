"""Running the exported models with onnxruntime on the CPU, and the metrics that the cards state."""
import math

import numpy as np
import onnx
import onnxruntime

import data
from common import DATA


def session(model: onnx.ModelProto | str) -> onnxruntime.InferenceSession:
    """A session for a proto, or for the expanded file of a model by name."""
    source = str(DATA / "expanded" / f"{model}.onnx") if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])


def images_input(images: np.ndarray) -> np.ndarray:
    return ((images.astype(np.float32) / 255 - np.float32(data.FASHION_MEAN)) / np.float32(data.FASHION_STD))[:, None]


def top1(run, images: np.ndarray, labels: np.ndarray, batch: int = 500) -> float:
    right = 0
    for at in range(0, len(images), batch):
        logits = run.run(["logits"], {"input": images_input(images[at:at + batch])})[0]
        right += int((logits.argmax(1) == labels[at:at + batch]).sum())
    return right / len(images)


def empty_past(run, batch: int) -> dict[str, np.ndarray]:
    return {i.name: np.zeros((batch, i.shape[1], 0, i.shape[3]), np.float32)
            for i in run.get_inputs() if i.name.startswith("past_key_values")}


def lm_logits(run, ids: np.ndarray) -> np.ndarray:
    feeds = {"input_ids": ids.astype(np.int64), "attention_mask": np.ones_like(ids, np.int64)}
    return run.run(["logits"], feeds | empty_past(run, len(ids)))[0]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


def lm_figures(run, ids: np.ndarray, lengths: np.ndarray, window: int, batch: int = 10) -> dict:
    """Windows one after another that do not see each other; each token but the first is scored once."""
    n = (len(ids) - 1) // window
    x, y = ids[: n * window].reshape(n, window), ids[1: n * window + 1].reshape(n, window)
    nats, right, per_window = 0.0, 0, []
    for at in range(0, n, batch):
        logp = log_softmax(lm_logits(run, x[at:at + batch]))
        target = y[at:at + batch]
        loss = -np.take_along_axis(logp, target[..., None].astype(np.int64), -1)[..., 0]
        nats += float(loss.sum())
        right += int((logp.argmax(-1) == target).sum())
        per_window += list(loss.sum(1) / math.log(2) / lengths[target].sum(1))
    tokens, size = n * window, int(lengths[y].sum())
    return {"bits_per_byte": nats / math.log(2) / size, "perplexity_per_token": math.exp(nats / tokens),
            "top1": right / tokens, "windows": n, "window_tokens": window, "tokens": tokens, "bytes": size,
            "bits_per_byte_standard_error_over_windows": float(np.std(per_window, ddof=1) / math.sqrt(n))}


def cached_equals_full(run, ids: np.ndarray) -> float:
    """Largest difference in logits between scoring at once and decoding with the cache (7 tokens, then one by one)."""
    full = lm_logits(run, ids)
    names = [o.name for o in run.get_outputs()]
    past, at, worst = empty_past(run, len(ids)), 0, 0.0
    while at < ids.shape[1]:
        end = 7 if at == 0 else at + 1
        feeds = {"input_ids": ids[:, at:end].astype(np.int64), "attention_mask": np.ones((len(ids), end), np.int64)}
        out = dict(zip(names, run.run(None, feeds | past)))
        worst = max(worst, float(np.abs(out["logits"] - full[:, at:end]).max()))
        past = {n.replace("present", "past_key_values"): v for n, v in out.items() if n.startswith("present")}
        at = end
    return worst


def left_padding_holds(run, ids: np.ndarray, pad: int = 5) -> float:
    """Largest difference in logits when the same row is padded on the left and masked there."""
    full = lm_logits(run, ids[:1])
    padded = np.concatenate([np.zeros((1, pad), np.int64), ids[:1].astype(np.int64)], 1)
    mask = np.concatenate([np.zeros((1, pad), np.int64), np.ones_like(ids[:1], np.int64)], 1)
    out = run.run(["logits"], {"input_ids": padded, "attention_mask": mask} | empty_past(run, 1))[0]
    return float(np.abs(out[:, pad:] - full).max())


def tagger_accuracy(run, encoded, batch: int = 64) -> dict:
    right = words = 0
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i][0]))
    for at in range(0, len(order), batch):
        rows = [encoded[i] for i in order[at:at + batch]]
        ids = np.zeros((len(rows), max(len(r[0]) for r in rows)), np.int64)
        mask = np.zeros_like(ids)
        for i, (pieces, _, _) in enumerate(rows):
            ids[i, : len(pieces)], mask[i, : len(pieces)] = pieces, 1
        best = run.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0].argmax(-1)
        for i, (_, starts, tags) in enumerate(rows):
            right += int((best[i, starts] == np.array(tags)).sum())
            words += len(tags)
    return {"token_accuracy": right / words, "words": words, "sentences": len(encoded)}


def round_trip(array: np.ndarray, bits: int, axis: int | None) -> np.ndarray:
    """Symmetric rounding to `bits` bits and back, one scale for the tensor or one per index of `axis`."""
    top = 2 ** (bits - 1) - 1
    over = None if axis is None else tuple(i for i in range(array.ndim) if i != axis)
    scale = np.maximum(np.abs(array).max(axis=over, keepdims=axis is not None), 1e-12) / top
    return (np.clip(np.rint(array / scale), -top, top) * scale).astype(np.float32)


def round_trip_blocks(array: np.ndarray, bits: int, block: int) -> np.ndarray:
    """Round to nearest in blocks along K of a [K, N] weight, symmetric; the larger side maps to the lowest code."""
    low = 2 ** (bits - 1)
    k, n = array.shape
    padded = np.pad(array, ((0, -k % block), (0, 0))).reshape(-1, block, n)
    at = np.abs(padded).argmax(1)[:, None]
    scale = -np.take_along_axis(padded, at, 1) / low
    scale = np.where(scale == 0, 1, scale)
    out = np.clip(np.rint(padded / scale), -low, low - 1) * scale
    return out.reshape(-1, n)[:k].astype(np.float32)


def with_weights(proto: onnx.ModelProto, change) -> onnx.ModelProto:
    """A copy in which `change(node, array)` has replaced the weight of every MatMul, Gemm and Conv that has one."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    weights = {i.name: i for i in copy.graph.initializer}
    for node in copy.graph.node:
        if node.op_type in ("MatMul", "Gemm", "Conv") and node.input[1] in weights:
            init = weights[node.input[1]]
            array = change(node, onnx.numpy_helper.to_array(init))
            init.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(array), init.name))
    return copy
