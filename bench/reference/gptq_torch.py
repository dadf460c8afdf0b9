"""GPTQ of one layer in torch on the CPU, by phases, as a yardstick for bench/gptq-speed.mjs. Written from the paper:
Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ" (arXiv 2210.17323), algorithm 1 with its section 3.3: damping of 1 % of the
mean of the diagonal, the upper Cholesky factor of the inverse Hessian, lazy updates in blocks of 128 columns, ranges of
a group chosen when the loop comes to it. Prints one JSON object.

    python3 bench/reference/gptq_torch.py [--K 2048] [--N 2048] [--tokens 65536] [--threads 2] [--bits 4] [--block 128]
        [--runs 3] [--act-order]
"""

import argparse
import json
import time

import torch


def arguments():
    parser = argparse.ArgumentParser()
    for name, default in dict(K=2048, N=2048, tokens=65536, threads=2, bits=4, block=128, runs=3).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--act-order", action="store_true")
    return parser.parse_args()


def activations(rows, features, generator):
    """Features that go together: each is a mix of itself and of the one before it."""
    noise = torch.rand(rows, features, generator=generator) + torch.rand(rows, features, generator=generator) - 1
    values = torch.empty(rows, features)
    before = torch.zeros(rows)
    for k in range(features):
        before = 0.8 * before + noise[:, k]
        values[:, k] = before * (6 if k % 61 == 7 else 1)
    return values


def hessian_of(chunk, tokens):
    rows, features = chunk.shape
    hessian = torch.zeros(features, features)
    left = tokens
    while left > 0:
        x = chunk[: min(left, rows)]
        hessian.addmm_(x.t(), x)
        left -= rows
    return hessian


def factor(hessian, damping=0.01):
    """The upper Cholesky factor U of H^-1 = U^T U."""
    damped = hessian.clone()
    damped.diagonal().add_(damping * damped.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)


def grid(values, bits):
    """Asymmetric, zero included. values [N, group] -> scale, zero point [N, 1]."""
    low = values.amin(1, keepdim=True).clamp(max=0)
    high = values.amax(1, keepdim=True).clamp(min=0)
    scale = (high - low) / (2**bits - 1)
    scale[scale == 0] = 1
    return scale, torch.round(-low / scale)


def quantize_columns(weight, upper, bits, group, order=None, batch=128):
    """weight [N, K], dequantized result."""
    largest = 2**bits - 1
    columns = weight.shape[1]
    fixed = None
    if order is not None:
        fixed = [grid(weight[:, g : g + group], bits) for g in range(0, columns, group)]
        weight = weight[:, order]
    work = weight.clone()
    out = torch.zeros_like(work)
    for start in range(0, columns, batch):
        end = min(start + batch, columns)
        block = work[:, start:end].clone()
        errors = torch.zeros_like(block)
        rows = upper[start:end, start:end]
        for i in range(end - start):
            if fixed is not None:
                scale, zero = fixed[int(order[start + i]) // group]
            elif (start + i) % group == 0:
                if group > batch:
                    scale, zero = grid(work[:, start + i : start + i + group], bits)
                else:
                    scale, zero = grid(block[:, i : i + group], bits)
            column = block[:, i : i + 1]
            value = (torch.clamp(torch.round(column / scale) + zero, 0, largest) - zero) * scale
            out[:, start + i : start + i + 1] = value
            error = (column - value) / rows[i, i]
            block[:, i:] -= error @ rows[i : i + 1, i:]
            errors[:, i : i + 1] = error
        work[:, end:] -= errors @ upper[start:end, end:]
    if order is not None:
        out = out[:, torch.argsort(order)]
    return out


def now():
    """Seconds by the clock, and of processor time of all threads."""
    return time.perf_counter(), time.process_time()


def phases(times):
    """Median over runs of each phase, in seconds."""
    middle = [sorted(phase)[len(times) // 2] for phase in zip(*times)]
    seconds = dict(zip(("hessian", "factorization", "loop"), (round(phase, 3) for phase in middle)))
    return {**seconds, "total": round(sum(middle), 3)}


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(1)
    chunk = activations(min(options.tokens, 4096), options.K, generator)
    weight = torch.rand(options.N, options.K, generator=generator) - 0.5
    weight += torch.rand(options.N, options.K, generator=generator) - 0.5
    weight *= 0.05
    times = []
    processor = []
    for _ in range(options.runs):
        started, started_cpu = now()
        hessian = hessian_of(chunk, options.tokens)
        summed, summed_cpu = now()
        order = torch.argsort(hessian.diagonal(), descending=True) if options.act_order else None
        upper = factor(hessian if order is None else hessian[order][:, order])
        factored, factored_cpu = now()
        result = quantize_columns(weight, upper, options.bits, options.block, order)
        ended, ended_cpu = now()
        times.append((summed - started, factored - summed, ended - factored))
        processor.append((summed_cpu - started_cpu, factored_cpu - summed_cpu, ended_cpu - factored_cpu))

    def loss(error):
        return float(((error @ hessian) * error).sum())

    scales = [grid(weight[:, g : g + options.block], options.bits) for g in range(0, options.K, options.block)]
    scale = torch.cat([s.expand(-1, options.block) for s, _ in scales], 1)[:, : options.K]
    zero = torch.cat([z.expand(-1, options.block) for _, z in scales], 1)[:, : options.K]
    nearest = (torch.clamp(torch.round(weight / scale) + zero, 0, 2**options.bits - 1) - zero) * scale
    print(
        json.dumps(
            {
                "what": "torch",
                **{name: getattr(options, name) for name in ("K", "N", "tokens", "threads", "bits", "runs")},
                "blockSize": options.block,
                "actOrder": options.act_order,
                "seconds": phases(times),
                "cpuSeconds": phases(processor),
                "relativeLoss": {
                    "gptq": loss(weight - result) / loss(weight),
                    "roundToNearest": loss(weight - nearest) / loss(weight),
                },
                "torch": torch.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
