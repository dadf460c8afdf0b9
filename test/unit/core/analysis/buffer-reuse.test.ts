// Whether an operator needs memory of its own beside its input, told by the heap of the real runtime around 64 MiB.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inPlaceOps } from '../../../../src/core/analysis/buffer-reuse.ts';
import { memoryTimeline } from '../../../../src/core/analysis/memory-plan.ts';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromInts, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';

const MIB = 2 ** 20;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whittle-heap-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** x is made 64 MiB large, goes through the operator, and is cut to one element. */
function around(op: string): Model {
  const attributes = op === 'Cast' ? { to: attrInt(1) } : {};
  const extra = { Reshape: ['flat'], Add: ['one'], Mul: ['one'] }[op] ?? [];
  const nodes = [
    makeNode({ opType: 'Expand', inputs: ['x', 'shape'], outputs: ['a'] }),
    makeNode({ opType: op, inputs: ['a', ...extra], outputs: ['b'], attributes }),
    makeNode({ opType: 'Slice', inputs: ['b', 'starts', 'ends'], outputs: ['y'] }),
  ];
  const initializers = [
    tensorFromInts('shape', [2], [16, MIB]),
    tensorFromInts('flat', [2], [MIB, 16]),
    tensorFromNumbers('one', 'float32', [], [1]),
    tensorFromInts('starts', [2], [0, 0]),
    tensorFromInts('ends', [2], [1, 1]),
  ];
  const inputs = [valueInfo('x', 'float32', [1])];
  return makeModel({ graph: makeGraph({ nodes, inputs, outputs: [valueInfo('y', 'float32', [1, 1])], initializers }) });
}

const script = fileURLToPath(new URL('measure-heap.mjs', import.meta.url));

async function heapBytes(op: string): Promise<number> {
  const path = join(folder, `${op}.onnx`);
  writeFileSync(path, await modelToBytes(around(op)));
  const { stdout } = await promisify(execFile)(process.execPath, [script, path]);
  return Number(stdout);
}

describe('memory around one operator in onnxruntime-web', () => {
  test.each(['Relu', 'Softmax', 'Sigmoid', 'Cast', 'Trilu', 'Reshape', 'Identity'])('%s needs none', async (op) => {
    expect(op === 'Reshape' || op === 'Identity' || inPlaceOps.has(op)).toBe(true);
    expect(memoryTimeline(around(op)).peakBytes).toBeLessThan(65 * MIB);
    expect(await heapBytes(op)).toBeLessThan(110 * MIB);
  });

  test.each(['Add', 'Mul', 'Sqrt', 'Erf', 'Neg'])('%s needs its own', async (op) => {
    expect(memoryTimeline(around(op)).peakBytes).toBeGreaterThan(127 * MIB);
    expect(await heapBytes(op)).toBeGreaterThan(128 * MIB);
  });
});
