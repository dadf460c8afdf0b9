// The engine of the transform worker, in this process: what it answers about layers.
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../src/core/base/progress.ts';
import type { TaskSource } from '../../../src/core/eval/types.ts';
import { modelToBytes } from '../../../src/core/onnx/write.ts';
import { recipeSchema } from '../../../src/core/recipe/schema.ts';
import { TransformEngine } from '../../../src/runtime/transform/transform-engine.ts';
import { executor, feeds, residualModel } from '../core/precision/models.ts';

const task: TaskSource = {
  kind: 'agreement',
  feeds: [feeds('one', [4, 64]), feeds('two', [7, 64])],
  generated: true,
  references: null,
};

async function opened() {
  const engine = new TransformEngine(executor);
  const blob = new Blob([(await modelToBytes(residualModel())) as Uint8Array<ArrayBuffer>]);
  const { id } = await engine.open({ graph: { name: 'residual.onnx', blob }, others: [] }, 'test', quietJob);
  return { engine, id };
}

const question = { modelKey: 'residual', task, taskKey: 'two samples', candidates: ['4', '8'] } as const;

describe('layers in the transform engine', () => {
  it('shows the errors of a recipe against the model after the steps that lose nothing', async () => {
    const { engine, id } = await opened();
    const steps = [{ id: 'eliminate-dead' }, { id: 'weight-only-rtn', params: { include: ['third'] } }];
    const variant = { id, recipe: recipeSchema.parse({ steps }), modelKey: 'residual' };
    const lens = await engine.lens(variant, task, 1, quietJob);
    expect(lens).toMatchObject({ samples: 1, origin: 'generated', unmatched: { count: 0 } });
    expect(lens.layers.filter(({ changed }) => changed).map(({ name }) => name)).toEqual(['third']);
  });

  it('measures sensitivity, knows what it has while it runs, and does not measure it again', async () => {
    const { engine, id } = await opened();
    expect(engine.sensitivitySoFar(id)).toBeNull();
    const controller = new AbortController();
    const job = {
      ...quietJob,
      signal: controller.signal,
      onProgress: () => {
        if (engine.sensitivitySoFar(id)) controller.abort();
      },
    };
    await expect(engine.sensitivity({ id, ...question }, job)).rejects.toMatchObject({ code: 'job/cancelled' });
    const partial = engine.sensitivitySoFar(id)!;
    expect(partial.layers.length).toBeGreaterThan(0);
    expect(partial.layers.length).toBeLessThan(partial.layersInAll);
    let runs = 0;
    const counting = {
      ...quietJob,
      onProgress: ({ unit }: { unit: string }) => {
        if (unit === 'runs') runs += 1;
      },
    };
    const whole = await engine.sensitivity({ id, ...question }, counting);
    expect(whole.layers).toHaveLength(3);
    expect(whole.layers.slice(0, partial.layers.length)).toEqual(partial.layers);
    // Two candidates and two samples for each layer that was not known.
    expect(runs).toBe(4 * (3 - partial.layers.length));
    expect(await engine.sensitivity({ id, ...question }, quietJob)).toEqual(whole);
  });
});
