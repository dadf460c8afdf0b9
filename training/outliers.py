"""Do the language models have activation outliers, as large ones do? And `lm-outlier`: the same function with some.

Measured at the input of every linear layer over the calibration text: the kurtosis of the activations (3 for a normal
distribution) and the largest channel over the median channel (each channel by its largest magnitude).
"""
import json

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from common import SAMPLES, log
from evaldata import WINDOW, calibration_ids
from export import torch_model
from models_lm import Conv1D

SEED, CHANNELS, FACTORS = 7, 4, [8, 16, 32, 64]
RESCALE = SAMPLES / "lm-outlier" / "rescale.json"


def run_calibration(model) -> None:
    ids = torch.tensor(calibration_ids().astype("int64"))
    for rows in ids.view(-1, WINDOW).split(16):
        model(rows)


@torch.no_grad()
def channel_statistics(model) -> dict[str, dict[str, float]]:
    """By linear layer: kurtosis and max/median of the channels of its input."""
    seen, hooks = {}, []

    def watch(name):
        def hook(_, inputs):
            x = inputs[0].flatten(0, -2).double()
            old = seen.setdefault(name, [torch.zeros(x.shape[-1]).double(), 0.0, 0.0, 0.0, 0])
            old[0] = torch.maximum(old[0], x.abs().amax(0))
            old[1:] = [old[1] + x.sum().item(), old[2] + x.pow(2).sum().item(), old[3] + x.pow(4).sum().item(), old[4] + x.numel()]
        return hook

    for name, module in model.named_modules():
        if isinstance(module, (torch.nn.Linear, Conv1D)):
            hooks.append(module.register_forward_pre_hook(watch(name)))
    run_calibration(model)
    for h in hooks:
        h.remove()
    out = {}
    for name, (top, _, second, fourth, n) in seen.items():
        out[name] = {"kurtosis": fourth / n / (second / n) ** 2, "max_over_median": (top.max() / top.median()).item()}
    return out


def summary(statistics: dict) -> dict:
    """The middle and the most extreme layer."""
    ratio = {k: v["max_over_median"] for k, v in statistics.items()}
    worst = max(ratio, key=ratio.get)
    return {"linear_layers": len(ratio), "max_over_median": {"median_layer": round(float(np.median(list(ratio.values()))), 2),
            "worst_layer": worst, "worst": round(ratio[worst], 2)},
            "kurtosis": {"median_layer": round(float(np.median([v["kurtosis"] for v in statistics.values()])), 2),
                         "worst": round(max(v["kurtosis"] for v in statistics.values()), 2)}}


@torch.no_grad()
def salience(model) -> dict[str, torch.Tensor]:
    """By linear layer, how much each input channel carries: its mean square times its weights' sum of squares."""
    seen, hooks = {}, []

    def watch(name):
        def hook(module, inputs):
            x = inputs[0].flatten(0, -2).double()
            seen[name] = seen.get(name, 0) + x.pow(2).sum(0) * module.weight.double().pow(2).sum(0)
        return hook

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            hooks.append(module.register_forward_pre_hook(watch(name)))
    run_calibration(model)
    for h in hooks:
        h.remove()
    return seen


def make_rescale(model) -> dict:
    """Which channels of which tensors are multiplied and divided; axes are those of the ONNX file ([K, N] weights)."""
    rng, groups, carried = np.random.default_rng(SEED), [], salience(model)
    for i in range(model.c.layers):
        at = f"model.layers.{i}"
        pairs = [(f"{at}.input_layernorm", 0, ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
                 (f"{at}.post_attention_layernorm", 0, ["mlp.gate_proj", "mlp.up_proj"]),
                 (f"{at}.mlp.up_proj", 1, ["mlp.down_proj"])]
        for writer, axis, readers in pairs:
            top = sum(carried[f"{at}.{r}"] for r in readers).topk(CHANNELS).indices
            groups.append({"multiply": [{"tensor": f"{writer}.weight", "axis": axis}],
                           "divide": [{"tensor": f"{at}.{r}.weight", "axis": 0} for r in readers],
                           "channels": sorted(top.tolist()), "factors": rng.choice(FACTORS, CHANNELS).tolist()})
    return {"source": "lm-target", "seed": SEED, "groups": groups,
            "rule": "For every group: multiply the slice of each tensor in `multiply`, at index channels[j] of its axis, by "
                    "factors[j]; divide the same slice of each tensor in `divide` by factors[j]. Do it after the weights "
                    "were expanded to float32. The factors are powers of two, so the function is kept exactly. The channels "
                    "are those that carry most over the calibration text, as outlier channels of large models do."}


def apply_rescale(proto: onnx.ModelProto, rescale: dict) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    tensors = {i.name: i for i in copy.graph.initializer}
    for g in rescale["groups"]:
        for sign, entries in ((1, g["multiply"]), (-1, g["divide"])):
            for e in entries:
                array = numpy_helper.to_array(tensors[e["tensor"]]).copy()
                factor = np.ones(array.shape[e["axis"]], np.float32)
                factor[g["channels"]] = np.array(g["factors"], np.float32) ** sign
                array *= factor.reshape([-1 if a == e["axis"] else 1 for a in range(array.ndim)])
                tensors[e["tensor"]].CopyFrom(numpy_helper.from_array(array, e["tensor"]))
    return copy


def rescaled_torch(rescale: dict):
    """lm-target with the same rescaling in torch's layout ([N, K]), to measure its activations."""
    model = torch_model("lm-target")
    state = model.state_dict()
    for g in rescale["groups"]:
        factors = torch.tensor(g["factors"]).float()
        for power, entries in ((1, g["multiply"]), (-1, g["divide"])):
            for e in entries:
                t = state[e["tensor"]]
                at = t.movedim(0 if t.ndim == 1 else 1 - e["axis"], 0)
                at[g["channels"]] *= (factors ** power).view(-1, *[1] * (t.ndim - 1))
    return model


def write_rescale() -> dict:
    rescale = make_rescale(torch_model("lm-target"))
    RESCALE.parent.mkdir(parents=True, exist_ok=True)
    RESCALE.write_text(json.dumps(rescale, separators=(",", ":")) + "\n")
    return rescale


if __name__ == "__main__":
    for name in ("lm-target", "lm-draft", "lm-gpt2"):
        log(name, json.dumps(summary(channel_statistics(torch_model(name)))))
    log("lm-outlier", json.dumps(summary(channel_statistics(rescaled_torch(write_rescale())))))
