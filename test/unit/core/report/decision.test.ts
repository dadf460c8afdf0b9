/** What a room is told, in the cases that are easily told wrongly. */
import { describe, expect, test } from 'vitest';
import {
  adviceWords,
  decisions,
  gateLimit,
  mainTarget,
  memoryWords,
  questions,
} from '../../../../src/core/report/decision.ts';
import { slideConditions } from '../../../../src/core/report/slide-conditions.ts';
import type { Report, VariantResult } from '../../../../src/core/study/results.ts';
import { judgeReport } from '../../../fixtures/ui/judged.ts';
import { fixtureReport, fixtureStudy } from '../../../fixtures/ui/report.ts';

const report = (): Report => judgeReport(fixtureReport(fixtureStudy(['wasm', 'webgpu'])));

/** The second variant changed; the others as they are. */
function changed(change: (variant: VariantResult) => VariantResult): Report {
  const made = report();
  return { ...made, variants: made.variants.map((variant, index) => (index === 1 ? change(variant) : variant)) };
}

const second = (made: Report) => decisions(made, mainTarget(made)!)[1]!;
const failure = { code: 'pass/failed', data: {}, message: 'The step broke.', advice: 'Switch it off.' };

test('four questions, in the order of a room', () => {
  expect(questions.map(({ question }) => question)).toEqual([
    'How much smaller?',
    'How much faster?',
    'What did we lose?',
    'May we ship it?',
  ]);
});

describe('what has no figures', () => {
  test('settings that never ran are not measured yet, which is no failure', () => {
    const { smaller, faster, lost, ship } = second(
      changed((variant) => ({ ...variant, facts: null, error: null, measurements: [] })),
    );
    for (const { headline, detail } of [smaller, faster, lost, ship]) {
      expect(headline).toBe('not measured yet');
      expect(detail).not.toMatch(/could not|fail|error/i);
    }
    expect(ship.verdict).toBe('not-evaluated');
  });

  test('what could not be built says why under every question', () => {
    const decision = second(changed((variant) => ({ ...variant, facts: null, error: failure, measurements: [] })));
    expect(decision.smaller).toEqual({ headline: 'not built', detail: 'The step broke.' });
    for (const { id } of questions) expect(decision[id].detail, id).toBe('The step broke.');
    expect(decision.ship.headline).toBe('Not evaluated');
  });

  test('a task without a metric is not evaluated, and the size still is told', () => {
    const made = changed((variant) => ({
      ...variant,
      measurements: variant.measurements.map((found) => ({ ...found, evaluation: null, verdict: null })),
    }));
    const { smaller, lost, ship } = second(made);
    expect(smaller.headline).toMatch(/smaller|same size|larger/);
    expect(lost.headline).toBe('not evaluated');
    expect(ship.headline).toBe('Not evaluated');
  });
});

describe('memory', () => {
  test('is measured where it was, and says so', () => {
    const { row, original } = second(report());
    expect(memoryWords(row, original)).toMatch(
      /^Memory at its peak, measured: [\d.]+\s?.B → [\d.]+\s?.B \(WASM heap\)\.$/,
    );
    expect(memoryWords(original!, original)).not.toContain('→');
  });

  test('is called predicted where only the graph knows it, and is left out where nobody does', () => {
    const { row, original } = second(report());
    const none = { wasmHeapPeakBytes: null, gpuBufferPeakBytes: null, processPeakBytes: null };
    const predicted = { ...none, weightBytes: 1_000_000, predictedPeakActivationBytes: 500_000 };
    expect(memoryWords({ ...row, ...predicted }, { ...original!, ...predicted, weightBytes: 3_000_000 })).toBe(
      'Memory at its peak, predicted from the graph and not measured: 3.5\u202fMB → 1.5\u202fMB.',
    );
    expect(memoryWords({ ...row, ...predicted, predictedPeakActivationBytes: null }, original)).toBeNull();
  });
});

test('the advice names the smallest that passes, and nothing that does not', () => {
  const made = report();
  const all = decisions(made, mainTarget(made)!);
  const passing = all.filter(({ row, ship }) => row.variantIndex > 0 && ship.verdict === 'pass');
  const least = passing.reduce((best, one) => (one.row.fileBytes! < best.row.fileBytes! ? one : best));
  const failing = all.find(({ ship }) => ship.verdict === 'fail')!;
  expect(adviceWords(failing, all)).toContain(`is ${least.row.variant}:`);
  expect(adviceWords(least, all)).toMatch(/^It is the smallest that passes/);
  const none = all.filter(({ ship }) => ship.verdict !== 'pass');
  expect(adviceWords(failing, none)).toMatch(/^No variant passes the gate/);
});

test('the gate closes on the worse side of the original, whichever way the metric goes', () => {
  const made = report();
  const rows = decisions(made, mainTarget(made)!).map(({ row }) => row);
  const [metric] = made.task.metrics;
  const value = rows[0]!.metrics.find(({ id }) => id === metric!.id)!.value;
  for (const direction of ['higher-is-better', 'lower-is-better'] as const) {
    const turned: Report = {
      ...made,
      gate: { mode: 'absolute', maxWorse: 0.25, confidence: 0.95 },
      task: { ...made.task, metrics: [{ ...metric!, direction }] },
    };
    expect(gateLimit(turned, rows)).toBeCloseTo(direction === 'higher-is-better' ? value - 0.25 : value + 0.25, 12);
  }
});

test('conditions: device, target, runtime, runs, task with its samples, date; nothing unknown', () => {
  const made = report();
  const parts = slideConditions(
    {
      ...made,
      environment: {
        ...made.environment,
        host: 'browser',
        userAgent:
          'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
        logicalCores: 8,
        webgpuAdapter: 'some gpu',
      },
    },
    second(made).row,
  );
  expect(parts[0]).toBe('Measured on Chrome 141 on Linux, 8 logical cores');
  expect(parts.join(' · ')).toMatch(
    /WASM.* · onnxruntime-web [\d.]+ · \d+ timed runs · .*, \d+ samples · \d+ \w+ 20\d\d$/,
  );
  const bare = slideConditions(
    { ...made, variants: made.variants.map((variant) => ({ ...variant, measurements: [] })) },
    { ...second(made).row, runs: 0, targetName: '' },
  );
  expect(bare.join(' ')).not.toMatch(/undefined|null|timed|NaN|Invalid/);
});
