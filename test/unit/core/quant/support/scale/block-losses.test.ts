/** The losses that searches go by are those of the quantizer itself, on sampled rows. */
import { describe, expect, it } from 'vitest';
import { readTensorFloats } from '../../../../../../src/core/ir/tensor.ts';
import { clipBlocks } from '../../../../../../src/core/quant/support/clip-blocks.ts';
import type { LinearSite } from '../../../../../../src/core/quant/support/linear-sites.ts';
import { findLinearSites } from '../../../../../../src/core/quant/support/linear-sites.ts';
import { roundedWeight, scaleLosses, searchClip } from '../../../../../../src/core/quant/support/scale/block-losses.ts';
import { blockMoments, type LayerInputs } from '../../../../../../src/core/quant/support/scale/group-inputs.ts';
import { columnTiles, inputMagnitudes } from '../../../../../../src/core/quant/support/scale/weight-columns.ts';
import { openScopes } from '../../../../../../src/core/quant/support/scopes.ts';
import { step as roundToNearest } from '../../../../../../src/core/quant/weight-only-rtn.ts';
import type { StepDefinition } from '../../../../../../src/core/step/define.ts';
import { applyStep, nodesOfType } from '../bench.ts';
import { executor } from '../calibrated.ts';
import { dequantize } from '../dequantize.ts';
import { gemmModel, matmulModel, sampleValues } from '../models.ts';

const [K, N, count] = [40, 6, 9];
const values = sampleValues(K * N, 3, 5);
const rows = sampleValues(count * K, 4, 7);
const moments = Float32Array.from({ length: K * K }, (_, at) => {
  let sum = 0;
  for (let row = 0; row < count; row += 1) sum += rows[row * K + Math.floor(at / K)]! * rows[row * K + (at % K)]!;
  return sum;
});
/** The same inputs in both forms. */
const forms: Readonly<Record<LayerInputs['kind'], LayerInputs>> = {
  rows: { kind: 'rows', rows, count },
  moments: { kind: 'moments', moments },
};
const transposed = Float32Array.from({ length: K * N }, (_, at) => values[(at % K) * N + Math.floor(at / K)]!);
const models = {
  columns: matmulModel(K, N, values),
  rows: gemmModel({ M: count, K, N, transB: true }, transposed, new Float32Array(0)),
};
const siteOf = (order: keyof typeof models): LinearSite => findLinearSites(openScopes(models[order])).sites[0]!;

/** Of what weight-only-rtn stores for the weight. */
async function lossOf(weight: Float32Array, wanted: ArrayLike<number>, params: object): Promise<number> {
  const { model } = await applyStep(roundToNearest as unknown as StepDefinition, matmulModel(K, N, weight), params);
  const rounded = await dequantize(model, nodesOfType(model, 'MatMulNBits')[0]!);
  return squaredError(rounded, wanted);
}

function squaredError(rounded: ArrayLike<number>, wanted: ArrayLike<number>, x: Float32Array = rows): number {
  let loss = 0;
  for (let row = 0; row < count; row += 1)
    for (let n = 0; n < N; n += 1) {
      let error = 0;
      for (let k = 0; k < K; k += 1) error += x[row * K + k]! * (rounded[k * N + n]! - wanted[k * N + n]!);
      loss += error * error;
    }
  return loss;
}

describe('scaleLosses', () => {
  for (const order of ['columns', 'rows'] as const)
    for (const bits of [2, 4, 8] as const)
      for (const symmetric of [false, true])
        it(`${bits} bits, ${symmetric ? 'symmetric' : 'asymmetric'}, stored by ${order}`, async () => {
          const scheme = { bits, symmetric, scaleType: 'float32', blockSize: 16 } as const;
          const trial = { executor, site: siteOf(order), scheme, inputs: forms[order === 'rows' ? 'rows' : 'moments'] };
          const factors = Float64Array.from({ length: K }, (_, k) => 2 ** ((k % 5) - 2));
          const [plain, scaled] = await scaleLosses(trial, [new Float64Array(K).fill(1), factors]);
          const exact = await lossOf(values, values, { bits, symmetric, blockSize: 16 });
          expect(plain! / exact).toBeCloseTo(1, 2);
          const larger = values.map((w, at) => w * factors[Math.floor(at / N)]!);
          const { model } = await applyStep(roundToNearest as unknown as StepDefinition, matmulModel(K, N, larger), {
            bits,
            symmetric,
            blockSize: 16,
          });
          const rounded = await dequantize(model, nodesOfType(model, 'MatMulNBits')[0]!);
          const smaller = rows.map((x, at) => x / factors[at % K]!);
          expect(scaled! / squaredError(rounded, larger, smaller)).toBeCloseTo(1, 2);
        });
});

describe('searchClip', () => {
  it('gives the error of the clipped weight as it is stored, never a larger one', async () => {
    for (const [order, inputs] of [
      ['columns', forms.rows],
      ['rows', forms.rows],
      ['columns', forms.moments],
    ] as const) {
      const site = siteOf(order);
      const scheme = { bits: 2, symmetric: false, scaleType: 'float32', blockSize: 16 } as const;
      const ones = new Float64Array(K).fill(1);
      const clip = await searchClip({ executor, site, scheme, inputs }, [0.9, 0.8, 0.7, 0.6, 0.5], ones);
      expect(clip.after).toBeLessThan(0.95 * clip.before);
      const tensor = await clipBlocks(site, 16, clip.ratios);
      let clipped = values;
      for await (const tile of columnTiles({ ...site, weight: { ...site.weight, tensor } })) clipped = tile.values;
      const stored = await lossOf(clipped, values, { bits: 2, blockSize: 16 });
      expect(clip.after / stored).toBeCloseTo(1, 2);
      expect(clip.before / (await lossOf(values, values, { bits: 2, blockSize: 16 }))).toBeCloseTo(1, 2);
      const rounded = await roundedWeight({ executor, site, scheme }, ones, clip.ratios);
      expect(squaredError(rounded, values) / clip.after).toBeCloseTo(1, 3);
    }
  });

  it('keeps what cannot be bettered', async () => {
    const site = siteOf('columns');
    const scheme = { bits: 8, symmetric: false, scaleType: 'float32', blockSize: 16 } as const;
    const { ratios, before, after } = await searchClip(
      { executor, site, scheme, inputs: forms.rows },
      [0.1],
      new Float64Array(K).fill(1),
    );
    expect(new Set(ratios)).toEqual(new Set([1]));
    expect(after).toBe(before);
  });
});

describe('roundedWeight', () => {
  it('is what the stored weight stands for, factors undone', async () => {
    const factors = Float64Array.from({ length: K }, (_, k) => 2 ** ((k % 5) - 2));
    const larger = values.map((w, at) => w * factors[Math.floor(at / N)]!);
    const params = { bits: 4, blockSize: 16 };
    const { model } = await applyStep(roundToNearest as unknown as StepDefinition, matmulModel(K, N, larger), params);
    const stored = await dequantize(model, nodesOfType(model, 'MatMulNBits')[0]!);
    const scheme = { bits: 4, symmetric: false, scaleType: 'float32', blockSize: 16 } as const;
    for (const order of ['columns', 'rows'] as const) {
      const rounded = await roundedWeight({ executor, site: siteOf(order), scheme }, factors, undefined);
      for (const [at, value] of rounded.entries())
        expect(value).toBeCloseTo(stored[at]! / factors[Math.floor(at / N)]!, 4);
    }
  });
});

describe('blockMoments', () => {
  it('are the same from rows and from all moments, with zeros beyond the last channel', () => {
    const [fromRows, fromMoments] = [blockMoments(forms.rows, K, 16), blockMoments(forms.moments, K, 16)];
    expect(fromRows).toHaveLength(3 * 256);
    for (const [at, value] of fromRows.entries()) {
      expect(value).toBeCloseTo(fromMoments[at]!, 4);
      const [block, i, j] = [Math.floor(at / 256), Math.floor(at / 16) % 16, at % 16];
      const [row, column] = [16 * block + i, 16 * block + j];
      expect(value).toBeCloseTo(row < K && column < K ? moments[row * K + column]! : 0, 4);
    }
  });
});

describe('weights by columns', () => {
  it('come in tiles that together are the weight', async () => {
    for (const order of ['columns', 'rows'] as const)
      for (const limit of [K, 2 * K + 3, 1 << 20]) {
        const whole = new Float32Array(K * N);
        for await (const { first, columns, values: part } of columnTiles(siteOf(order), limit))
          for (let at = 0; at < part.length; at += 1)
            whole[Math.floor(at / columns) * N + first + (at % columns)] = part[at]!;
        expect(whole).toEqual(await readTensorFloats(models.columns.graph.initializers.get('w')!));
      }
  });

  it('have their largest magnitudes by input channel', async () => {
    const wanted = Array.from({ length: K }, (_, k) =>
      Math.max(...Array.from(values.subarray(k * N, (k + 1) * N), Math.abs)),
    );
    for (const order of ['columns', 'rows'] as const)
      expect(Array.from(await inputMagnitudes(siteOf(order)))).toEqual(wanted);
  });
});
