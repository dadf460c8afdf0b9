"""What export.py needs to know of a model, the wrappers that give it plain tensors, and seeded weights and inputs."""

from dataclasses import dataclass, field

import torch


@dataclass
class Example:
    module: torch.nn.Module
    inputs: dict  # by name, in the order of forward's arguments
    dynamic: dict = field(default_factory=dict)  # input name -> {axis: dim name}
    model_type: str | None = None  # for onnxruntime.transformers.optimizer
    heads: int = 4
    hidden: int = 64


class ByName(torch.nn.Module):
    """Calls a transformers model by keyword and returns its logits or its first output."""

    def __init__(self, model, names, **fixed):
        super().__init__()
        self.model = model
        self.names = names
        self.fixed = fixed

    def forward(self, *args):
        result = self.model(**dict(zip(self.names, args)), **self.fixed)
        return result.logits if hasattr(result, "logits") else result[0]


class WithCache(torch.nn.Module):
    """A decoder step as optimum writes it: past keys and values in, present ones out."""

    def __init__(self, model, layers):
        super().__init__()
        self.model = model
        self.layers = layers

    def forward(self, input_ids, attention_mask, position_ids, *past):
        from transformers import DynamicCache

        cache = DynamicCache([(past[2 * i], past[2 * i + 1]) for i in range(self.layers)])
        result = self.model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache, use_cache=True
        )
        present = [tensor for layer in result.past_key_values.layers for tensor in (layer.keys, layer.values)]
        return (result.logits, *present)


class Embedder(torch.nn.Module):
    """A sentence embedder: mean over the tokens that count, to unit length."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask)[0]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, p=2, dim=1)


class Plain(torch.nn.Module):
    """A vision model's first output as a tensor."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        result = self.model(x)
        if isinstance(result, dict):
            return result["out"]
        return result if torch.is_tensor(result) else result[0]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tokens(vocabulary=256, batch=2, length=12):
    return torch.randint(3, vocabulary, (batch, length), generator=seeded(1))


def mask(batch=2, length=12):
    """The last row is padded, so that a mask that gets lost shows in the outputs."""
    ones = torch.ones(batch, length, dtype=torch.int64)
    ones[-1, -3:] = 0
    return ones


def image(batch=2, channels=3, size=64):
    return torch.randn(batch, channels, size, size, generator=seeded(2))


@torch.no_grad()
def settle(module):
    """Fresh weights are partly zeros and ones (biases, norms), which optimizers drop: those of a trained model they
    could not. And matrices get few distinct values, so that the files compress."""
    generator = seeded(0)
    large = sum(p.numel() for p in module.parameters()) > 400_000
    levels = 3 if large else 31
    for parameter in module.parameters():
        if parameter.dim() <= 1:
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
            continue
        if parameter.abs().max() == 0:
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        # A power of two: the low bits of the floats are then zeros.
        step = 2.0 ** torch.log2(parameter.std() * (2.5 if large else 4) / levels).round()
        parameter.copy_((parameter / step).round().clamp(-levels, levels) * step)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.1)
        if name.endswith("running_var"):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
