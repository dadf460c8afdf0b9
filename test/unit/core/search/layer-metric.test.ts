import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { sensitivityOfModel } from '../../../../src/core/precision/of-recipe.ts';
import type { SensitivityResult } from '../../../../src/core/precision/results.ts';
import { measureLayerMetric, worstLoss } from '../../../../src/core/search/layer-metric.ts';
import type { SearchHost } from '../../../../src/core/search/ports.ts';
import { calibrationOf } from '../../../../src/core/study/calibration.ts';
import type { ModelFiles } from '../../../../src/core/study/ports.ts';
import { executor, wideModel } from '../precision/models.ts';
import { memoryStore } from '../quant/support/bench.ts';
import { cpu, makeStudy, testHost } from '../study/study-host.ts';

const SAMPLES = 30;
const gate = { mode: 'absolute', maxWorse: 0.1, confidence: 0.9 } as const;

const model = wideModel();
const base = testHost(model, makeStudy({ task: { kind: 'random', seed: 1, samples: SAMPLES, inputs: [] } }));
const host: SearchHost<ModelFiles> = Object.assign(base, {
  sensitivity: () => Promise.reject(new Error('measured before')),
});

async function sensitivity(): Promise<SensitivityResult> {
  const task = await host.task(quietJob);
  const source = calibrationOf(task.source, () => Promise.reject(new Error('no files')));
  const question = { candidates: ['2', '8'] as const, modelKey: 'wide', inputsKey: task.key };
  return sensitivityOfModel({ ...question, model, executor, store: memoryStore, source, job: quietJob });
}

describe('the metric of each layer alone', () => {
  it('of the most sensitive layers, in all candidates, worst first', async () => {
    const found = await sensitivity();
    const result = await measureLayerMetric({ host, job: quietJob, target: cpu, gate, sensitivity: found, layers: 3 });
    const ranked = [...found.layers].sort((a, b) => worstLoss(b) - worstLoss(a)).map(({ name }) => name);
    expect(result.points.map(({ layer, candidate }) => `${layer} ${candidate}`)).toEqual(
      ranked.slice(0, 3).flatMap((name) => [`${name} 2`, `${name} 8`]),
    );
    expect(result.samples).toBe(SAMPLES);
    // Against itself the original agrees; two bits lose, eight hardly.
    expect(result.original).toBe(1);
    const worse = (candidate: string) =>
      result.points.filter((point) => point.candidate === candidate).map((point) => point.worse!);
    for (const [at, two] of worse('2').entries()) expect(two).toBeGreaterThanOrEqual(worse('8')[at]!);
    expect(Math.max(...worse('2'))).toBeGreaterThan(0);
    for (const { value, worse, error } of result.points) {
      expect(error).toBeNull();
      expect(worse).toBeCloseTo(result.original - value!, 10);
    }
  });

  it('only that layer is changed', async () => {
    const found = await sensitivity();
    const built: string[][] = [];
    const watching: SearchHost<ModelFiles> = {
      ...host,
      build: async (recipe, job) => {
        const variant = await host.build(recipe, job);
        built.push(recipe.steps.flatMap(({ params }) => (params.include as string[] | undefined) ?? []));
        return variant;
      },
    };
    const request = { host: watching, job: quietJob, target: cpu, gate, sensitivity: found, layers: 2, samples: 5 };
    const result = await measureLayerMetric(request);
    expect(result.samples).toBe(5);
    expect(built.slice(1)).toEqual(result.points.map(({ layer }) => [layer]));
  });

  it('is cancelled', async () => {
    const found = await sensitivity();
    const controller = new AbortController();
    const job = {
      ...quietJob,
      signal: controller.signal,
      onProgress: ({ stage }: { stage: string }) => {
        if (stage.includes('(2 of')) controller.abort();
      },
    };
    const request = { host, job, target: cpu, gate, sensitivity: found, layers: 9 };
    await expect(measureLayerMetric(request)).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});
