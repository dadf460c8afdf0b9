"""A small BERT-like encoder that gives each word piece a part-of-speech tag (a word takes that of its first piece)."""
import torch
from torch import nn
from torch.nn import functional as F

from models_lm import MASKED

DIM, LAYERS, HEADS, HIDDEN, MAX_POSITIONS = 128, 3, 4, 384, 128


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(DIM, DIM) for _ in range(3))
        self.dense, self.LayerNorm, self.drop = nn.Linear(DIM, DIM), nn.LayerNorm(DIM), nn.Dropout(0.1)

    def forward(self, x, bias):
        batch, length, _ = x.shape
        q, k, v = (f(x).reshape(batch, length, HEADS, DIM // HEADS).transpose(1, 2)
                   for f in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) * (DIM // HEADS) ** -0.5 + bias
        a = F.softmax(scores, -1) @ v
        return self.LayerNorm(x + self.drop(self.dense(a.transpose(1, 2).reshape(batch, length, DIM))))


class EncoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = SelfAttention()
        self.intermediate, self.output = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, DIM)
        self.LayerNorm, self.drop = nn.LayerNorm(DIM), nn.Dropout(0.1)

    def forward(self, x, bias):
        x = self.attention(x, bias)
        return self.LayerNorm(x + self.drop(self.output(F.gelu(self.intermediate(x)))))


class Tagger(nn.Module):
    """Post-norm encoder: learned positions, GELU (erf); LayerNorm stays one operator in the export."""

    def __init__(self, vocab: int, tags: int):
        super().__init__()
        self.word_embeddings, self.position_embeddings = nn.Embedding(vocab, DIM), nn.Embedding(MAX_POSITIONS, DIM)
        self.LayerNorm, self.drop = nn.LayerNorm(DIM), nn.Dropout(0.2)
        self.layer = nn.ModuleList([EncoderLayer() for _ in range(LAYERS)])
        self.classifier = nn.Linear(DIM, tags)
        for p in self.parameters():
            if p.ndim >= 2:
                nn.init.normal_(p, std=0.04)

    def forward(self, input_ids, attention_mask):
        where = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.word_embeddings(input_ids) + self.position_embeddings(where)
        x = self.drop(self.LayerNorm(x))
        bias = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * MASKED
        for layer in self.layer:
            x = layer(x, bias)
        return self.classifier(self.drop(x))
