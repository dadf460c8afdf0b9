"""The one command: data, training, export and checks of every demo model.

    python run.py                        all stages, all models, one after another
    python run.py train --parallel       all trainings side by side on one GPU
    python run.py train --only lm-target,tagger --max-seconds 300
    python run.py export check           from the checkpoints that are there
    python run.py --smoke                data and a few steps of every training, into .data/runs-smoke
"""
import argparse
import os
import subprocess
import sys
import time

from common import DATA, HERE, log, runs_folder

TRAINING = {
    "fashion-resnet": ["train_image.py", "fashion-resnet"],
    "fashion-mobile": ["train_image.py", "fashion-mobile"],
    "fashion-vit": ["train_image.py", "fashion-vit"],
    "lm-target": ["train_lm.py", "lm-target"],
    "lm-draft": ["train_lm.py", "lm-draft"],
    "lm-gpt2": ["train_lm.py", "lm-gpt2"],
    "tagger": ["train_tagger.py"],
}
STAGES = ["data", "train", "export", "check"]


def start(arguments: list[str], log_name: str) -> subprocess.Popen:
    out = open(runs_folder() / f"{log_name}.log", "w")
    env = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "4"),
                        "TORCHINDUCTOR_COMPILE_THREADS": "4"}
    return subprocess.Popen([sys.executable, *arguments], cwd=HERE, stdout=out, stderr=subprocess.STDOUT, env=env)


def train(names: list[str], extra: list[str], parallel: bool) -> list[str]:
    """Returns the names whose training failed."""
    began, failed, running = time.time(), [], {}
    for spec in names:
        name, *options = spec.split("+")  # "lm-target+--dropout=0.1+--tag=-a" tries another setting
        tag = next((o.removeprefix("--tag=") for o in options if o.startswith("--tag=")), "")
        running[name + tag] = start([*TRAINING[name], *options, *extra], name + tag)
        if not parallel:
            running[name + tag].wait()
    for name, process in running.items():
        code = process.wait()
        text = (runs_folder() / f"{name}.log").read_text()
        print("\n".join(text.strip().splitlines()[-25:]), flush=True)
        log(name, f"ended with {code} after {time.time() - began:.0f} s")
        if code:
            failed.append(name)
    return failed


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stages", nargs="*", help=f"any of {STAGES}; all by default, the first two with --smoke")
    p.add_argument("--only", help="models, separated by commas")
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--parallel", action="store_true")
    p.add_argument("--max-seconds", type=float, help="for each training; the schedule shrinks to fit")
    a = p.parse_args()
    if a.smoke:  # never over real checkpoints, and never exported
        os.environ["WHITTLE_RUNS"] = str(DATA / "runs-smoke")
    a.stages = a.stages or (STAGES[:2] if a.smoke else STAGES)
    if unknown := set(a.stages) - set(STAGES):
        p.error(f"unknown stage {unknown}")
    names = a.only.split(",") if a.only else list(TRAINING)
    extra = (["--smoke"] if a.smoke else []) + ([f"--max-seconds={a.max_seconds}"] if a.max_seconds else [])
    if "data" in a.stages:
        for script in ("data.py", "evaldata.py"):
            subprocess.run([sys.executable, script], cwd=HERE, check=True)
    if "train" in a.stages and (failed := train(names, extra, a.parallel)):
        log("run", f"failed: {failed}")
        return 1
    for stage in ("export", "check"):
        if stage in a.stages:
            subprocess.run([sys.executable, f"{stage}.py", *names], cwd=HERE, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
