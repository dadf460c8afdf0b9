import { describe, expect, test } from 'vitest';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import { overallVerdict } from '../../../../src/core/report/rows.ts';
import type { ModelFiles } from '../../../../src/core/study/ports.ts';
import { type Report, reportSchema } from '../../../../src/core/study/results.ts';
import { runStudy, type StudyRequest } from '../../../../src/core/study/run.ts';
import type { Study } from '../../../../src/core/study/schema.ts';
import {
  cancellableJob,
  cpu,
  denseModel,
  environment,
  makeStudy,
  modelFacts,
  presetRecipe,
  type TestHost,
  type Trap,
  testHost,
  wasm,
} from './study-host.ts';

const classifier = denseModel({ softmax: true });

function run(host: TestHost, study: Study, extra: Partial<StudyRequest<ModelFiles>> = {}): Promise<Report> {
  return runStudy({ study, host, job: cancellableJob().job, environment, model: modelFacts, ...extra });
}

/** Only the timed calls, by the place's number. */
const timed = (host: TestHost) =>
  host.calls.filter((call) => call.startsWith('time')).map((call) => Number(call.split(' ')[1]));

const fail = (): never => {
  throw new StudioError('runtime/run-failed', { target: 'CPU', reason: 'injected' });
};

describe('a whole study on a real runtime', () => {
  test('every figure is there, the report is valid, and variants took turns', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    const report = await run(host, study);
    expect(reportSchema.parse(structuredClone(report))).toEqual(report);
    expect(report.variants.map(({ error }) => error)).toEqual([null, null, null]);
    for (const { facts, measurements } of report.variants) {
      const [measurement] = measurements;
      expect(facts!.fileBytes).toBeGreaterThan(0);
      expect(measurement).toMatchObject({ error: null, target: cpu, threads: 1, engine: { name: 'onnxruntime-node' } });
      expect(measurement!.latency).toMatchObject({ runs: 3, interleaved: true });
      expect(measurement!.createMs).toBeGreaterThan(0);
      expect(measurement!.firstRunMs).toBeGreaterThan(0);
      expect(measurement!.evaluation!.n).toBe(40);
    }
    // Place 0 collected the references; 1, 2 and 3 took turns: one warm-up round and three timed ones.
    expect(timed(host)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
    const turns = report.variants.map(({ measurements }) => measurements[0]!.latency!.turnsBeganAt);
    expect(new Set(turns).size).toBe(1);
    expect(host.places.every(({ disposed }) => disposed)).toBe(true);
    expect(report.variants.map(({ measurements }) => measurements[0]!.verdict!.verdict)).toEqual([
      'baseline',
      'pass',
      'pass',
    ]);
    expect(overallVerdict(report)).toBe('pass');
  });

  test('agreement: the original runs once over the inputs, and its class outputs choose the metrics', async () => {
    const study = makeStudy({ targets: [cpu, wasm] });
    const host = testHost(classifier, study);
    const report = await run(host, study);
    expect(host.calls.filter((call) => call === 'run 0')).toHaveLength(40);
    expect(report.task.metrics.map(({ id }) => id)).toEqual([
      'top1-agreement',
      'kl-divergence',
      'cosine',
      'sqnr',
      'max-abs-error',
    ]);
    expect(report.variants[1]!.measurements.map(({ target }) => target)).toEqual([cpu, wasm]);
    expect(report.variants[1]!.measurements[1]!.engine.name).toBe('onnxruntime-web');

    const plain = makeStudy();
    const { task } = await run(testHost(denseModel({ softmax: false }), plain), plain);
    expect(task.metrics[0]!.id).toBe('cosine');
  });

  test('snapshots only grow, and earlier ones stay as they were', async () => {
    const study = makeStudy();
    const seen: { report: Report; json: string }[] = [];
    const host = testHost(classifier, study);
    const last = await run(host, study, {
      onUpdate: (report) => seen.push({ report, json: JSON.stringify(report) }),
    });
    for (const { report, json } of seen) expect(JSON.stringify(report)).toBe(json);
    expect(seen[0]!.report.variants.every(({ facts }) => facts === null)).toBe(true);
    expect(seen.at(-1)!.json).toBe(JSON.stringify(last));
    expect(new Set(seen.map(({ report }) => report.createdAt)).size).toBe(1);
    // Untouched cards are the same objects: a page redraws nothing for them.
    expect(seen[2]!.report.variants[2]).toBe(seen[1]!.report.variants[2]);
  });
});

describe('results are kept', () => {
  test('a second run measures nothing, shows the same metrics, and is judged by its own gate', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    const first = await run(host, study);
    const before = host.calls.length;
    const again = await run(host, study);
    expect(host.calls.slice(before)).toEqual(['build', 'build', 'build', 'task']);
    expect(again.task).toEqual(first.task);
    expect(again.variants).toEqual(
      first.variants.map((variant, i) => ({ ...variant, facts: again.variants[i]!.facts })),
    );

    const strict = makeStudy({ gate: { mode: 'absolute', maxWorse: 0, confidence: 0.95 } });
    const judged = await run(host, strict);
    expect(host.calls.slice(before + 4)).toEqual(['build', 'build', 'build', 'task']);
    expect(judged.variants[2]!.measurements[0]!.verdict!.reason).not.toBe(
      first.variants[2]!.measurements[0]!.verdict!.reason,
    );
  });

  test('a new variant is measured alone, and its figures say that they took no turns with the others', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    await run(host, study);
    const opened = host.places.length;
    const more = makeStudy({ variants: [...study.variants, presetRecipe('fp16')] });
    const report = await run(host, more);
    // References again (they are not stored), and the new one.
    expect(host.places.length - opened).toBe(2);
    const [old, added] = [report.variants[0]!, report.variants[3]!].map(
      ({ measurements }) => measurements[0]!.latency!,
    );
    expect(added).toMatchObject({ interleaved: false });
    expect(added!.turnsBeganAt).not.toBe(old!.turnsBeganAt);
  });

  test('what changes a figure changes the key: settings, target, plan, task, what agreement is with', async () => {
    const study = makeStudy({ variants: [presetRecipe('original'), presetRecipe('simplify')] });
    const host = testHost(classifier, study);
    await run(host, study);
    const keys = () => host.cache.size;
    expect(keys()).toBe(2);
    await run(host, makeStudy({ ...study, targets: [wasm] }));
    expect(keys()).toBe(4);
    await run(host, makeStudy({ ...study, plan: { ...study.plan, latencyRuns: 4 } }));
    expect(keys()).toBe(6);
    const settings = { ...study.variants[1]!.runtime, graphOptimizationLevel: 'basic' as const };
    await run(
      host,
      makeStudy({ ...study, variants: [study.variants[0]!, { ...study.variants[1]!, runtime: settings }] }),
    );
    expect(keys()).toBe(7);
    await run(
      host,
      makeStudy({ ...study, variants: [{ ...study.variants[0]!, runtime: settings }, study.variants[1]!] }),
    );
    expect(keys()).toBe(9);
    // A name changes nothing.
    await run(host, makeStudy({ ...study, variants: [study.variants[0]!, { ...study.variants[1]!, name: 'Other' }] }));
    expect(keys()).toBe(9);
    await run(host, study, { ignoreCache: true });
    expect(keys()).toBe(9);
  });

  test('failures are not kept', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    host.traps = [{ call: 'evaluate', nth: 2, act: fail }];
    const broken = await run(host, study);
    expect(broken.variants[1]!.measurements[0]!.error!.code).toBe('runtime/run-failed');
    const mended = await run(host, study);
    expect(mended.variants.map(({ measurements }) => measurements[0]!.error)).toEqual([null, null, null]);
    expect(mended.variants[1]!.measurements[0]!.verdict!.verdict).toBe('pass');
  });
});

describe('failures stay on their card', () => {
  const cases: readonly [name: string, trap: Omit<Trap, 'act'>, expected: (report: Report) => void][] = [
    [
      'a build',
      { call: 'build', nth: 2 },
      ({ variants }) => {
        expect(variants[1]).toMatchObject({ facts: null, error: { code: 'runtime/run-failed' }, measurements: [] });
        expect(overallVerdict({ variants } as Report)).toBe('not-evaluated');
      },
    ],
    // The first place that is opened, and the first run 40 times, are for the references.
    ['opening a place', { call: 'openInfer', nth: 3 }, ({ variants }) => failed(variants[1]!, { createMs: null })],
    ['creating the session', { call: 'open', nth: 3 }, ({ variants }) => failed(variants[1]!, { createMs: null })],
    ['the first run', { call: 'run', nth: 42 }, ({ variants }) => failed(variants[1]!, { firstRunMs: null })],
    ['timing', { call: 'time', nth: 5 }, ({ variants }) => failed(variants[1]!, { latency: null })],
    [
      'the evaluation',
      { call: 'evaluate', nth: 2 },
      ({ variants }) => {
        failed(variants[1]!, { evaluation: null });
        // What was measured before stays on the card.
        expect(variants[1]!.measurements[0]!.latency!.runs).toBe(3);
        expect(variants[1]!.measurements[0]!.memory).not.toBeNull();
      },
    ],
  ];
  function failed(variant: Report['variants'][number], facts: object) {
    expect(variant.measurements).toHaveLength(1);
    expect(variant.measurements[0]).toMatchObject({
      ...facts,
      error: { code: 'runtime/run-failed' },
      verdict: { verdict: 'not-evaluated' },
    });
  }
  test.each(cases)('%s', async (_name, trap, check) => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    host.traps = [{ ...trap, act: fail }];
    const report = await run(host, study);
    check(report);
    expect(report.variants[2]!.measurements[0]).toMatchObject({ error: null, verdict: { verdict: 'pass' } });
    expect(host.places.every(({ disposed }) => disposed)).toBe(true);
  });

  test('the original that fails leaves the others measured, with the reason', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    host.traps = [{ call: 'openInfer', nth: 1, act: fail }];
    const report = await run(host, study);
    for (const { measurements } of report.variants) {
      expect(measurements[0]!.latency!.runs).toBe(3);
      expect(measurements[0]!.error!.code).toBe('task/no-references');
    }
    expect(overallVerdict(report)).toBe('not-evaluated');
  });

  test('the task’s own data is needed by all: the run ends with its error', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    host.traps = [
      {
        call: 'task',
        nth: 1,
        act: () => {
          throw new StudioError('task/data-missing', { task: 'x', reason: 'gone' });
        },
      },
    ];
    await expect(run(host, study)).rejects.toMatchObject({ code: 'task/data-missing' });
  });
});

describe('cancel', () => {
  const never = () => new Promise<void>(() => {});
  const stages: readonly Omit<Trap, 'act'>[] = [
    { call: 'build', nth: 2 },
    { call: 'task', nth: 1 },
    { call: 'openInfer', nth: 1 },
    { call: 'openInfer', nth: 3 },
    { call: 'open', nth: 1 },
    { call: 'open', nth: 3 },
    { call: 'run', nth: 20 },
    { call: 'run', nth: 42 },
    { call: 'time', nth: 1 },
    { call: 'time', nth: 8 },
    { call: 'memory', nth: 2 },
    { call: 'evaluate', nth: 2 },
  ];
  test.each(stages)('while $call $nth hangs: answers at once and leaves no place behind', async (trap) => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    const { job, cancel } = cancellableJob();
    let cancelledAt = 0;
    host.traps = [
      {
        ...trap,
        act: () => {
          setTimeout(() => {
            cancelledAt = performance.now();
            cancel();
          }, 20);
          return never();
        },
      },
    ];
    await expect(run(host, study, { job })).rejects.toMatchObject({ code: 'job/cancelled' });
    expect(performance.now() - cancelledAt).toBeLessThan(300);
    expect(host.places.every(({ disposed }) => disposed)).toBe(true);
  });

  test('a place that is ready too late is disposed all the same', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    const { job, cancel } = cancellableJob();
    let ready = () => {};
    host.traps = [
      {
        call: 'openInfer',
        nth: 2,
        act: () => {
          setTimeout(cancel, 5);
          return new Promise((resolve) => {
            ready = resolve;
          });
        },
      },
    ];
    await expect(run(host, study, { job })).rejects.toMatchObject({ code: 'job/cancelled' });
    ready();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(host.places).toHaveLength(2);
    expect(host.places.every(({ disposed }) => disposed)).toBe(true);
  });

  test('cancelled before it began: nothing is built', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    const { job, cancel } = cancellableJob();
    cancel();
    await expect(run(host, study, { job })).rejects.toMatchObject({ code: 'job/cancelled' });
    expect(host.calls).toEqual([]);
  });
});

describe('timing', () => {
  test('a slow variant stops after three runs, the others go on in turns', async () => {
    const study = makeStudy({ plan: { warmupRuns: 1, latencyRuns: 6, latencyBudgetMs: 100 } });
    const host = testHost(classifier, study);
    const original = host.openInfer;
    let opened = 0;
    host.openInfer = async (target) => {
      const port = await original(target);
      opened += 1;
      if (opened !== 3) return port;
      const slow: typeof port = {
        ...port,
        time: async (feeds, runs) => {
          await port.time(feeds, runs);
          return [90];
        },
      };
      return slow;
    };
    const report = await run(host, study);
    expect(report.variants.map(({ measurements }) => measurements[0]!.latency!.runs)).toEqual([6, 3, 6]);
    expect(timed(host)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 3, 1, 3, 1, 3]);
  });

  test('too large to be open side by side: one after the other, and the figures say so', async () => {
    const study = makeStudy();
    const host = testHost(classifier, study);
    host.claimedBytes = 600_000_000;
    const report = await run(host, study);
    expect(timed(host)).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    for (const { measurements } of report.variants)
      expect(measurements[0]!.latency).toMatchObject({ interleaved: false, runs: 3 });
    const order = host.calls.filter((call) => /^(openInfer|evaluate)/.test(call));
    expect(order).toEqual([
      'openInfer',
      'openInfer',
      'evaluate 1',
      'openInfer',
      'evaluate 2',
      'openInfer',
      'evaluate 3',
    ]);
  });
});

describe('parity with WASM', () => {
  const webgpu = { provider: 'webgpu', threads: 0 } as const;
  const shift =
    (amount: number): NonNullable<TestHost['alter']> =>
    (target, outputs) => {
      if (target.provider !== 'webgpu') return outputs;
      const y = outputs.get('y')!;
      const values = new Float32Array(y.data.slice().buffer);
      values[0]! += amount;
      return new Map([['y', { ...y, data: new Uint8Array(values.buffer) }]]);
    };
  test.each([
    [0, 'match', 'pass'],
    [0.01, 'drift', 'pass'],
    [0.5, 'mismatch', 'fail'],
  ] as const)('an error of %f is a %s', async (amount, parity, verdict) => {
    const study = makeStudy({ targets: [webgpu] });
    const host = testHost(classifier, study);
    host.alter = shift(amount);
    const report = await run(host, study);
    const [, simplified] = report.variants.map(({ measurements }) => measurements[0]!);
    expect(simplified!.parity).toMatchObject({ reference: 'WASM', samples: 1, verdict: parity });
    expect(simplified!.verdict!.verdict).toBe(verdict);
    if (verdict === 'fail') expect(simplified!.verdict!.reason).toContain('other numbers than WASM');
    // References come from WASM, never from the target that is being checked.
    expect(host.places[0]!.target.provider).toBe('wasm');
    expect(host.places.every(({ disposed }) => disposed)).toBe(true);
  });
});

test('settings of a recipe reach the session', async () => {
  const seen: unknown[] = [];
  const runtime = recipeSchema.parse({
    runtime: { graphOptimizationLevel: 'basic', disabledOptimizers: ['GeluFusionL2'], disablePrepacking: true },
  }).runtime;
  const study = makeStudy({ variants: [presetRecipe('original'), { ...presetRecipe('simplify'), runtime }] });
  const host = testHost(classifier, study);
  const original = host.openInfer;
  host.openInfer = async (target) => {
    const port = await original(target);
    return {
      ...port,
      open: (files, options, job) => {
        seen.push(options.settings);
        return port.open(files, options, job);
      },
    };
  };
  await run(host, study);
  expect(seen).toEqual([study.variants[0]!.runtime, study.variants[0]!.runtime, runtime]);
});
