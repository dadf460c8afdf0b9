import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, model, node, noise, opsOf, type Parts } from './helpers.ts';

const id = 'fuse-transpose-gemm';
const weights = { w: noise('w', [4, 3]), c: noise('c', [3]) };
const made = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: [4, 'b'], z: [4, 3] }, outputs: ['y'], opset: 18, weights, nodes, ...parts });

async function becomes(before: Model, left: string[], relative = 1e-6) {
  const after = await apply(before, [id]);
  expect(fired(after, id)).toBe(1);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
}
const stays = async (before: Model) => expect(fired(await apply(before, [id]), id)).toBe(0);

describe('fuse-transpose-gemm', () => {
  it('the first operand of a layer', () => becomes(made(['a = Transpose(x)', 'y = Gemm(a, w, c)']), ['Gemm']));

  it('both operands, which were turned already', () =>
    becomes(
      made([
        node('a = Transpose(x)', { perm: [1, 0] }),
        'b = Transpose(z)',
        node('y = Gemm(a, b, c)', { transB: 1, alpha: float(0.5), beta: float(2) }),
      ]),
      ['Gemm'],
    ));

  it('in half precision', () =>
    becomes(
      made(['a = Transpose(x)', 'y = Gemm(a, w, c)'], {
        inputs: { x: { dtype: 'float16', shape: [4, 'b'] } },
        weights: { w: noise('w', [4, 3], 'float16'), c: noise('c', [3], 'float16') },
      }),
      ['Gemm'],
      2e-3,
    ));

  it('the product of two computed matrices', () =>
    becomes(made(['r = Relu(z)', 'b = Transpose(r)', 'y = MatMul(b, x)']), ['Relu', 'Gemm']));

  it('stays: a layer without bias, which quantizers look for as MatMul', () =>
    stays(made(['a = Transpose(x)', 'y = MatMul(a, w)'])));

  it('stays: somebody else reads what was turned', () =>
    stays(made(['a = Transpose(x)', 'y = Gemm(a, w, c)', 'q = Relu(a)'], { outputs: ['y', 'q'] })));

  it('stays: what was turned is an output', () =>
    stays(made(['a = Transpose(x)', 'y = Gemm(a, w, c)'], { outputs: ['y', 'a'] })));

  it('stays: stacks of matrices', () =>
    stays(
      made([node('b = Transpose(z)', { perm: [0, 2, 1] }), 'y = MatMul(x, b)'], {
        inputs: { x: ['b', 4, 3], z: ['b', 5, 3] },
      }),
    ));

  it('stays: whole numbers', () =>
    stays(
      made(['b = Transpose(z)', 'y = MatMul(b, x)'], {
        inputs: { x: { dtype: 'int32', shape: [4, 'b'] }, z: { dtype: 'int32', shape: [4, 3] } },
      }),
    ));
});
