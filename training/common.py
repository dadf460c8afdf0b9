"""What every training shares: seeding, a schedule that ends on time, an average of the weights, and the log."""
import copy
import math
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
DATA = HERE / ".data"
SAMPLES = HERE.parent / "public" / "samples"


def runs_folder() -> Path:
    """Where checkpoints and logs go: $WHITTLE_RUNS, or training/.data/runs."""
    folder = Path(os.environ.get("WHITTLE_RUNS", DATA / "runs"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def hardware() -> str:
    """The class of hardware, for the card."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"


def log(model: str, text: str) -> None:
    print(f"[{model}] {text}", flush=True)


def bf16(dev: torch.device):
    return torch.autocast(dev.type, dtype=torch.bfloat16, enabled=dev.type == "cuda")


def compiled(model: torch.nn.Module, dev: torch.device):
    """torch.compile on a GPU; what cannot be compiled runs as it is."""
    torch._dynamo.config.suppress_errors = True
    return torch.compile(model) if dev.type == "cuda" else model


@dataclass
class Schedule:
    """Linear warm-up, then cosine to `floor`. Progress is the larger of steps done and seconds spent, so a slow
    machine gets a shorter schedule that still ends at the floor instead of being cut off in the middle."""
    steps: int
    max_seconds: float
    peak: float
    warmup: float = 0.03
    floor: float = 0.02

    def __post_init__(self):
        self.start()

    def start(self) -> None:
        """Called again after the first step, so that compiling does not count."""
        self.began = time.time()

    def seconds(self) -> float:
        return time.time() - self.began

    def progress(self, step: int) -> float:
        return max(step / self.steps, self.seconds() / self.max_seconds)

    def rate(self, step: int) -> float:
        p = min(1.0, self.progress(step))
        if p < self.warmup:
            return self.peak * max(p, 1e-4) / self.warmup
        p = (p - self.warmup) / (1 - self.warmup)
        return self.peak * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * p)))


class Average:
    """Exponential moving average of parameters and floating-point buffers; quick to follow at first."""

    def __init__(self, model: torch.nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        mine, theirs = self.model.state_dict(), model.state_dict()
        self.mine = [mine[k] for k in mine if mine[k].is_floating_point()]
        self.theirs = [theirs[k] for k in mine if mine[k].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.mine, self.theirs, 1 - decay)


def parameter_groups(model: torch.nn.Module, decay: float, exempt=()) -> list[dict]:
    """Weight decay on matrices and kernels only; not on norms, biases, nor on names that contain one of `exempt`."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    keep = [p for n, p in named if p.ndim >= 2 and not any(e in n for e in exempt)]
    rest = [p for n, p in named if p.ndim < 2 or any(e in n for e in exempt)]
    return [{"params": keep, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def save(name: str, model: torch.nn.Module, facts: dict, half: bool = False) -> None:
    state = {k: v.detach().cpu() for k, v in model.state_dict().items()}
    if half:
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    path = runs_folder() / f"{name}.pt"
    torch.save({"state": state, "facts": facts}, path)
    log(name, f"saved {path.name} {path.stat().st_size:,} bytes; {facts}")


def load(name: str) -> tuple[dict, dict]:
    blob = torch.load(runs_folder() / f"{name}.pt", map_location="cpu", weights_only=True)
    return {k: v.float() if v.is_floating_point() else v for k, v in blob["state"].items()}, blob["facts"]
