"""Runs jobs in forked children of a process that has torch loaded, each with a limit, since an export may hang."""

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def run_all(jobs, work, limit_s, parallel, deadline_s):
    """Yields (job, result, error) as the children end; `work(job)` returns what JSON can hold."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp())
    waiting = list(enumerate(jobs))[::-1]
    running = {}
    while waiting or running:
        spent = time.monotonic() - started
        while waiting and len(running) < parallel and spent < deadline_s:
            at, job = waiting.pop()
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                run_one(work, job, folder / f"{at}.json")
            running[child] = (at, job, time.monotonic())
        if spent >= deadline_s:
            for _, job in waiting:
                yield job, None, "not run: out of time"
            waiting = []
        ended, _ = os.waitpid(-1, os.WNOHANG) if running else (0, 0)
        if ended == 0:
            for child, (_, _, since) in running.items():
                if time.monotonic() - since > limit_s or spent >= deadline_s + 20:
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.05)
            continue
        at, job, since = running.pop(ended)
        path = folder / f"{at}.json"
        if path.exists():
            outcome = json.loads(path.read_text())
            yield job, outcome.get("result"), outcome.get("error")
        else:
            yield job, None, f"no result after {time.monotonic() - since:.0f} s (limit {limit_s} s, or it crashed)"


def run_one(work, job, path):
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        outcome = {"result": work(job)}
    except BaseException as error:  # noqa: BLE001
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())
        outcome = {"error": f"{type(error).__name__}: {text[:400]} ({Path(last.filename).name}:{last.lineno})"}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(outcome))
    part.rename(path)
    os._exit(0)
