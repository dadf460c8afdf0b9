/** The judge is onnxruntime's Cast between float and the 8-bit floats (opset 19). */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { float32ToMinifloat, minifloatTable } from '../../../../src/core/base/minifloat.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { dtypeInfo } from '../../../../src/core/ir/dtype.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';

const kinds = ['float8e4m3fn', 'float8e4m3fnuz', 'float8e5m2', 'float8e5m2fnuz'] as const;
type Kind = (typeof kinds)[number];

/** Float to the format and back, by onnxruntime. */
async function throughOrt(kind: Kind, values: readonly number[]): Promise<number[]> {
  const cast = (from: string, to: string, target: number) =>
    makeNode({
      opType: 'Cast',
      inputs: [from],
      outputs: [to],
      attributes: { to: attrInt(target) },
    });
  const graph = makeGraph({
    inputs: [valueInfo('x', 'float32', ['n'])],
    outputs: [valueInfo('y', 'float32', ['n'])],
    nodes: [cast('x', 'q', dtypeInfo[kind].onnx), cast('q', 'y', 1)],
  });
  const session = await InferenceSession.create(await modelToBytes(makeModel({ graph, opset: 19 })), {
    graphOptimizationLevel: 'disabled',
  });
  const { y } = await session.run({ x: new OrtTensor('float32', Float32Array.from(values), [values.length]) });
  return [...(y!.data as Float32Array)];
}

function probes(kind: Kind): number[] {
  const table = [...minifloatTable(kind)].filter(Number.isFinite).sort((a, b) => a - b);
  const ties = table.slice(1).map((value, i) => (value + table[i]!) / 2);
  const rng = createRng(kind);
  const largest = table.at(-1)!;
  const random = Array.from({ length: 500 }, () => Math.fround(rng.normal() * largest * 0.7 ** rng.int(40)));
  return [
    ...table,
    ...ties,
    ...random,
    largest * 1.02,
    largest * 1.1,
    -largest * 3,
    1e30,
    Number.POSITIVE_INFINITY,
    Number.NaN,
  ];
}

describe.each(kinds)('%s', (kind) => {
  it('rounds and saturates as onnxruntime does', async () => {
    const values = probes(kind);
    const expected = await throughOrt(kind, values);
    const table = minifloatTable(kind);
    const ours = values.map((value) => table[float32ToMinifloat(kind, value)]!);
    const wrong = values.flatMap((value, i) =>
      Object.is(ours[i], expected[i]) ? [] : [{ value, ours: ours[i], ort: expected[i] }],
    );
    expect(wrong).toEqual([]);
  });
});

describe('float4e2m1', () => {
  it('has the values of the OCP specification and rounds to the nearest, ties to the even code', () => {
    expect([...minifloatTable('float4e2m1')].slice(0, 8)).toEqual([0, 0.5, 1, 1.5, 2, 3, 4, 6]);
    const rounded = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 100, -2.6].map((value) => {
      return minifloatTable('float4e2m1')[float32ToMinifloat('float4e2m1', value)]!;
    });
    expect(rounded).toEqual([0, 1, 1, 2, 2, 4, 4, 6, -3]);
  });
});

describe('float8e8m0', () => {
  it('is powers of two from 2^-127 to 2^127, then NaN', () => {
    const table = minifloatTable('float8e8m0');
    expect([table[0], table[127], table[254], table[255]]).toEqual([2 ** -127, 1, 2 ** 127, Number.NaN]);
  });
});
