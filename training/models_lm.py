"""Two families of decoder-only language models. Each has a fast path for training (`forward(ids)`) and a plain one for
export (`step(...)`), with the inputs and outputs that Optimum and transformers.js use for a cached decoder."""
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from models_image import PlainLayerNorm

MASKED = -10000.0  # added to masked scores: far below any score, and finite in float16


@dataclass
class Config:
    family: str
    vocab: int
    dim: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    context: int = 512
    dropout: float = 0.0

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads


LM_CONFIGS = {
    "lm-target": Config("llama", 1024, dim=384, layers=5, heads=6, kv_heads=2, hidden=896, dropout=0.25),
    "lm-draft": Config("llama", 1024, dim=128, layers=2, heads=4, kv_heads=2, hidden=256),
    "lm-gpt2": Config("gpt2", 1024, dim=192, layers=5, heads=6, kv_heads=6, hidden=768, dropout=0.1),
}


def past_length(past) -> torch.Tensor | int:
    return past[0].shape[2]


def positions(attention_mask, past: int):
    """Position of each new token among the tokens that the mask keeps (left padding does not count)."""
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)[:, past:]


def causal_bias(input_ids, attention_mask, past):
    """0 where a new token may look, MASKED elsewhere: [batch, 1, sequence, past + sequence]."""
    total = attention_mask.shape[1]
    at = torch.arange(total, device=input_ids.device)
    seen = at[None, :] <= at[past:, None]
    allowed = seen[None, None] & (attention_mask[:, None, None, :] > 0)
    return torch.where(allowed, 0.0, MASKED)


def attend(q, k, v, bias, head_dim: int):
    scores = q @ k.transpose(2, 3) * head_dim ** -0.5 + bias
    return F.softmax(scores, -1) @ v


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        if not torch.onnx.is_in_onnx_export():
            return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), -1)


class LlamaAttention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        kv = c.kv_heads * c.head_dim
        self.q_proj, self.o_proj = nn.Linear(c.dim, c.dim, bias=False), nn.Linear(c.dim, c.dim, bias=False)
        self.k_proj, self.v_proj = nn.Linear(c.dim, kv, bias=False), nn.Linear(c.dim, kv, bias=False)

    def forward(self, x, cos, sin, bias=None, past=None):
        c, (batch, length, _) = self.c, x.shape
        q = self.q_proj(x).reshape(batch, length, c.heads, c.head_dim).transpose(1, 2)
        k = self.k_proj(x).reshape(batch, length, c.kv_heads, c.head_dim).transpose(1, 2)
        v = self.v_proj(x).reshape(batch, length, c.kv_heads, c.head_dim).transpose(1, 2)
        q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
        groups = c.heads // c.kv_heads
        if past is None:
            drop = c.dropout if self.training else 0.0
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
            x = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True, dropout_p=drop)
            return self.o_proj(x.transpose(1, 2).reshape(batch, length, c.dim)), None
        k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        x = attend(q, self.repeat(k, groups), self.repeat(v, groups), bias, c.head_dim)
        return self.o_proj(x.transpose(1, 2).reshape(batch, length, c.dim)), (k, v)

    def repeat(self, x, groups: int):
        batch, kv_heads, total, head_dim = x.shape
        x = x[:, :, None].expand(batch, kv_heads, groups, total, head_dim)
        return x.reshape(batch, kv_heads * groups, total, head_dim)


class LlamaMLP(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(c.dim, c.hidden, bias=False), nn.Linear(c.dim, c.hidden, bias=False)
        self.down_proj = nn.Linear(c.hidden, c.dim, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.input_layernorm, self.self_attn = RMSNorm(c.dim), LlamaAttention(c)
        self.post_attention_layernorm, self.mlp = RMSNorm(c.dim), LlamaMLP(c)
        self.drop = nn.Dropout(c.dropout)

    def forward(self, x, cos, sin, bias=None, past=None):
        a, present = self.self_attn(self.input_layernorm(x), cos, sin, bias, past)
        x = x + self.drop(a)
        return x + self.drop(self.mlp(self.post_attention_layernorm(x))), present


class LlamaBody(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab, c.dim)
        self.layers = nn.ModuleList([LlamaLayer(c) for _ in range(c.layers)])
        self.norm, self.drop = RMSNorm(c.dim), nn.Dropout(c.dropout)
        self.register_buffer("inv_freq", 10000.0 ** (-torch.arange(0, c.head_dim, 2).float() / c.head_dim), False)

    def rotation(self, where):
        """cos and sin for positions [batch, sequence]: [batch, 1, sequence, head_dim]."""
        angles = where[:, None, :, None].float() * self.inv_freq
        angles = torch.cat((angles, angles), -1)
        return angles.cos(), angles.sin()


class Llama(nn.Module):
    """RMSNorm, rotary positions, grouped-query attention, SwiGLU; embedding and head not tied."""

    def __init__(self, c: Config):
        super().__init__()
        self.c, self.model, self.lm_head = c, LlamaBody(c), nn.Linear(c.dim, c.vocab, bias=False)
        init_weights(self, c.layers, ("o_proj", "down_proj"))

    def forward(self, ids):
        cos, sin = self.model.rotation(torch.arange(ids.shape[1], device=ids.device)[None])
        x = self.model.drop(self.model.embed_tokens(ids))
        for layer in self.model.layers:
            x, _ = layer(x, cos, sin)
        return self.lm_head(self.model.norm(x))

    def step(self, input_ids, attention_mask, past):
        n = past_length(past)
        cos, sin = self.model.rotation(positions(attention_mask, n))
        bias = causal_bias(input_ids, attention_mask, n)
        x, presents = self.model.embed_tokens(input_ids), []
        for i, layer in enumerate(self.model.layers):
            x, present = layer(x, cos, sin, bias, (past[2 * i], past[2 * i + 1]))
            presents += present
        return self.lm_head(self.model.norm(x)), presents


class Conv1D(nn.Module):
    """GPT-2's linear layer: weight [in, out], exported as Gemm between two Reshapes."""

    def __init__(self, inp: int, out: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(inp, out)), nn.Parameter(torch.zeros(out))

    def forward(self, x):
        size = x.shape[:-1] + (self.bias.shape[0],)
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).reshape(size)


class Gpt2Attention(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c, self.c_attn, self.c_proj = c, Conv1D(c.dim, 3 * c.dim), Conv1D(c.dim, c.dim)

    def forward(self, x, bias=None, past=None):
        c, (batch, length, _) = self.c, x.shape
        q, k, v = (t.reshape(batch, length, c.heads, c.head_dim).transpose(1, 2)
                   for t in self.c_attn(x).split(c.dim, -1))
        if past is None:
            drop = c.dropout if self.training else 0.0
            x = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=drop)
        else:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
            x = attend(q, k, v, bias, c.head_dim)
        return self.c_proj(x.transpose(1, 2).reshape(batch, length, c.dim)), (k, v)


class Gpt2MLP(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(c.dim, c.hidden), Conv1D(c.hidden, c.dim)

    def forward(self, x):
        x = self.c_fc(x)
        if torch.onnx.is_in_onnx_export():  # the parts that GPT-2's own files hold
            x = 0.5 * x * (1.0 + torch.tanh(0.7978845608028654 * (x + 0.044715 * torch.pow(x, 3.0))))
        else:
            x = F.gelu(x, approximate="tanh")
        return self.c_proj(x)


class Gpt2Layer(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = PlainLayerNorm(c.dim), Gpt2Attention(c), PlainLayerNorm(c.dim), Gpt2MLP(c)
        self.drop = nn.Dropout(c.dropout)

    def forward(self, x, bias=None, past=None):
        a, present = self.attn(self.ln_1(x), bias, past)
        x = x + self.drop(a)
        return x + self.drop(self.mlp(self.ln_2(x))), present


class Gpt2(nn.Module):
    """LayerNorm, learned positions, GELU (tanh), full attention; embedding and head not tied."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(c.vocab, c.dim), "wpe": nn.Embedding(c.context, c.dim), "drop": nn.Dropout(c.dropout),
            "h": nn.ModuleList([Gpt2Layer(c) for _ in range(c.layers)]), "ln_f": PlainLayerNorm(c.dim)})
        self.lm_head = nn.Linear(c.dim, c.vocab, bias=False)
        init_weights(self, c.layers, ("c_proj",))

    def forward(self, ids):
        t = self.transformer
        x = t["drop"](t["wte"](ids) + t["wpe"].weight[: ids.shape[1]])
        for layer in t["h"]:
            x, _ = layer(x)
        return self.lm_head(t["ln_f"](x))

    def step(self, input_ids, attention_mask, past):
        t, n = self.transformer, past_length(past)
        x = t["wte"](input_ids) + t["wpe"](positions(attention_mask, n))
        bias, presents = causal_bias(input_ids, attention_mask, n), []
        for i, layer in enumerate(t["h"]):
            x, present = layer(x, bias, (past[2 * i], past[2 * i + 1]))
            presents += present
        return self.lm_head(t["ln_f"](x)), presents


def init_weights(model: nn.Module, layers: int, outputs: tuple[str, ...]) -> None:
    """Normal 0.02; the projections that add to the residual stream are smaller by sqrt(2 layers)."""
    for name, p in model.named_parameters():
        if p.ndim >= 2:
            scale = 0.02 / (2 * layers) ** 0.5 if any(o in name for o in outputs) else 0.02
            nn.init.normal_(p, std=scale)


def build_lm(name: str, dropout: float | None = None) -> nn.Module:
    c = Config(**LM_CONFIGS[name].__dict__)
    if dropout is not None:
        c.dropout = dropout
    return (Llama if c.family == "llama" else Gpt2)(c)
