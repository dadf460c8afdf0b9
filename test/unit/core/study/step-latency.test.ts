// What each step bought, on a real runtime, as the page and the command line measure it.
import { describe, expect, test } from 'vitest';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import { compareLatency } from '../../../../src/core/study/latency.ts';
import { runPlanSchema } from '../../../../src/core/study/schema.ts';
import { measureSteps } from '../../../../src/core/study/step-latency.ts';
import { MOST_PLACES } from '../../../../src/core/study/take-turns.ts';
import { cancellableJob, cpu, denseModel, makeStudy, presetRecipe, testHost } from './study-host.ts';

const plan = runPlanSchema.parse({ warmupRuns: 1, latencyRuns: 5 });

/** Identity, a dead node, and MatMul with Add: clean-up and fusion each find something. */
function layeredModel() {
  const weights = Array.from({ length: 512 }, (_, i) => Math.sin(i));
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({ opType: 'Identity', inputs: ['x'], outputs: ['i'], name: 'pass' }),
        makeNode({ opType: 'Neg', inputs: ['i'], outputs: ['unused'], name: 'dead' }),
        makeNode({ opType: 'MatMul', inputs: ['i', 'w'], outputs: ['m'], name: 'product' }),
        makeNode({ opType: 'Add', inputs: ['m', 'b'], outputs: ['a'], name: 'bias' }),
        makeNode({ opType: 'Softmax', inputs: ['a'], outputs: ['y'], name: 'soft', attributes: { axis: attrInt(-1) } }),
      ],
      inputs: [valueInfo('x', 'float32', ['batch', 16])],
      outputs: [valueInfo('y', 'float32', ['batch', 32])],
      initializers: [
        tensorFromNumbers('w', 'float32', [16, 32], weights),
        tensorFromNumbers('b', 'float32', [32], weights.slice(0, 32)),
      ],
    }),
  });
}

function request(extra: Partial<Parameters<typeof measureSteps>[0]> = {}, model = layeredModel()) {
  const host = testHost(model, makeStudy());
  const recipe = presetRecipe('int8-dynamic');
  return { host, recipe, target: cpu, plan, job: quietJob, ...extra } as Parameters<typeof measureSteps>[0] & {
    host: typeof host;
  };
}

describe('what each step bought', () => {
  test('every cut of the recipe and every step alone, in turns, each file once', async () => {
    const asked = request();
    const result = await measureSteps(asked);
    const { files, steps, total } = result;
    expect(result).toMatchObject({ target: cpu, groups: 1, engine: { name: expect.stringContaining('onnxruntime') } });
    expect(files[0]).toMatchObject({ steps: [], nodes: 5, error: null });
    expect(steps.map(({ step }) => step)).toEqual([
      'eliminate-identity',
      'eliminate-dead',
      'fuse-matmul-add',
      'dynamic-int8',
    ]);
    // A chain from the original to the whole recipe.
    expect(steps.map(({ cumulated }) => cumulated.baseline)).toEqual([
      0,
      ...steps.slice(0, -1).map((s) => s.cumulated.file),
    ]);
    expect(total).toMatchObject({ file: steps.at(-1)!.cumulated.file, baseline: 0 });
    expect(files[total!.file]!.steps).toHaveLength(steps.length);
    // The first step alone is the first cut: the same file, measured once.
    expect(steps[0]!.alone).toMatchObject({ file: steps[0]!.cumulated.file, baseline: 0, needed: [] });
    expect(new Set(files.map(({ steps: titles }) => titles.join())).size).toBe(files.length);
    expect(files.every(({ latency }) => latency?.runs === 5 && latency.interleaved)).toBe(true);
    for (const { cumulated, alone } of steps)
      for (const { file, baseline, baselineMs, deltaMs, difference } of [cumulated, alone!]) {
        const [own, other] = [files[file]!.latency!, files[baseline]!.latency!];
        expect(baselineMs).toBe(other.medianMs);
        expect(deltaMs).toBeCloseTo(own.medianMs - other.medianMs, 9);
        expect(difference).toBe(compareLatency(own, other));
      }
    const timed = asked.host.calls.filter((call) => call.startsWith('time')).slice(-5 * files.length);
    expect(timed).toEqual(Array(5).fill(timed.slice(0, files.length)).flat());
    expect(asked.host.places).toHaveLength(files.length);
    expect(asked.host.places.every(({ disposed }) => disposed)).toBe(true);
  });

  test('idle steps are built and measured no more than they must be', async () => {
    const asked = request({}, denseModel({ softmax: true }));
    const { steps, files } = await measureSteps(asked);
    expect(steps.map(({ step }) => step)).toEqual(['dynamic-int8']);
    expect(files).toHaveLength(2);
    expect(asked.host.calls.filter((call) => call === 'build').length).toBeLessThanOrEqual(3);
  });

  test('a recipe that changes nothing has no steps to speak of', async () => {
    const { steps, total, files } = await measureSteps(request({ recipe: presetRecipe('original') }));
    expect([steps, total, files.length]).toEqual([[], null, 1]);
  });

  test('a cut that does not run is an error beside the others, and the next is compared with what ran', async () => {
    const asked = request();
    const act = () => {
      throw new StudioError('runtime/create-failed', { target: 'CPU', reason: 'injected' });
    };
    asked.host.traps = [{ call: 'open', nth: 2, act }];
    const { files, steps } = await measureSteps(asked);
    const [first, second, third] = steps;
    expect(files[first!.cumulated.file]!.error?.code).toBe('runtime/create-failed');
    expect(first!.cumulated).toMatchObject({ deltaMs: null, difference: null });
    expect(second!.cumulated).toMatchObject({ baseline: 0, deltaMs: expect.any(Number) });
    expect(third!.cumulated).toMatchObject({ baseline: second!.cumulated.file, deltaMs: expect.any(Number) });
    expect(asked.host.places.every(({ disposed }) => disposed)).toBe(true);
  });

  test('no more places are open at once than fit: files too large for one group have the original in each', async () => {
    const asked = request();
    asked.host.claimedBytes = 600_000_000;
    let most = 0;
    const { openInfer } = asked.host;
    const host = {
      ...asked.host,
      openInfer: async (target: typeof cpu) => {
        const port = await openInfer(target);
        most = Math.max(most, asked.host.places.filter(({ disposed }) => !disposed).length);
        return port;
      },
    };
    const { files, steps, groups } = await measureSteps({ ...asked, host });
    expect(groups).toBe(files.length - 1);
    expect(most).toBe(2);
    expect(most).toBeLessThan(MOST_PLACES);
    expect(steps.every(({ cumulated, alone }) => cumulated.deltaMs !== null && alone!.deltaMs !== null)).toBe(true);
    expect(asked.host.places).toHaveLength(2 * (files.length - 1));
  });

  test('cancelling ends every place', async () => {
    const { job, cancel } = cancellableJob();
    const asked = request();
    const onProgress: (typeof job)['onProgress'] = ({ stage }) => {
      if (stage.includes('in turns')) cancel();
    };
    await expect(measureSteps({ ...asked, job: { ...job, onProgress } })).rejects.toMatchObject({
      code: 'job/cancelled',
    });
    expect(asked.host.places.length).toBeGreaterThan(0);
    expect(asked.host.places.every(({ disposed }) => disposed)).toBe(true);
  });
});
