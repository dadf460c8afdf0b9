import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { modelCost } from '../../../../src/core/analysis/cost.ts';
import { attrGraph, attrInt, attrInts, attrString, intsAttr } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { constantNodeTensor } from '../../../../src/core/ir/constant.ts';
import { tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Attribute, Model, Node, Tensor, ValueInfo } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';
import { readReal } from './real-models.ts';

const float = (name: string, ...shape: (number | string)[]): ValueInfo => valueInfo(name, 'float32', shape);

function costOf(nodes: Node[], inputs: ValueInfo[], initializers: Tensor[] = []) {
  const model = makeModel({ graph: makeGraph({ nodes, inputs, initializers }), extraOpsets: { 'com.microsoft': 1 } });
  return modelCost(model, inferShapes(model));
}

const outputsOf: Record<string, number> = { LSTM: 3, MultiHeadAttention: 3 };

function single(opType: string, inputs: ValueInfo[], attributes: Record<string, Attribute> = {}, domain = '') {
  const names = inputs.map(({ name }) => name);
  return costOf(
    [
      makeNode({
        opType,
        domain,
        inputs: names,
        outputs: ['y', 'y2', 'y3'].slice(0, outputsOf[opType] ?? 1),
        attributes,
      }),
    ],
    inputs,
  ).nodes[0]!;
}

/** Multiplications of a dense 2-D convolution, counted one by one. */
function countConvolution(
  n: number,
  c: number,
  size: number,
  m: number,
  k: number,
  stride: number,
  group: number,
): number {
  let products = 0;
  for (let image = 0; image < n; image++)
    for (let channel = 0; channel < m; channel++)
      for (let y = 0; y + k <= size; y += stride)
        for (let x = 0; x + k <= size; x += stride)
          for (let input = 0; input < c / group; input++) for (let tap = 0; tap < k * k; tap++) products += 1;
  return products;
}

describe('modelCost', () => {
  it.each([
    [1, 3, 9, 8, 3, 1, 1],
    [2, 8, 7, 8, 3, 2, 8],
    [1, 4, 6, 6, 1, 1, 2],
  ])('counts every product of a convolution (n=%i c=%i size=%i m=%i k=%i stride=%i group=%i)', (...sizes) => {
    const [n, c, size, m, k, stride, group] = sizes;
    const cost = single('Conv', [float('x', n, c, size, size), float('w', m, c / group, k, k)], {
      strides: attrInts([stride, stride]),
      group: attrInt(group),
    });
    expect(cost.macs).toBe(countConvolution(...sizes));
    expect(cost.flops).toBe(2 * cost.macs!);
  });

  it('counts products, recurrences and attention by their definitions', () => {
    expect(single('MatMul', [float('a', 2, 5, 7), float('b', 7, 3)]).macs).toBe(2 * 5 * 7 * 3);
    expect(single('Gemm', [float('a', 7, 5), float('b', 7, 3)], { transA: attrInt(1) }).macs).toBe(5 * 7 * 3);
    expect(single('Einsum', [float('a', 2, 4), float('b', 4, 3)], { equation: attrString('ij,jk->ik') }).macs).toBe(24);
    // ConvTranspose 2x2 stride 2: each of the 3x3x4 input elements meets 5 * 4 weights.
    const up = single('ConvTranspose', [float('x', 1, 4, 3, 3), float('w', 4, 5, 2, 2)], { strides: attrInts([2, 2]) });
    expect(up.macs).toBe(3 * 3 * 4 * 5 * 4);
    // LSTM: 4 gates, each hidden x (input + hidden), per step and batch element.
    const lstm = single('LSTM', [float('x', 6, 2, 10), float('w', 1, 32, 10), float('r', 1, 32, 8)], {
      hidden_size: attrInt(8),
    });
    expect(lstm.macs).toBe(6 * 2 * 4 * 8 * (10 + 8));
    // Scores and weighted sum over 2 x 9 x 9 pairs of 16 values.
    const qkv = ['q', 'k', 'v'].map((name) => float(name, 2, 9, 16));
    expect(single('MultiHeadAttention', qkv, { num_heads: attrInt(4) }, 'com.microsoft').macs).toBe(2 * 2 * 9 * 9 * 16);
    const packed = single(
      'MatMulNBits',
      [float('x', 3, 64), valueInfo('b', 'uint8', [10, 2, 16]), float('s', 10, 2)],
      { K: attrInt(64), N: attrInt(10), bits: attrInt(4), block_size: attrInt(32) },
      'com.microsoft',
    );
    expect(packed.macs).toBe(3 * 64 * 10);
    expect(packed.readBytes).toBe(3 * 64 * 4 + 10 * 2 * 16 + 10 * 2 * 4);
  });

  it('moves no bytes for views and only the rows of a Gather', () => {
    const view = costOf(
      [makeNode({ opType: 'Reshape', inputs: ['x', 's'], outputs: ['y'] })],
      [float('x', 4, 6)],
      [tensorFromInts('s', [1], [24])],
    );
    expect(view.total).toMatchObject({ readBytes: 0, writtenBytes: 0, flops: 0 });
    const rows = single('Gather', [float('table', 1000, 8), valueInfo('ids', 'int64', [3])]);
    expect([rows.readBytes, rows.writtenBytes]).toEqual([3 * 8 * 4 + 3 * 8, 3 * 8 * 4]);
  });

  it('says what it does not know', () => {
    const cost = single('MatMul', [float('a', 'batch', 7), float('b', 7, 3)]);
    expect([cost.macs, cost.readBytes]).toEqual([undefined, undefined]);
    expect(
      costOf([makeNode({ opType: 'Relu', inputs: ['x'], outputs: ['y'] })], [float('x', 'n')]).total.unknownNodes,
    ).toBe(1);
  });

  it('takes the dearer branch of an If and every turn of a Loop', () => {
    const branch = (repeat: number) =>
      makeGraph({
        nodes: Array.from({ length: repeat }, (_, i) =>
          makeNode({ opType: 'MatMul', inputs: ['x', 'x'], outputs: [`r${i}`] }),
        ),
        outputs: [{ name: 'r0' }],
      });
    const body = makeGraph({
      inputs: [{ name: 'i' }, { name: 'c' }, { name: 's' }],
      nodes: [
        makeNode({ opType: 'Identity', inputs: ['c'], outputs: ['c2'] }),
        makeNode({ opType: 'MatMul', inputs: ['s', 'x'], outputs: ['s2'] }),
      ],
      outputs: [{ name: 'c2' }, { name: 's2' }],
    });
    const cost = costOf(
      [
        makeNode({
          opType: 'If',
          inputs: ['flag'],
          outputs: ['y'],
          attributes: { then_branch: attrGraph(branch(1)), else_branch: attrGraph(branch(3)) },
        }),
        makeNode({ opType: 'Loop', inputs: ['trips', '', 'x'], outputs: ['z'], attributes: { body: attrGraph(body) } }),
      ],
      [float('x', 4, 4), valueInfo('flag', 'bool', [])],
      [tensorFromInts('trips', [], [5])],
    );
    expect(cost.nodes.map(({ macs }) => macs)).toEqual([3 * 64, 5 * 64]);
    expect(cost.total.macs).toBe(8 * 64);
    expect(cost.byOp[0]).toMatchObject({ op: 'MatMul', family: 'matrix-product', macs: 8 * 64 });
  });

  it.each([
    ['rec', [1, 3, 48, 320]],
    ['det', [1, 3, 320, 320]],
    ['cls', [1, 3, 48, 192]],
  ] as const)('agrees with a count over the shapes that the runtime makes (%s)', async (name, dims) => {
    const model = await readReal(name);
    const cost = modelCost(model, inferShapes(model, { inputShapes: { x: [...dims] } }));
    expect(cost.total.unknownNodes).toBe(0);
    expect(cost.total.macs).toBe(await observedMacs(name, dims));
  });
});

/** MACs of Conv, ConvTranspose, MatMul and Gemm from the dims of tensors in a real run. */
async function observedMacs(name: 'rec' | 'det' | 'cls', dims: readonly number[]): Promise<number> {
  const model = await readReal(name);
  const dimsOf = await observedDims(model, dims);
  const size = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
  let macs = 0;
  for (const node of model.graph.nodes) {
    const [a, b] = node.inputs.map((input) => dimsOf.get(input)!);
    const y = dimsOf.get(node.outputs[0]!)!;
    if (node.opType === 'Conv') macs += size(y) * b![1]! * size(intsAttr(node, 'kernel_shape', b!.slice(2)));
    if (node.opType === 'ConvTranspose') macs += size(a!) * size(b!.slice(1));
    if (node.opType === 'MatMul' || node.opType === 'Gemm') macs += size(y) * a!.at(-1)!;
  }
  return macs;
}

async function observedDims(model: Model, dims: readonly number[]): Promise<Map<string, readonly number[]>> {
  const result = new Map<string, readonly number[]>([['x', dims]]);
  for (const [name, tensor] of model.graph.initializers) result.set(name, tensor.dims);
  const listed = new Set(model.graph.outputs.map(({ name }) => name));
  for (const node of model.graph.nodes) {
    const constant = constantNodeTensor(node);
    if (constant) result.set(node.outputs[0]!, constant.dims);
    else for (const name of node.outputs) if (!listed.has(name)) model.graph.outputs.push({ name });
  }
  const session = await ort.InferenceSession.create(await modelToBytes(model), { graphOptimizationLevel: 'disabled' });
  const count = dims.reduce((a, b) => a * b, 1);
  const outputs = await session.run({ x: new ort.Tensor('float32', new Float32Array(count), dims) });
  for (const [name, tensor] of Object.entries(outputs)) result.set(name, tensor.dims);
  await session.release();
  return result;
}
