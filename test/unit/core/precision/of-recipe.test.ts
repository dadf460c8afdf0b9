import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { lensOfRecipe } from '../../../../src/core/precision/of-recipe.ts';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import { memoryStore } from '../quant/support/bench.ts';
import { outlierCalibration, outlierModel } from '../quant/support/outlier-model.ts';
import { executor } from './models.ts';

const lens = (steps: readonly object[]) =>
  lensOfRecipe({
    model: outlierModel(),
    recipe: recipeSchema.parse({ steps }),
    executor,
    store: memoryStore,
    source: outlierCalibration(),
    job: quietJob,
  });
const least = (layers: readonly { local: { sqnrDb: number } }[]) =>
  Math.min(...layers.map(({ local }) => local.sqnrDb));

describe('the lens of a recipe', () => {
  it('compares with the model after all steps that lose nothing, smoothing included', async () => {
    const steps = [{ id: 'smoothquant' }, { id: 'weight-only-rtn', params: { bits: 8 } }];
    const result = await lens(steps);
    expect(result.unmatched.count).toBe(0);
    expect(least(result.layers)).toBeGreaterThan(35);
  });

  it('shows layers whose inputs AWQ has divided, under other names, by their own errors', async () => {
    const steps = [{ id: 'weight-only-awq', params: { bits: 8, blockSize: 32, rows: 128 } }];
    const result = await lens(steps);
    const quantized = result.layers.filter(({ opType, changed }) => opType === 'MatMul' && changed);
    expect(quantized.length).toBeGreaterThan(1);
    expect(least(quantized)).toBeGreaterThan(30);
    expect(result.unmatched.count).toBeGreaterThan(0);
  });
});
