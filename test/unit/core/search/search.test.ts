import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { sensitivityOfModel } from '../../../../src/core/precision/of-recipe.ts';
import type { SearchHost } from '../../../../src/core/search/ports.ts';
import { type SearchUpdate, searchResultSchema, searchStateSchema } from '../../../../src/core/search/results.ts';
import { runSearch, type SearchRequest } from '../../../../src/core/search/search.ts';
import { calibrationOf } from '../../../../src/core/study/calibration.ts';
import type { ModelFiles } from '../../../../src/core/study/ports.ts';
import { reportSchema } from '../../../../src/core/study/results.ts';
import { executor, wideModel } from '../precision/models.ts';
import { memoryStore } from '../quant/support/bench.ts';
import { cpu, environment, makeStudy, modelFacts, type TestHost, testHost } from '../study/study-host.ts';

const SAMPLES = 60;

function hostFor(model: Model): SearchHost<ModelFiles> & TestHost {
  const host = testHost(model, makeStudy({ task: { kind: 'random', seed: 1, samples: SAMPLES, inputs: [] } }));
  return Object.assign(host, {
    sensitivity: async (
      options: Parameters<SearchHost<ModelFiles>['sensitivity']>[0],
      job: Parameters<SearchHost<ModelFiles>['sensitivity']>[1],
      onPartial: Parameters<SearchHost<ModelFiles>['sensitivity']>[2],
    ) => {
      host.calls.push('sensitivity');
      const task = await host.task(job);
      const source = calibrationOf(task.source, () => Promise.reject(new Error('no files')));
      const question = { ...options, modelKey: 'wide', inputsKey: task.key, onPartial };
      return sensitivityOfModel({ ...question, model, executor, store: memoryStore, source, job });
    },
  });
}

function request(host: SearchHost<ModelFiles>, change: Partial<SearchRequest<ModelFiles>> = {}) {
  return {
    host,
    job: quietJob,
    environment,
    model: modelFacts,
    task: { kind: 'random', seed: 1, samples: SAMPLES, inputs: [] },
    gate: { mode: 'absolute', maxWorse: 0.1, confidence: 0.9 },
    target: cpu,
    objective: 'size',
    budget: 14,
    ...change,
  } satisfies SearchRequest<ModelFiles>;
}

describe('the search for the smallest file', () => {
  it('finds a mixture smaller than every ready recipe within the gate, and says why', async () => {
    const updates: SearchUpdate[] = [];
    const host = hostFor(wideModel());
    const result = await runSearch(request(host, { onUpdate: (update) => void updates.push(update) }));
    expect(searchResultSchema.parse(result)).toEqual(result);
    expect(result.recommended).not.toBeNull();
    const { report, points, recommended } = result;
    const bytes = report.variants.map(({ facts }) => facts?.fileBytes ?? Number.POSITIVE_INFINITY);
    const verdicts = report.variants.map(({ measurements }) => measurements[0]?.verdict?.verdict);
    expect(verdicts[0]).toBe('baseline');
    expect(verdicts[recommended!]).toBe('pass');
    // What passed is what was judged on all samples; nothing smaller passed.
    for (const [index, point] of points.entries()) {
      if (point.status === 'passed') {
        expect(point.samples).toBe(SAMPLES);
        expect(bytes[recommended!]).toBeLessThanOrEqual(bytes[index]!);
      }
      if (point.status === 'failed') expect(verdicts[index]).toBe('fail');
    }
    const mixed = points.filter(({ origin }) => origin === 'mixed');
    expect(mixed.length).toBeGreaterThan(1);
    const ready = points.flatMap(({ origin, status }, i) =>
      origin === 'family' && status === 'passed' ? [bytes[i]!] : [],
    );
    expect(bytes[recommended!]).toBeLessThan(Math.min(...ready));
    // Rounding is always among those tried.
    expect(report.variants.some(({ recipe }) => recipe.steps.some(({ id }) => id === 'weight-only-rtn'))).toBe(true);
    expect(result.reason).toMatch(/MB instead of .* MB/);
    expect(result.reason).toContain('It is the smallest within the gate');
    expect(result.reason).toMatch(/The next smaller one .* (failed|could not be shown to pass)/);

    expect(updates.length).toBeGreaterThan(points.length);
    const last = updates.at(-1)!;
    expect(reportSchema.parse(last.report)).toEqual(last.report);
    expect(last.points).toEqual(points);
    for (const { report: partial, points: own } of updates) expect(own).toHaveLength(partial.variants.length);
  }, 120_000);

  it('is resumed where it was cancelled, without measuring anything again, and comes to the same end', async () => {
    const whole = await runSearch(request(hostFor(wideModel())));
    const controller = new AbortController();
    let last: SearchUpdate | undefined;
    const cancelled = runSearch(
      request(hostFor(wideModel()), {
        job: { ...quietJob, signal: controller.signal },
        onUpdate: (update) => {
          last = update;
          if (update.points.some(({ origin }) => origin === 'mixed')) controller.abort();
        },
      }),
    );
    await expect(cancelled).rejects.toMatchObject({ code: 'job/cancelled' });
    const state = searchStateSchema.parse(JSON.parse(JSON.stringify(last!.state)));
    expect(state.sensitivities).toHaveLength(1);
    const evaluated = state.tried.reduce((sum, { evaluations }) => sum + evaluations.length, 0);
    expect(evaluated).toBeGreaterThan(0);

    const host = hostFor(wideModel());
    const resumed = await runSearch(request(host, { state }));
    const outcome = ({ points, recommended }: typeof whole) => ({ points, recommended });
    expect(outcome(resumed)).toEqual(outcome(whole));
    const evaluations = (one: typeof whole) => one.points.filter(({ samples }) => samples > 0).length;
    expect(host.calls.filter((call) => call.startsWith('evaluate')).length).toBeLessThan(
      evaluations(whole) + 3 * (evaluations(whole) - 2),
    );

    // With everything known nothing is evaluated at all; a state of another task is of no use.
    let complete: SearchUpdate | undefined;
    const onUpdate = (update: SearchUpdate) => {
      complete = update;
    };
    await runSearch(request(hostFor(wideModel()), { state, onUpdate }));
    const again = hostFor(wideModel());
    expect(outcome(await runSearch(request(again, { state: complete!.state })))).toEqual(outcome(whole));
    expect(again.calls.filter((call) => call.startsWith('evaluate'))).toEqual([]);
    const other = hostFor(wideModel());
    await runSearch(request(other, { state: { ...complete!.state, key: 'another' }, budget: 1 }));
    expect(other.calls.filter((call) => call.startsWith('evaluate')).length).toBeGreaterThan(1);
  }, 240_000);

  it('keeps to its budget, and recommends nothing where nothing passes', async () => {
    const few = await runSearch(request(hostFor(wideModel()), { budget: 2 }));
    expect(few.evaluations).toBe(2);
    expect(few.points.filter(({ samples }) => samples > 0)).toHaveLength(2);
    expect(few.reason).toContain('2 recipes were evaluated');

    const host = hostFor(wideModel());
    const strict = await runSearch(
      request(host, { gate: { mode: 'absolute', maxWorse: 0, confidence: 0.99 }, budget: 4 }),
    );
    expect(strict.recommended).toBeNull();
    expect(strict.runnersUp).toEqual([]);
    expect(strict.reason).toMatch(/Nothing stays within the gate; 4 recipes were evaluated. The nearest is /);
  }, 120_000);

  it('goes on when a recipe cannot be built or run', async () => {
    const host = hostFor(wideModel());
    host.traps = [{ call: 'build', nth: 4, act: () => Promise.reject(new Error('no such luck')) }];
    const result = await runSearch(request(host, { budget: 6 }));
    const broken = result.points.filter(({ status }) => status === 'broken');
    // Whatever is calibrated runs the model, which this host cannot.
    const reasons = broken.map(({ reason }) => reason).filter((reason) => !reason.includes('cannot run models'));
    expect(reasons).toEqual([expect.stringContaining('no such luck')]);
    expect(result.recommended).not.toBeNull();
  }, 120_000);
});

describe('the search for the fastest', () => {
  it('judges first, times in turns with the original, and recommends only what is faster beyond noise', async () => {
    const host = hostFor(wideModel());
    const result = await runSearch(request(host, { objective: 'latency', budget: 6 }));
    for (const [index, { status }] of result.points.entries()) {
      const latency = result.report.variants[index]!.measurements[0]?.latency;
      if (status === 'passed') expect(latency).toMatchObject({ interleaved: true, runs: 9 });
      if (status === 'failed') expect(latency).toBeNull();
    }
    expect(result.points.filter(({ status }) => status === 'passed').length).toBeGreaterThan(1);
    expect(result.reason).toMatch(/times as fast as the original|Nothing within the gate is faster/);
  }, 120_000);
});
