"""How long onnxruntime's Python quantizers take for what bench/weight-only-speed.mjs measures of ours, as JSON.

    python bench/reference/weight_only_speed.py [KxN,KxN,...] [--block 32] [--file MODEL.onnx]

Each matrix is the weight of a model with one MatMul; milliseconds are the lowest of three runs of `process()` alone.
With --file: reading the file, quantizing its MatMul weights with the default algorithm, and writing it again.
"""
import argparse
import json
import os
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import matmul_nbits_quantizer as nbits

RUNS = 3


def one_matmul(k: int, n: int) -> onnx.ModelProto:
    weight = np.random.default_rng(1).standard_normal((k, n), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")], "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", n])], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def configs(block: int):
    return {
        "rtn": lambda: nbits.DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=False, bits=4),
        "hqq": lambda: nbits.HQQWeightOnlyQuantConfig(block_size=block, bits=4),
        "kquant": lambda: nbits.KQuantWeightOnlyQuantConfig(),
    }


def lowest(work) -> float:
    times = []
    for _ in range(RUNS):
        prepared = work()
        began = time.perf_counter()
        prepared()
        times.append(1000 * (time.perf_counter() - began))
    return min(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="?", default="1024x1024,2048x2048,1024x4096")
    parser.add_argument("--block", type=int, default=32)
    parser.add_argument("--file")
    options = parser.parse_args()
    results = {"cores": os.cpu_count(), "block": options.block, "matrices": [], "file": None}
    for size in options.sizes.split(","):
        k, n = map(int, size.split("x"))
        row = {"K": k, "N": n, "ms": {}}
        for name, config in configs(options.block).items():
            def prepare():
                return nbits.MatMulNBitsQuantizer(one_matmul(k, n), block_size=options.block, is_symmetric=False,  # noqa: B023
                                                  algo_config=config()).process  # noqa: B023
            row["ms"][name] = round(lowest(prepare), 2)
        results["matrices"].append(row)
    if options.file:
        def from_file_to_file():
            target = os.path.join(tempfile.mkdtemp(), "out.onnx")

            def work():
                quantizer = nbits.MatMulNBitsQuantizer(onnx.load(options.file), block_size=32, is_symmetric=False)
                quantizer.process()
                quantizer.model.save_model_to_file(target, use_external_data_format=False)
            return work
        results["file"] = {"bytes": os.path.getsize(options.file), "ms": round(lowest(from_file_to_file), 2)}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
