import { describe, expect, it } from 'vitest';
import { GramAccumulator } from '../../../../src/core/calib/gram.ts';
import { executor } from '../quant/support/calibrated.ts';
import { sampleValues } from '../quant/support/models.ts';

describe('GramAccumulator', () => {
  it('sums X^T X over pieces of any length, in one strip or in several', async () => {
    for (const [columns, pieces] of [
      [3, [1, 2, 700]],
      [300, [10, 0, 530, 1]],
      [1100, [5, 3]],
    ] as const) {
      const gram = new GramAccumulator(executor, columns, 'x');
      const total = pieces.reduce<number>((a, b) => a + b, 0);
      const all = sampleValues(total * columns, columns);
      let at = 0;
      for (const rows of pieces) {
        await gram.add(all.subarray(at, at + rows * columns), 0);
        at += rows * columns;
      }
      const sum = await gram.finish();
      expect(gram.rows).toBe(total);
      let worst = 0;
      const step = Math.max(1, Math.floor(columns / 40));
      for (let i = 0; i < columns; i += step)
        for (let j = 0; j < columns; j += step) {
          let exact = 0;
          for (let row = 0; row < total; row += 1) exact += all[row * columns + i]! * all[row * columns + j]!;
          worst = Math.max(worst, Math.abs(sum[i * columns + j]! - exact) / total);
        }
      expect(worst).toBeLessThan(1e-5);
      expect(sum[1 * columns + 2]).toBe(sum[2 * columns + 1]);
    }
  });

  it('names a value that is not finite, and gives zeros for nothing', async () => {
    const gram = new GramAccumulator(executor, 4, 'norm_out');
    await gram.add(Float32Array.of(1, 2, 3, 4), 0);
    const bad = Float32Array.of(1, 2, Number.NaN, 4);
    await expect(gram.add(bad, 1)).rejects.toMatchObject({
      code: 'calib/not-finite',
      data: { tensor: 'norm_out', sample: 2 },
    });
    await gram.add(Float32Array.of(1, 2, 3e30, 4), 2);
    await expect(gram.finish()).rejects.toMatchObject({ code: 'calib/not-finite', data: { sample: 3 } });
    expect(await new GramAccumulator(executor, 2, 'x').finish()).toEqual(new Float32Array(4));
  });
});
