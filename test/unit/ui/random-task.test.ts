import { expect, it } from 'vitest';
import { withSize } from '../../../src/ui/header/RandomTaskForm.tsx';

const input = (name: string, dims: number[]) => ({ name, dims, distribution: 'integers' as const, max: 100 });
const chosen = [input('input_ids', [1, 32]), input('attention_mask', [1, 32]), input('image', [1, 3, 32])];

it('gives axes that share a symbol one size, and no other', () => {
  const declared = [
    { name: 'input_ids', dtype: 'int64' as const, shape: ['batch', 'sequence'] },
    { name: 'attention_mask', dtype: 'int64' as const, shape: ['batch', 'sequence'] },
    { name: 'image', dtype: 'float32' as const, shape: ['batch', 3, null] },
  ];
  const dims = (change: { name: string; axis: number; size: number }) =>
    withSize(chosen, declared, change).map((entry) => entry.dims);
  expect(dims({ name: 'attention_mask', axis: 1, size: 64 })).toEqual([
    [1, 64],
    [1, 64],
    [1, 3, 32],
  ]);
  expect(dims({ name: 'input_ids', axis: 0, size: 8 })).toEqual([
    [8, 32],
    [8, 32],
    [8, 3, 32],
  ]);
  // An axis without a name is its own.
  expect(dims({ name: 'image', axis: 2, size: 5 })[2]).toEqual([1, 3, 5]);
});
