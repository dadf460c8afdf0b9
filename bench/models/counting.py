"""How nodes are counted and errors measured, for every tool alike, and which versions took part."""

import platform
from collections import Counter


def nodes_of(model):
    """Every node of the graph, of its subgraphs and of the functions; Constant nodes count like others."""
    stack = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while stack:
        node = stack.pop()
        yield node
        for attribute in node.attribute:
            stack.extend(attribute.g.node)
            for graph in attribute.graphs:
                stack.extend(graph.node)


def node_count(model):
    return sum(1 for _ in nodes_of(model))


def histogram(model):
    return dict(Counter(f"{node.domain}:{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type for node in nodes_of(model)).most_common())


def relative_error(expected, got):
    """Largest difference of any element over the largest magnitude of its output; None where shapes differ."""
    import numpy as np

    worst = 0.0
    for want, have in zip(expected, got):
        if want.shape != have.shape:
            return None
        if want.size == 0:
            continue
        want, have = want.astype(np.float64), have.astype(np.float64)
        if not np.array_equal(np.isnan(want), np.isnan(have)):
            return None
        worst = max(worst, float(np.nanmax(np.abs(want - have)) / max(float(np.nanmax(np.abs(want))), 1e-30)))
    return worst


def versions():
    found = {"python": platform.python_version()}
    for name in ("torch", "onnx", "onnxruntime", "transformers", "timm", "torchvision", "onnxscript", "onnxslim", "onnxoptimizer"):
        try:
            found[name] = __import__(name).__version__
        except Exception:  # noqa: BLE001
            found[name] = None
    return found
