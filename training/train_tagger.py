"""Trains the part-of-speech tagger: python train_tagger.py [--smoke] [--max-seconds 150]."""
import argparse

import torch
from torch.nn import functional as F

import data
from common import Average, Schedule, bf16, count, device, hardware, log, parameter_groups, save, seed_all
from models_tagger import MAX_POSITIONS, Tagger

BATCH, EPOCHS, RATE, DECAY, SEED = 128, 40, 2e-3, 0.05, 21
WORD_DROPOUT = 0.05  # chance that a piece becomes [UNK] while training, so that context has to help


def pack(encoded, dev):
    """Padded piece ids, mask, and labels at each word's first piece (-100 elsewhere, -1 for an unknown tag)."""
    ids = torch.zeros(len(encoded), MAX_POSITIONS, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for i, (pieces, starts, tags) in enumerate(encoded):
        ids[i, : len(pieces)] = torch.tensor(pieces)
        labels[i, torch.tensor(starts)] = torch.tensor(tags)
    lengths = torch.tensor([len(e[0]) for e in encoded])
    mask = torch.arange(MAX_POSITIONS) < lengths[:, None]
    return ids.to(dev), mask.long().to(dev), labels.to(dev), lengths


@torch.no_grad()
def accuracy(model, ids, mask, labels) -> float:
    right = words = 0
    for i, m, l in zip(ids.split(512), mask.split(512), labels.split(512)):
        scored = l != -100
        right += ((model(i, m).argmax(-1) == l) & scored).sum().item()
        words += scored.sum().item()
    return right / words


def train(smoke: bool, max_seconds: float) -> None:
    seed_all(SEED)
    dev = device()
    splits = data.brown()
    vocab = data.tagger_vocabulary(splits["train"])
    if smoke:
        splits = {k: v[:400] for k, v in splits.items()}
    packed = {k: pack(data.encode_sentences(v, vocab), dev) for k, v in splits.items()}
    ids, mask, labels, lengths = packed["train"]
    model = Tagger(len(vocab["pieces"]), len(vocab["tags"])).to(dev)
    optimizer = torch.optim.AdamW(parameter_groups(model, DECAY), lr=1e-3, betas=(0.9, 0.98), fused=dev.type == "cuda")
    average = Average(model, 0.999)
    epochs = 2 if smoke else EPOCHS
    schedule = Schedule(epochs * (len(ids) // BATCH + 1), max_seconds, RATE)
    step = epoch = 0
    while schedule.progress(step) < 1:
        model.train()
        # sentences of about the same length share a batch, so that little of it is padding
        order = torch.argsort(lengths + torch.rand(len(lengths)) * 6)
        batches = order.split(BATCH)
        for b in torch.randperm(len(batches)).tolist():
            pick = batches[b].to(dev)
            width = int(lengths[batches[b]].max())
            x, m, y = ids[pick, :width], mask[pick, :width], labels[pick, :width]
            x = torch.where(torch.rand(x.shape, device=dev) < WORD_DROPOUT, 1, x) * m
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step)
            with bf16(dev):
                logits = model(x, m)
            loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), ignore_index=-100, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            average.update()
            step += 1
        epoch += 1
        if epoch % 4 == 0 or schedule.progress(step) >= 1:
            log("tagger", f"epoch {epoch} loss {loss.item():.4f} development accuracy of the average "
                          f"{accuracy(average.model, *packed['dev'][:3]):.4f} at {schedule.seconds():.0f} s")
    facts = dict(seed=SEED, epochs=epoch, steps=step, seconds=round(schedule.seconds()), hardware=hardware(),
                 params=count(model), batch=BATCH, peak_rate=RATE, weight_decay=DECAY,
                 dev_accuracy=accuracy(average.model, *packed["dev"][:3]),
                 torch_test_accuracy=accuracy(average.model, *packed["test"][:3]))
    save("tagger", average.model, facts)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--max-seconds", type=float, default=600)
    a = p.parse_args()
    train(a.smoke, a.max_seconds)
