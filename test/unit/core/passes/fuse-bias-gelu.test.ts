import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, model, node, noise, opsOf, scalar } from './helpers.ts';

const id = 'fuse-bias-gelu';
type Parts = Parameters<typeof model>[0];

const biased = (gelu: Parts['nodes'][number], parts: Partial<Parts> = {}, add = 's = Add(x, bias)') =>
  model({
    inputs: { x: ['n', 5, 8] },
    outputs: ['y'],
    weights: { bias: noise('bias', [8]), row: noise('row', [5, 1]), one: scalar(1) },
    nodes: [add, gelu],
    contrib: true,
    ...parts,
  });
const standard = (form: 'none' | 'tanh') => node('y = Gelu(s)', { approximate: form });

async function fuses(before: Model, left: string[], relative = 1e-5): Promise<void> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
}

describe('fuse-bias-gelu', () => {
  it('Gelu and FastGelu of onnxruntime, bias on either side', async () => {
    await fuses(biased('y = com.microsoft.Gelu(s)'), ['com.microsoft.BiasGelu']);
    await fuses(biased('y = com.microsoft.FastGelu(s)', {}, 's = Add(bias, x)'), ['com.microsoft.FastGelu']);
  });
  it('the standard operator, both forms', async () => {
    await fuses(biased(standard('none'), { opset: 20 }), ['com.microsoft.BiasGelu']);
    await fuses(biased(standard('tanh'), { opset: 20 }), ['com.microsoft.FastGelu']);
  });
  it('half precision', () =>
    fuses(
      biased('y = com.microsoft.Gelu(s)', {
        inputs: { x: { dtype: 'float16', shape: [2, 8] } },
        weights: { bias: noise('bias', [8], 'float16') },
      }),
      ['com.microsoft.BiasGelu'],
      5e-3,
    ));
  it('a layer from its parts: MatMul, Add, Erf and the rest', async () => {
    const before = model({
      inputs: { x: ['n', 5, 8] },
      outputs: ['y'],
      weights: {
        w: noise('w', [8, 12]),
        bias: noise('bias', [12]),
        root: scalar(Math.SQRT2),
        one: scalar(1),
        half: scalar(0.5),
      },
      nodes: [
        'm = MatMul(x, w)',
        's = Add(bias, m)',
        'd = Div(s, root)',
        'e = Erf(d)',
        'a = Add(e, one)',
        'p = Mul(s, a)',
        'y = Mul(p, half)',
      ],
    });
    const after = await apply(before, ['fuse-gelu', 'fuse-matmul-add', id]);
    expect(opsOf(after.model)).toEqual(['MatMul', 'com.microsoft.BiasGelu']);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
    // Of a matrix the Gemm takes the bias.
    before.graph.inputs[0]!.type = { kind: 'tensor', dtype: 'float32', shape: ['n', 8] };
    const flat = await apply(before, ['fuse-gelu', 'fuse-matmul-add', id]);
    expect(opsOf(flat.model)).toEqual(['Gemm', 'com.microsoft.Gelu']);
  });

  const stays: [string, Model][] = [
    ['a bias of another shape', biased('y = com.microsoft.Gelu(s)', {}, 's = Add(x, row)')],
    ['a scalar', biased('y = com.microsoft.Gelu(s)', {}, 's = Add(x, one)')],
    ['a value that the bias makes larger', biased('y = com.microsoft.Gelu(s)', { inputs: { x: [5, 1] } })],
    ['a sum that is read elsewhere', biased('y = com.microsoft.Gelu(s)', { outputs: ['y', 's'] })],
    ['a bias that callers may override', biased('y = com.microsoft.Gelu(s)', { inputs: { x: [2, 8], bias: [8] } })],
    ['a FastGelu that has one already', biased('y = com.microsoft.FastGelu(s, bias)')],
    [
      'double precision',
      biased(standard('none'), {
        opset: 20,
        inputs: { x: { dtype: 'float64', shape: [2, 8] } },
        weights: { bias: noise('b', [8], 'float64') },
      }),
    ],
  ];
  for (const [name, before] of stays)
    it(`leaves ${name}`, async () => expect(fired(await apply(before, [id]), id)).toBe(0));
  it('leaves everything where operators have to be standard', async () => {
    const after = await apply(biased(standard('none'), { opset: 20 }), [id], {
      params: { [id]: { operators: 'standard' } },
    });
    expect(fired(after, id)).toBe(0);
  });
});
