"""Trains one image classifier: python train_image.py fashion-resnet [--smoke] [--max-seconds 200]."""
import argparse

import torch
from torch.nn import functional as F

import data
from common import Average, Schedule, bf16, compiled, count, device, hardware, log, parameter_groups, save, seed_all
from models_image import IMAGE_MODELS

SETTINGS = {
    "fashion-resnet": dict(batch=512, epochs=100, optimizer="sgd", rate=0.4, decay=5e-4, erase=0.5, seed=1),
    "fashion-mobile": dict(batch=512, epochs=80, optimizer="sgd", rate=0.4, decay=2e-4, erase=0.3, seed=2),
    "fashion-vit": dict(batch=1024, epochs=200, optimizer="adamw", rate=1.5e-3, decay=0.05, erase=0.3, seed=3),
}


def normalise(images: torch.Tensor) -> torch.Tensor:
    return (images.float() / 255 - data.FASHION_MEAN) / data.FASHION_STD


def augment(images: torch.Tensor, erase: float) -> torch.Tensor:
    """[n, 28, 28] uint8 -> random crop out of a 2-pixel border, flip, and one erased rectangle with chance `erase`."""
    n, dev = len(images), images.device
    padded = F.pad(images, (2, 2, 2, 2))
    at = torch.arange(28, device=dev)
    rows = torch.randint(0, 5, (n, 1), device=dev) + at
    cols = torch.randint(0, 5, (n, 1), device=dev) + at
    cols = torch.where(torch.rand(n, 1, device=dev) < 0.5, cols, cols.flip(1))
    out = padded[torch.arange(n, device=dev)[:, None, None], rows[:, :, None], cols[:, None, :]]
    size = torch.randint(4, 11, (2, n, 1), device=dev)
    top, left = torch.randint(0, 24, (2, n, 1), device=dev)
    inside = (((at >= top) & (at < top + size[0]))[:, :, None]) & (((at >= left) & (at < left + size[1]))[:, None, :])
    inside &= (torch.rand(n, 1, 1, device=dev) < erase)
    noise = torch.randint(0, 256, out.shape, device=dev, dtype=torch.uint8)
    return torch.where(inside, noise, out)


@torch.no_grad()
def accuracy(model, images, labels) -> float:
    model.eval()
    right = sum((model(normalise(i)[:, None]).argmax(1) == l).sum().item()
                for i, l in zip(images.split(2000), labels.split(2000)))
    return right / len(images)


def train(name: str, smoke: bool, max_seconds: float) -> None:
    s = SETTINGS[name]
    batch = s["batch"]
    seed_all(s["seed"])
    dev = device()
    images, labels = (torch.tensor(a).to(dev) for a in data.fashion("train"))
    test_images, test_labels = (torch.tensor(a).to(dev) for a in data.fashion("t10k"))
    if smoke:
        images, labels, test_images, test_labels = images[:2048], labels[:2048], test_images[:1000], test_labels[:1000]
    labels, test_labels = labels.long(), test_labels.long()
    model = IMAGE_MODELS[name]().to(dev, memory_format=torch.channels_last)
    groups = parameter_groups(model, s["decay"], exempt=("pos_embed", "depthwise"))
    optimizer = (torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True) if s["optimizer"] == "sgd"
                 else torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=dev.type == "cuda"))
    per_epoch = len(images) // batch
    epochs = 2 if smoke else s["epochs"]
    schedule = Schedule(epochs * per_epoch, max_seconds, s["rate"], warmup=0.05, floor=0.002)
    average = Average(model, 0.999)
    torch.backends.cudnn.benchmark = True
    run = compiled(model, dev) if name == "fashion-vit" else model
    step = epoch = 0
    while schedule.progress(step) < 1:
        model.train()
        order = torch.randperm(len(images), device=dev)[: per_epoch * batch]
        total = torch.zeros((), device=dev)
        for pick in order.split(batch):
            x = normalise(augment(images[pick], s["erase"]))[:, None]
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step)
            with bf16(dev):
                loss = F.cross_entropy(run(x).float(), labels[pick], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            average.update()
            total += loss.detach()
            step += 1
            if step == 1:
                schedule.start()
        epoch += 1
        if epoch % 10 == 0 or schedule.progress(step) >= 1:
            log(name, f"epoch {epoch} loss {total.item() / per_epoch:.4f} top-1 of the average on the test images "
                      f"{accuracy(average.model, test_images, test_labels):.4f} at {schedule.seconds():.0f} s")
    facts = dict(seed=s["seed"], epochs=epoch, steps=step, seconds=round(schedule.seconds()), hardware=hardware(),
                 params=count(model), batch=batch, optimizer=s["optimizer"], peak_rate=s["rate"], weight_decay=s["decay"],
                 torch_top1=accuracy(average.model, test_images, test_labels))
    save(name, average.model, facts)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("name", choices=SETTINGS)
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--max-seconds", type=float, default=600)
    a = p.parse_args()
    train(a.name, a.smoke, a.max_seconds)
