"""Compares pairs of ONNX files as protobuf messages with the onnx package.

Reads lines "kind<TAB>path<TAB>path" (kind: model or tensor) on stdin; writes "ok" or what differs for each.
Fields that this version of the package does not know are compared too: they take part in serialization.
"""
import sys

import onnx

messages = {'model': onnx.ModelProto, 'tensor': onnx.TensorProto}
for line in sys.stdin:
    kind, left, right = line.rstrip('\n').split('\t')
    first, second = messages[kind](), messages[kind]()
    try:
        with open(left, 'rb') as file:
            first.ParseFromString(file.read())
        with open(right, 'rb') as file:
            second.ParseFromString(file.read())
    except Exception as error:  # noqa: BLE001
        print(f'not parsed: {error}', flush=True)
        continue
    same = first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    if same:
        print('ok', flush=True)
    else:
        one, two = str(first).split('\n'), str(second).split('\n')
        where = next((i for i, pair in enumerate(zip(one, two)) if pair[0] != pair[1]), min(len(one), len(two)))
        print(f'differ at text line {where}: {one[where:where + 2]} / {two[where:where + 2]}', flush=True)
