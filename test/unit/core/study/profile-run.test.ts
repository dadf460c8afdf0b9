// Two variants profiled side by side on a real runtime, as the page and the command line do it.
import { describe, expect, test } from 'vitest';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { compareByOp, compareNodes, compareTimes } from '../../../../src/core/study/profile-compare.ts';
import { runProfile } from '../../../../src/core/study/profile-run.ts';
import { runPlanSchema } from '../../../../src/core/study/schema.ts';
import { cancellableJob, cpu, denseModel, makeStudy, presetRecipe, testHost } from './study-host.ts';

const model = denseModel({ softmax: true });
const plan = runPlanSchema.parse({ warmupRuns: 1, latencyRuns: 4 });

function request(extra: Partial<Parameters<typeof runProfile>[0]> = {}) {
  const host = testHost(model, makeStudy());
  const recipes = [presetRecipe('original'), presetRecipe('int8-dynamic')];
  return { host, recipes, target: cpu, level: 'deployed' as const, plan, job: quietJob, ...extra } as Parameters<
    typeof runProfile
  >[0] & { host: typeof host };
}

describe('profiling variants', () => {
  test('gives each a latency without the profiler and a profile, in turns, and leaves nothing open', async () => {
    const asked = request();
    const run = await runProfile(asked);
    expect(run.outcomes.map(({ error }) => error)).toEqual([null, null]);
    const [original, variant] = run.outcomes.map(({ value }) => value!);
    expect(original!.latency).toMatchObject({ runs: 4, interleaved: true });
    expect(original!.profile.runs).toBe(4);
    expect(original!.profile.nodes.length).toBeGreaterThan(0);
    const timed = asked.host.calls.filter((call) => call.startsWith('time')).slice(-16);
    const places = [...new Set(timed)];
    expect(places).toHaveLength(4);
    expect(timed).toEqual([...places, ...places, ...places, ...places]);
    expect(asked.host.places.every(({ disposed }) => disposed)).toBe(true);

    const ops = compareByOp(original!.profile, variant!.profile);
    expect(ops.some(({ difference }) => difference === 'only in the variant')).toBe(true);
    const nodes = compareNodes(original!.profile, variant!.profile);
    const seen = nodes.flatMap(({ original: a, variants }) => [a, ...variants]).filter((node) => node !== null);
    expect(seen).toHaveLength(original!.profile.nodes.length + variant!.profile.nodes.length);
    // A quantized layer is several nodes, which together are compared with the one that they come from.
    const layers = nodes.filter((row) => row.original?.family === 'matrix-product');
    expect(layers.length).toBeGreaterThan(0);
    for (const { variants, variant: sum } of layers) {
      expect(variants.some(({ opType }) => /Integer|DynamicQuantizeMatMul/.test(opType))).toBe(true);
      const [first] = variants.map(({ samplesUs }) => samplesUs[0]!);
      expect(sum!.samplesUs[0]).toBeGreaterThanOrEqual(first!);
    }
  });

  test('the level can be switched off, which is said', async () => {
    const { outcomes } = await runProfile(request({ level: 'disabled', recipes: [presetRecipe('original')] }));
    const { value } = outcomes[0]!;
    expect(value!.graphOptimizationLevel).toBe('disabled');
    expect(value!.profile.nodes.every(({ origin }) => origin === 'file')).toBe(true);
  });

  test('a variant that fails is an error beside the other’s profile', async () => {
    const asked = request();
    const act = () => {
      throw new StudioError('runtime/create-failed', { target: 'CPU', reason: 'injected' });
    };
    asked.host.traps = [{ call: 'open', nth: 3, act }];
    const { outcomes } = await runProfile(asked);
    expect(outcomes.map(({ value, error }) => [value !== null, error?.code])).toEqual([
      [true, undefined],
      [false, 'runtime/create-failed'],
    ]);
    expect(asked.host.places.every(({ disposed }) => disposed)).toBe(true);
  });

  test('cancelling ends every place', async () => {
    const { job, cancel } = cancellableJob();
    const asked = request({ job });
    const running = runProfile({
      ...asked,
      job: {
        ...job,
        onProgress: ({ stage }) => {
          if (stage.includes('running')) cancel();
        },
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'job/cancelled' });
    expect(asked.host.places.length).toBeGreaterThan(0);
    expect(asked.host.places.every(({ disposed }) => disposed)).toBe(true);
  });
});

describe('differences of times', () => {
  const timed = (medianUs: number, spread = 1) => ({
    medianUs,
    samplesUs: Array.from({ length: 12 }, (_, index) => medianUs + ((index % 5) - 2) * spread),
  });

  test('are noise when they are small or the runs overlap', () => {
    expect(compareTimes(timed(100), timed(101))).toBe('within noise');
    expect(compareTimes(timed(100, 40), timed(110, 40))).toBe('within noise');
    expect(compareTimes(timed(80), timed(100))).toBe('faster');
    expect(compareTimes(timed(130), timed(100))).toBe('slower');
    expect(compareTimes(null, timed(100))).toBe('only in the original');
    expect(compareTimes(timed(100), null)).toBe('only in the variant');
  });
});
