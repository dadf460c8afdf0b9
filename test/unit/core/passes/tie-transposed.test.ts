import { describe, expect, it } from 'vitest';
import { readTensorFloats } from '../../../../src/core/ir/tensor.ts';
import type { Model, Tensor } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, model, node, noise, opsOf, type Parts, tensor } from './helpers.ts';

const id = 'tie-transposed';
const [rows, columns] = [70, 30];
const table = noise('table', [rows, columns]);

async function turned(matrix: Tensor, change = 0): Promise<Tensor> {
  const [m, n] = matrix.dims as [number, number];
  const values = await readTensorFloats(matrix);
  const out = Array.from({ length: m * n }, (_, at) => values[(at % m) * n + Math.floor(at / m)]!);
  out[m * n - 1]! += change;
  return tensor([n, m], out, matrix.dtype);
}

const embed = ['e = Gather(table, ids)', 'y = MatMul(e, head)'];
const made = (nodes: Parts['nodes'], weights: Record<string, Tensor>, parts: Partial<Parts> = {}): Model =>
  model({ inputs: { ids: { dtype: 'int64', shape: ['b', 3] } }, outputs: ['y'], weights, nodes, ...parts });

async function ties(before: Model, left: string[], names: string[]) {
  const after = await apply(before, [id]);
  expect(fired(after, id)).toBe(1);
  expect(opsOf(after.model)).toEqual(left);
  expect([...after.model.graph.initializers.keys()]).toEqual(names);
  await expectSameOutputs(before, after.model, { relative: 1e-6 });
}

describe('tie-transposed', () => {
  it('an embedding and the output layer', async () => {
    const before = made(embed, { table, head: await turned(table) });
    await ties(before, ['Gather', 'Transpose', 'MatMul'], ['table']);
  });

  it('in half precision', async () => {
    const half = noise('half', [rows, columns], 'float16');
    const before = made(embed, { table: half, head: await turned(half) });
    await ties(before, ['Gather', 'Transpose', 'MatMul'], ['table']);
  });

  it('matrices of several slabs', async () => {
    const large = noise('large', [3000, 700]);
    const before = made(embed, { table: large, head: await turned(large) });
    await ties(before, ['Gather', 'Transpose', 'MatMul'], ['table']);
  });

  for (const transB of [0, 1])
    it(`a Gemm reads it the other way, from transB ${transB}`, async () => {
      const other = await turned(table);
      const [kept, head] = transB === 0 ? [table, other] : [other, table];
      const before = made(
        [node('y = Gemm(x, head)', { transB }), 'z = Gather(table, ids)'],
        { table: kept, head },
        {
          inputs: { ids: { dtype: 'int64', shape: ['b', 3] }, x: ['b', columns] },
          outputs: ['y', 'z'],
        },
      );
      await ties(before, ['Gemm', 'Gather'], ['table']);
    });

  it('square matrices, of which one is the transpose of the other', async () => {
    const square = noise('square', [40, 40]);
    const before = made(
      ['a = MatMul(x, w)', 'b = MatMul(a, v)', 'y = MatMul(b, u)'],
      {
        w: square,
        v: await turned(square),
        u: noise('u', [40, 40]),
      },
      { inputs: { x: ['b', 40] } },
    );
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    expect(after.model.graph.initializers.size).toBe(2);
    await expectSameOutputs(before, after.model, { relative: 1e-6 });
  });

  it('is not undone by the folding of constants', async () => {
    const before = made(embed, { table, head: await turned(table) });
    const after = await apply(before, ['fold-constants', 'eliminate-dead', id]);
    expect(opsOf(after.model)).toContain('Transpose');
  });

  it('leaves what nearly is one, what the caller may give, what is returned, what others read, and what is small', async () => {
    const head = await turned(table);
    const small = noise('small', [5, 4]);
    const cases = [
      made(embed, { table, head: await turned(table, 1e-6) }),
      made(embed, { table, head: await turned(noise('other', [rows, columns])) }),
      made(embed, { table, head }, { inputs: { ids: { dtype: 'int64', shape: ['b', 3] }, head: [columns, rows] } }),
      made(embed, { table, head }, { outputs: ['y', 'head'] }),
      made([...embed, 'z = Neg(head)'], { table, head }, { outputs: ['y', 'z'] }),
      made(embed, { table: small, head: await turned(small) }),
    ];
    for (const before of cases) expect(fired(await apply(before, [id]), id)).toBe(0);
  });
});
