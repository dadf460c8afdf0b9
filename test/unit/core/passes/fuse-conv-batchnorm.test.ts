import { describe, expect, it } from 'vitest';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import type { Model, Tensor } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, graph, model, node, noise, opsOf, tensor } from './helpers.ts';

const id = 'fuse-conv-batchnorm';

/** Weights of a BatchNormalization over `channels`. */
function batchNorm(channels: number, dtype: DType = 'float32'): Record<string, Tensor> {
  const variance = Array.from({ length: channels }, (_, at) => 0.3 + at / 7);
  return {
    gamma: noise('gamma', [channels], dtype),
    beta: noise('beta', [channels], dtype),
    mean: noise('mean', [channels], dtype),
    variance: tensor([channels], variance, dtype),
  };
}

const normalized = (value: string, output: string) =>
  node(`${output} = BatchNormalization(${value}, gamma, beta, mean, variance)`, { epsilon: float(1e-3) });

async function fuses(before: Model, left: string[], relative = 1e-5): Promise<Model> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(fired(after, id)).toBe(1);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

async function leaves(before: Model): Promise<void> {
  expect(fired(await apply(before, [id]), id)).toBe(0);
}

const conv = (overrides: Partial<Parameters<typeof model>[0]> = {}, attributes = {}) =>
  model({
    inputs: { x: [2, 4, 6, 6] },
    outputs: ['y'],
    weights: { w: noise('w', [6, 4, 3, 3]), b: noise('b', [6]), ...batchNorm(6) },
    nodes: [node('c = Conv(x, w, b)', { pads: [1, 1, 1, 1], ...attributes }), normalized('c', 'y')],
    ...overrides,
  });

describe('fuse-conv-batchnorm: what fuses', () => {
  it('Conv with bias; weights keep their names', async () => {
    const after = await fuses(conv(), ['Conv']);
    expect(after.graph.nodes[0]!.inputs).toEqual(['x', 'w', 'b']);
    expect(after.graph.nodes[0]!.outputs).toEqual(['y']);
    expect([...after.graph.initializers.keys()]).toEqual(['w', 'b']);
  });
  it('Conv without bias', () => fuses(conv({ nodes: ['c = Conv(x, w)', normalized('c', 'y')] }), ['Conv']));
  it('grouped Conv', () =>
    fuses(
      conv({
        weights: { w: noise('w', [6, 2, 3, 3]), ...batchNorm(6) },
        nodes: [node('c = Conv(x, w)', { group: 2 }), normalized('c', 'y')],
      }),
      ['Conv'],
    ));
  it('1-D and 3-D Conv', async () => {
    await fuses(
      conv({
        inputs: { x: [2, 4, 9] },
        weights: { w: noise('w', [6, 4, 3]), ...batchNorm(6) },
        nodes: ['c = Conv(x, w)', normalized('c', 'y')],
      }),
      ['Conv'],
    );
    await fuses(
      conv({
        inputs: { x: [1, 4, 3, 4, 5] },
        weights: { w: noise('w', [6, 4, 2, 2, 2]), ...batchNorm(6) },
        nodes: ['c = Conv(x, w)', normalized('c', 'y')],
      }),
      ['Conv'],
    );
  });
  it('ConvTranspose, grouped', () =>
    fuses(
      conv({
        weights: { w: noise('w', [4, 3, 3, 3]), b: noise('b', [6]), ...batchNorm(6) },
        nodes: [node('c = ConvTranspose(x, w, b)', { group: 2, strides: [2, 2] }), normalized('c', 'y')],
      }),
      ['ConvTranspose'],
    ));
  it('ConvTranspose without bias', () =>
    fuses(
      conv({
        weights: { w: noise('w', [4, 6, 3, 3]), ...batchNorm(6) },
        nodes: ['c = ConvTranspose(x, w)', normalized('c', 'y')],
      }),
      ['ConvTranspose'],
    ));
  for (const transB of [0, 1]) {
    it(`Gemm with transB = ${transB}`, () =>
      fuses(
        conv({
          inputs: { x: [3, 5] },
          weights: { w: noise('w', transB ? [6, 5] : [5, 6]), b: noise('b', [6]), ...batchNorm(6) },
          nodes: [node('c = Gemm(x, w, b)', { transB }), normalized('c', 'y')],
        }),
        ['Gemm'],
      ));
  }
  it('two BatchNormalizations in a row', () =>
    fuses(conv({ nodes: ['c = Conv(x, w, b)', normalized('c', 'd'), normalized('d', 'y')] }), ['Conv']));
  it('of opset 9', () => fuses(conv({ opset: 9 }), ['Conv']));
  it('float16 to float16 accuracy', () =>
    fuses(
      conv({
        inputs: { x: { dtype: 'float16', shape: [2, 4, 6, 6] } },
        weights: { w: noise('w', [6, 4, 3, 3], 'float16'), ...batchNorm(6, 'float16') },
        nodes: ['c = Conv(x, w)', normalized('c', 'y')],
      }),
      ['Conv'],
      4e-3,
    ));
  it('float64 to float64 accuracy', () =>
    fuses(
      conv({
        inputs: { x: { dtype: 'float64', shape: [2, 5] } },
        weights: { w: noise('w', [5, 6], 'float64'), b: noise('b', [6], 'float64'), ...batchNorm(6, 'float64') },
        nodes: ['c = Gemm(x, w, b)', normalized('c', 'y')],
      }),
      ['Gemm'],
      1e-14,
    ));
  it('inside a subgraph, with weights around it', async () => {
    const then = graph({ outputs: ['r'], nodes: ['c = Conv(x, w, b)', normalized('c', 'r')] });
    const before = conv({
      inputs: { x: [2, 4, 6, 6], k: { dtype: 'bool', shape: [] } },
      nodes: [node('y = If(k)', { then_branch: then, else_branch: graph({ outputs: ['r'], nodes: ['r = Exp(x)'] }) })],
    });
    await fuses(before, ['If']);
  });
});

describe('fuse-conv-batchnorm: what stays', () => {
  it('a Conv read by something else', () =>
    leaves(conv({ outputs: ['y', 'z'], nodes: ['c = Conv(x, w, b)', normalized('c', 'y'), 'z = Relu(c)'] })));
  it('a Conv whose output the graph returns', () =>
    leaves(conv({ outputs: ['c', 'y'], nodes: ['c = Conv(x, w, b)', normalized('c', 'y')] })));
  it('a Conv captured by a subgraph', () =>
    leaves(
      conv({
        inputs: { x: [2, 4, 6, 6], k: { dtype: 'bool', shape: [] } },
        outputs: ['y', 'z'],
        nodes: [
          'c = Conv(x, w, b)',
          normalized('c', 'y'),
          node('z = If(k)', {
            then_branch: graph({ outputs: ['r'], nodes: ['r = Relu(c)'] }),
            else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(c)'] }),
          }),
        ],
      }),
    ));
  it('training mode', () =>
    leaves(
      conv({
        nodes: [
          'c = Conv(x, w, b)',
          node('y, rm, rv = BatchNormalization(c, gamma, beta, mean, variance)', { training_mode: 1 }),
        ],
      }),
    ));
  it('training mode of opset 9: it has more outputs, read or not', () =>
    leaves(
      conv({
        opset: 9,
        nodes: ['c = Conv(x, w, b)', node('y, m, v, p, q = BatchNormalization(c, gamma, beta, mean, variance)')],
      }),
    ));
  it('a weight that callers may override', () => leaves(conv({ inputs: { x: [2, 4, 6, 6], w: [6, 4, 3, 3] } })));
  it('a computed weight', () => leaves(conv({ nodes: ['v = Neg(w)', 'c = Conv(x, v, b)', normalized('c', 'y')] })));
  it('a large weight that two Convs share', () =>
    leaves(
      conv({
        inputs: { x: [1, 128, 3, 3] },
        outputs: ['y', 'z'],
        weights: { w: noise('w', [256, 128, 1, 1]), ...batchNorm(256) },
        nodes: ['c = Conv(x, w)', normalized('c', 'y'), 'd = Exp(x)', 'z = Conv(d, w)'],
      }),
    ));
  it('statistics that overflow', () =>
    leaves(
      conv({
        weights: {
          w: noise('w', [6, 4, 3, 3]),
          b: noise('b', [6]),
          ...batchNorm(6),
          variance: tensor([6], [1, 1, 1, 1, 1, -1]),
        },
      }),
    ));
  it('something between the two', () =>
    leaves(conv({ nodes: ['c = Conv(x, w, b)', 'd = Relu(c)', normalized('d', 'y')] })));
});
