/** What the lens and sensitivity say of a real net: the figures they are there to show, with their margins. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { lensOfRecipe, sensitivityOfModel } from '../../../../src/core/precision/of-recipe.ts';
import { findPreset } from '../../../../src/core/recipe/presets.ts';
import type { CalibrationSource } from '../../../../src/core/step/define.ts';
import { loadSampleTask } from '../eval/tasks/support.ts';
import { memoryStore } from '../quant/support/bench.ts';
import { executor } from './models.ts';

async function fashionMobile(): Promise<{ model: Model; source: CalibrationSource }> {
  const path = new URL('../../../../public/samples/fashion-mobile/model.fp16w.onnx', import.meta.url);
  const model = await readModel(memorySource('fashion-mobile', new Uint8Array(readFileSync(path))));
  await expandHalfWeights(model);
  const task = await loadSampleTask('image-classification', 'fashion-data');
  return { model, source: { origin: 'calibration-split', feeds: () => task.calibrationFeeds() } };
}

const surroundings = { executor, store: memoryStore, job: quietJob, maxSamples: 4 };

describe('Fashion MobileNet', () => {
  it('one scale a tensor breaks its depthwise kernels and nothing else; the errors pile up behind them', async () => {
    const { model, source } = await fashionMobile();
    const lens = (id: string) => lensOfRecipe({ ...surroundings, model, source, recipe: findPreset(id)!.recipe });
    const { layers, outputs } = await lens('int8-dynamic-per-tensor');
    // Those of the original are FusedConv where their activation is theirs.
    const convolutions = layers.filter(({ opType }) => opType === 'Conv' || opType === 'FusedConv');
    const isDepthwise = ({ name }: { name: string }) => name.includes('depthwise');
    const worstFirst = [...convolutions].sort((a, b) => a.local.sqnrDb - b.local.sqnrDb);
    const depthwise = convolutions.filter(isDepthwise).length;
    expect(depthwise).toBeGreaterThan(4);
    expect(worstFirst.slice(0, depthwise).every(isDepthwise)).toBe(true);
    // Those between are nearly right by themselves and wrong in the whole run, for what comes to them.
    for (const { name, local, accumulated } of worstFirst.slice(depthwise)) {
      expect(local.sqnrDb, name).toBeGreaterThan(20);
      if (name.includes('pointwise')) expect(accumulated.sqnrDb, name).toBeLessThan(10);
    }
    expect(outputs[0]!.sqnrDb).toBeLessThan(5);

    const perChannel = await lens('int8-dynamic');
    for (const { name, local } of perChannel.layers.filter(({ changed }) => changed))
      expect(local.sqnrDb, name).toBeGreaterThan(12);
    expect(perChannel.outputs[0]!.sqnrDb).toBeGreaterThan(10);
  }, 60_000);

  it('8-bit weights cost every layer next to nothing', async () => {
    const { model, source } = await fashionMobile();
    const keys = { modelKey: 'fashion-mobile', inputsKey: 'calibration' };
    const sensitivity = await sensitivityOfModel({
      ...surroundings,
      ...keys,
      model,
      source,
      candidates: ['int8-weights', 'int8'],
    });
    expect(sensitivity).toMatchObject({ lossKind: 'kl', samples: 4 });
    expect(sensitivity.layers).toHaveLength(sensitivity.layersInAll);
    // Small kernels stay as they are.
    const stored = sensitivity.layers.flatMap(({ name, points }) => {
      const point = points.find(({ candidate }) => candidate === 'int8-weights');
      return point ? [{ name, point, keptBytes: points[0]!.bytes }] : [];
    });
    expect(stored.length).toBeGreaterThan(8);
    for (const { name, point, keptBytes } of stored) {
      expect(point.loss, name).toBeLessThan(0.01);
      expect(point.bytes, name).toBeLessThan(0.5 * keptBytes);
    }
  }, 60_000);
});
