"""Runs the scripts that `whittle handover --to onnxruntime` writes with the real onnxruntime.

    for p in fp16 int8-dynamic int8-static int4-rtn; do
        node dist-node/whittle.js handover --preset $p --to onnxruntime -o FOLDER/$p
    done
    python bench/handover/check.py FOLDER MODEL.onnx...

One line of JSON a model and script: exit code; bytes before and after; the largest difference of the first output on
one random input over that output's largest magnitude. Exits with 1 where a script fails or its model does not run.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

SAMPLES = 8
FREE_DIMENSION = 8
TIMEOUT_S = 300


def check(script: Path, model: Path) -> dict:
    session = onnxruntime.InferenceSession(model)
    entry = session.get_inputs()[0]
    shape = [size if isinstance(size, int) else FREE_DIMENSION for size in entry.shape]
    random = np.random.default_rng(0)
    samples = [random.standard_normal(shape).astype(np.float32) for _ in range(SAMPLES)]
    expected = session.run(None, {entry.name: samples[0]})[0]
    line = {"model": model.name, "recipe": script.parent.name, "bytes_before": model.stat().st_size}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(model, folder / "model.onnx")
        (folder / "calibration").mkdir()
        for index, sample in enumerate(samples):
            np.savez(folder / "calibration" / f"{index}.npz", **{entry.name: sample})
        command = [sys.executable, str(script.resolve())]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
        line["exit_code"] = run.returncode
        if run.returncode != 0:
            return line | {"failed": (run.stderr or run.stdout).strip().splitlines()[-1]}
        made = next(path for path in folder.glob("*.onnx") if path.name != "model.onnx")
        quantized = onnxruntime.InferenceSession(made)
        half = "float16" in quantized.get_inputs()[0].type
        feed = samples[0].astype(np.float16) if half else samples[0]
        actual = quantized.run(None, {entry.name: feed})[0].astype(np.float32)
        error = float(np.abs(actual - expected).max() / np.abs(expected).max())
        return line | {"bytes_after": made.stat().st_size, "relative_error": error}


def main() -> int:
    folder, *models = sys.argv[1:]
    failures = 0
    print(json.dumps({"onnxruntime": onnxruntime.__version__}))
    for model in models:
        for script in sorted(Path(folder).glob("*/*.py")):
            line = check(script, Path(model))
            failures += "failed" in line
            print(json.dumps(line), flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
