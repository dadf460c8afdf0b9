"""Measures every exported model with onnxruntime (CPU, float32, weights rounded to float16 and expanded) and writes the
cards: python check.py [names]."""
import json
import sys

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

import data
import ort
import outliers
from cards import BARS, CARDS
from common import DATA, SAMPLES, load, log
from evaldata import WINDOW, eval_ids
from export import ALL, torch_model
from models_image import IMAGE_MODELS
from models_lm import LM_CONFIGS


class Calibration(CalibrationDataReader):
    def __init__(self, images):
        self.batches = iter(images[at:at + 64] for at in range(0, len(images), 64))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"input": ort.images_input(batch)}


def image_figures(name: str) -> dict:
    images, labels = data.fashion("t10k")
    figures = {"fp32": {"top1": ort.top1(ort.session(name), images, labels), "n": len(images)}}
    if name != "fashion-mobile":
        return figures
    proto = onnx.load(DATA / "expanded" / f"{name}.onnx")
    for label, axis in (("int8_weights_per_tensor", None), ("int8_weights_per_channel", 0)):
        changed = ort.with_weights(proto, lambda node, w: ort.round_trip(w, 8, axis if w.ndim > 2 or axis is None else 0))
        figures[label] = {"top1": ort.top1(ort.session(changed), images, labels), "n": len(images)}
    calibration, _ = data.fashion_calibration()
    for label, per_channel in (("ort_static_qdq_per_tensor", False), ("ort_static_qdq_per_channel", True)):
        target = DATA / "expanded" / f"{name}-{label}.onnx"
        quantize_static(str(DATA / "expanded" / f"{name}.onnx"), str(target), Calibration(calibration[:512]),
                        per_channel=per_channel, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        figures[label] = {"top1": ort.top1(ort.session(onnx.load(target)), images, labels), "n": len(images)}
    return figures


def lm_figures(name: str) -> dict:
    run, lengths = ort.session(name), data.token_bytes(data.tokenizer())
    ids = eval_ids()
    figures = {"fp32": ort.lm_figures(run, ids, lengths, WINDOW)}
    whole = data.lm_tokens()["persuasion"]
    figures["fp32_whole_novel_windows_of_512"] = ort.lm_figures(run, whole, lengths, 512)
    rows = ids[: 2 * 40].reshape(2, 40)
    figures["largest_logit_difference"] = {"cached_decoding_against_full_sequence": ort.cached_equals_full(run, rows),
                                           "left_padded_against_plain": ort.left_padding_holds(run, rows)}
    proto = onnx.load(DATA / "expanded" / f"{name}.onnx")
    figures["int4_rtn_block128_weights"] = ort.lm_figures(ort.session(four_bits(proto)), ids, lengths, WINDOW)
    return figures


def four_bits(proto: onnx.ModelProto, block: int = 128) -> onnx.ModelProto:
    """Every linear weight but the head, rounded to 4 bits in blocks along K."""
    def change(node, w):
        return w if "lm_head" in node.input[1] else ort.round_trip_blocks(w, 4, block)
    return ort.with_weights(proto, change)


def outlier_figures() -> dict:
    rescale, lengths, ids = outliers.write_rescale(), data.token_bytes(data.tokenizer()), eval_ids()
    source = onnx.load(DATA / "expanded" / "lm-target.onnx")
    proto = outliers.apply_rescale(source, rescale)
    run = ort.session(proto)
    rows = ids[: 4 * WINDOW].reshape(4, WINDOW)
    difference = np.abs(ort.lm_logits(run, rows) - ort.lm_logits(ort.session("lm-target"), rows)).max()
    figures = {"fp32": ort.lm_figures(run, ids, lengths, WINDOW),
               "largest_logit_difference": {"against_lm_target": float(difference)}}
    for block in (32, 128):
        for label, p in (("", proto), ("lm_target_", source)):
            figures[f"{label}int4_rtn_block{block}_weights"] = ort.lm_figures(ort.session(four_bits(p, block)), ids, lengths, WINDOW)
    return figures


def tagger_figures() -> dict:
    run, splits = ort.session("tagger"), data.brown()
    vocab = data.tagger_vocabulary(splits["train"])
    import gzip
    rows = json.loads(gzip.decompress((SAMPLES / "tagger" / "eval.json.gz").read_bytes()))["sentences"]
    slice_ = data.encode_sentences([list(zip(r["words"], r["tags"])) for r in rows], vocab)
    return {"fp32": ort.tagger_accuracy(run, slice_),
            "fp32_whole_test_split": ort.tagger_accuracy(run, data.encode_sentences(splits["test"], vocab))}


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def card(name: str) -> dict:
    base = "lm-target" if name == "lm-outlier" else name
    _, facts = load(base)
    if name in IMAGE_MODELS:
        figures = image_figures(name)
    elif name == "lm-outlier":
        figures = outlier_figures()
    else:
        figures = tagger_figures() if name == "tagger" else lm_figures(name)
    out = {"id": name} | CARDS[name] | {"params": facts.pop("params"), "training": facts, "metrics": figures}
    out["metrics_by"] = "onnxruntime, CPU, float32, on the file's weights expanded from float16"
    out["file"] = {"model": "rescale.json over ../lm-target/model.fp16w.onnx" if name == "lm-outlier" else "model.fp16w.onnx",
                   "container": "float32 graph whose initializers listed in metadata `whittle.expand_fp16` are stored as "
                                "float16 under the same name; expand them to float32 on load"}
    if name.startswith("lm-"):
        model = outliers.rescaled_torch(json.loads(outliers.RESCALE.read_text())) if name == "lm-outlier" else torch_model(name)
        out["activation_statistics"] = outliers.summary(outliers.channel_statistics(model))
    if name in LM_CONFIGS:
        c = LM_CONFIGS[name]
        out["config"] = {"layers": c.layers, "kv_heads": c.kv_heads, "head_dim": c.head_dim, "heads": c.heads, "dim": c.dim,
                         "vocabulary": c.vocab, "trained_context": c.context}
    if name in BARS:
        metric, bar = BARS[name]
        out["bar"] = {"metric": metric, "at_least": bar, "reached": figures["fp32"][metric] >= bar}
    return rounded(out)


if __name__ == "__main__":
    names = sys.argv[1:] or ALL
    for chosen in names + (["lm-outlier"] if "lm-target" in names and "lm-outlier" not in names else []):
        result = card(chosen)
        target = SAMPLES / chosen / "card.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        log("check", f"{chosen}: {json.dumps(result['metrics'])}")
