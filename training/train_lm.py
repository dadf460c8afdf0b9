"""Trains one language model: python train_lm.py lm-target [--smoke] [--max-seconds 400] [--dropout 0.2 --tag b]."""
import argparse
import math

import torch
from torch.nn import functional as F

import data
from common import Average, Schedule, bf16, compiled, count, device, hardware, log, parameter_groups, save, seed_all
from models_lm import build_lm

WINDOW = 512
# Share of each batch by source: Austen's other novels are nearest to the held-out one, the other two add English.
MIXTURE = {"austen": 0.4, "treasury-of-david": 0.35, "world-english-bible": 0.25}
SETTINGS = {
    "lm-target": dict(steps=12500, batch=64, rate=2e-3, decay=0.1, noise=0.08, seed=11),
    "lm-draft": dict(steps=9000, batch=64, rate=4e-3, decay=0.05, noise=0.0, seed=12),
    "lm-gpt2": dict(steps=9000, batch=64, rate=2e-3, decay=0.1, noise=0.0, seed=13),
}


class Batches:
    """Random windows on the device: the first `share` of the rows from the first source, and so on."""

    def __init__(self, tokens: dict, batch: int, dev: torch.device):
        self.sources = [torch.tensor(tokens[s].astype("int64"), device=dev) for s in MIXTURE]
        rows = [round(batch * share) for share in MIXTURE.values()]
        rows[0] += batch - sum(rows)
        self.rows, self.at = rows, torch.arange(WINDOW + 1, device=dev)

    def next(self) -> torch.Tensor:
        picks = [s[torch.randint(0, len(s) - WINDOW - 1, (n, 1), device=s.device) + self.at]
                 for s, n in zip(self.sources, self.rows)]
        return torch.cat(picks)


@torch.no_grad()
def bits_per_byte(model, ids: torch.Tensor, lengths: torch.Tensor, window: int = WINDOW) -> float:
    """Each token but the first scored once, in windows one after another that do not see each other."""
    n = (len(ids) - 1) // window
    x, y = ids[: n * window].view(n, window), ids[1: n * window + 1].view(n, window)
    nats = 0.0
    for a, b in zip(x.split(16), y.split(16)):
        nats += F.cross_entropy(model(a).float().flatten(0, 1), b.flatten(), reduction="sum").item()
    return nats / math.log(2) / lengths[y].sum().item()


def noised(ids: torch.Tensor, chance: float) -> torch.Tensor:
    """Replaces a token in `chance` of the places by one from elsewhere in the batch: the targets stay as they are."""
    other = ids.flatten()[torch.randint(0, ids.numel(), ids.shape, device=ids.device)]
    return torch.where(torch.rand(ids.shape, device=ids.device) < chance, other, ids)


def train(name: str, smoke: bool, max_seconds: float, tag: str, changes: dict) -> None:
    s = SETTINGS[name] | {k: v for k, v in changes.items() if v is not None}
    seed_all(s["seed"])
    dev = device()
    tokens = data.lm_tokens()
    lengths = torch.tensor(data.token_bytes(data.tokenizer()), device=dev)
    validation = torch.tensor(tokens["validation"].astype("int64"), device=dev)
    batches = Batches(tokens, 4 if smoke else s["batch"], dev)
    model = build_lm(name, s.get("dropout")).to(dev)
    optimizer = torch.optim.AdamW(parameter_groups(model, s["decay"]), lr=1e-3, betas=(0.9, 0.98),
                                  fused=dev.type == "cuda")
    average = Average(model, 0.998)
    run = compiled(model, dev)
    steps = 6 if smoke else int(s["steps"])
    schedule = Schedule(steps, max_seconds, s["rate"])
    label, best, best_state, step = name + tag, float("inf"), None, 0
    every = max(1, steps // 15)
    if smoke:
        validation = validation[: 4 * WINDOW + 1]
    while schedule.progress(step) < 1:
        window = batches.next()
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        with bf16(dev):
            logits = run(noised(window[:, :-1], s["noise"]) if s["noise"] else window[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update()
        step += 1
        if step == 1:
            schedule.start()
        if step % every == 0 or schedule.progress(step) >= 1:
            score = bits_per_byte(average.model, validation, lengths)
            log(label, f"step {step} loss {loss.item():.4f} validation {score:.4f} bits a byte at {schedule.seconds():.0f} s")
            if score < best:
                best, best_state, best_step = score, {k: v.clone() for k, v in average.model.state_dict().items()}, step
    average.model.load_state_dict(best_state)
    held = torch.tensor(tokens["persuasion"].astype("int64"), device=dev)
    facts = dict(seed=s["seed"], steps=step, chosen_step=best_step, seconds=round(schedule.seconds()), hardware=hardware(),
                 params=count(model), batch=s["batch"], window=WINDOW, peak_rate=s["rate"], weight_decay=s["decay"],
                 dropout=model.c.dropout, token_noise=s["noise"], tokens_seen=step * s["batch"] * WINDOW, validation_bits_per_byte=best)
    if not smoke:
        facts["torch_persuasion_bits_per_byte_512"] = bits_per_byte(average.model, held, lengths)
    save(label, average.model, facts, half=True)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("name", choices=SETTINGS)
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--max-seconds", type=float, default=600)
    for setting in ("dropout", "noise", "decay", "steps"):
        p.add_argument(f"--{setting}", type=int if setting == "steps" else float)
    p.add_argument("--tag", default="", help="suffix of the checkpoint's name, for trying a setting beside another")
    a = p.parse_args()
    train(a.name, a.smoke, a.max_seconds, a.tag, dict(dropout=a.dropout, noise=a.noise, decay=a.decay, steps=a.steps))
