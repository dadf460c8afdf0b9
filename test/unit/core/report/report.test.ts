import { describe, expect, test } from 'vitest';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import { overallVerdict, reportRows } from '../../../../src/core/report/rows.ts';
import { reportText } from '../../../../src/core/report/text.ts';
import { summarizeLatency } from '../../../../src/core/study/latency.ts';
import {
  type Report,
  reportSchema,
  type TargetMeasurement,
  type VariantResult,
  type Verdict,
} from '../../../../src/core/study/results.ts';

const wasm = { provider: 'wasm', threads: 0 } as const;
const webgpu = { provider: 'webgpu', threads: 0 } as const;
const noMemory = { wasmHeapPeakBytes: null, gpuBufferPeakBytes: null, processPeakBytes: null };

const verdict = (kind: Verdict['verdict'], reason = `It is ${kind}.`): Verdict => ({
  verdict: kind,
  reason,
  worse: null,
  worseInterval: null,
});

function measured(change: Partial<TargetMeasurement> = {}, ms = 10): TargetMeasurement {
  return {
    target: wasm,
    engine: { name: 'onnxruntime-web', version: '1.30.0' },
    threads: 2,
    measuredAt: '2026-01-01T00:00:00.000Z',
    createMs: 5,
    firstRunMs: 6,
    latency: summarizeLatency(
      Array.from({ length: 20 }, (_, i) => ms * (1 + (i % 5) / 100)),
      true,
      'noon',
    ),
    memory: { ...noMemory, wasmHeapPeakBytes: 33_554_432 },
    placement: null,
    optimizers: null,
    parity: null,
    evaluation: { metrics: [{ metric: 'cer', value: 0.0125, interval: [0.01, 0.015], n: 64 }], n: 64 },
    verdict: verdict('pass'),
    error: null,
    ...change,
  };
}

const failure = {
  code: 'runtime/missing-kernel',
  data: {},
  message: 'There is no kernel for Foo on WASM.',
  advice: 'Choose another target.',
};

function variant(
  name: string,
  fileBytes: number,
  measurements: TargetMeasurement[],
  change: Partial<VariantResult> = {},
) {
  const result: VariantResult = {
    recipe: recipeSchema.parse({ name }),
    facts: {
      key: name,
      fileBytes,
      weightBytes: fileBytes - 1000,
      weightBytesByDtype: {},
      nodes: 10,
      parameters: 1234567,
      predictedPeakActivationBytes: 500_000,
      predictedMacs: null,
      ledger: [],
      advisories: [],
      buildMs: 1,
    },
    error: null,
    measurements,
    ...change,
  };
  return result;
}

const reportOf = (variants: VariantResult[]): Report => ({
  format: 'whittle-report',
  version: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  environment: {
    host: 'browser',
    userAgent: 'test',
    logicalCores: 2,
    crossOriginIsolated: true,
    webgpuAdapter: null,
    whittleVersion: 'test',
  },
  model: {
    ref: { kind: 'sample', id: 'ocr-rec' },
    name: 'OCR',
    sha256: null,
    fileBytes: 10_800_000,
    parameters: 2_700_000,
    nodes: 353,
  },
  task: {
    ref: { kind: 'sample-task', id: 'ocr-recognition' },
    title: 'OCR lines',
    metrics: [
      {
        id: 'cer',
        title: 'Character error rate',
        short: 'CER',
        direction: 'lower-is-better',
        format: 'percent',
        decimals: 2,
      },
    ],
    samples: 64,
  },
  gate: { mode: 'absolute', maxWorse: 0.02, confidence: 0.95 },
  variants,
});

const original = (change: Partial<TargetMeasurement> = {}) =>
  variant('Original', 10_800_000, [measured({ verdict: verdict('baseline'), ...change })]);

describe('overallVerdict', () => {
  const of = (...kinds: Verdict['verdict'][][]) =>
    overallVerdict(
      reportOf([
        original(),
        ...kinds.map((own, i) =>
          variant(
            `v${i}`,
            1,
            own.map((kind) => measured({ verdict: verdict(kind) })),
          ),
        ),
      ]),
    );
  test('one failure fails all; what was not evaluated never passes; nothing to judge is no pass', () => {
    expect(of(['pass'], ['pass', 'pass'])).toBe('pass');
    expect(of(['pass'], ['inconclusive'])).toBe('inconclusive');
    expect(of(['inconclusive'], ['not-evaluated'])).toBe('not-evaluated');
    expect(of(['not-evaluated'], ['pass', 'fail'], ['inconclusive'])).toBe('fail');
    expect(of()).toBe('not-evaluated');
    expect(of(['pass'], [])).toBe('not-evaluated');
    expect(overallVerdict(reportOf([original(), variant('broken', 1, [], { facts: null, error: failure })]))).toBe(
      'not-evaluated',
    );
    expect(overallVerdict(reportOf([original(), variant('unjudged', 1, [measured({ verdict: null })])]))).toBe(
      'not-evaluated',
    );
  });
});

const placement = {
  providers: [
    { provider: 'WebGpuExecutionProvider', nodes: 300, opTypes: { Conv: 300 } },
    { provider: 'CPUExecutionProvider', nodes: 53, opTypes: { Gather: 40, Shape: 8, MemcpyToHost: 5 } },
  ],
  copies: 5,
  missingKernels: [],
};

test('notes: fallback, parity, optimizers that are none, other turns, warnings', () => {
  const report = reportOf([
    variant('Original', 10_800_000, [measured({ target: webgpu, verdict: verdict('baseline') })]),
    variant(
      'B',
      3_000_000,
      [
        measured({
          target: webgpu,
          placement,
          optimizers: { fired: [], known: [], unknownDisabled: ['GeluFusion'] },
          parity: {
            reference: 'WASM',
            samples: 1,
            maxAbsError: 0.0123,
            maxRelativeToPeak: 0.004,
            cosine: 1,
            verdict: 'drift',
          },
          latency: summarizeLatency([7, 7, 7], false, 'one'),
        }),
      ],
      {},
    ),
  ]);
  const [first, second] = reportRows(report);
  expect(first!.notes).toEqual([]);
  expect(second!.notes).toEqual([
    'Slightly other numbers than WASM from the same file: largest error 0.012, 0.40 % of the largest output.',
    '48 of 348 nodes ran on the CPU (Gather x 40, Shape x 8), with 5 copies between devices.',
    'Switched off without effect, since the runtime has no optimizer of this name: GeluFusion.',
    'Timed apart from the original, not in turns with it: differences below 10 % are called noise.',
  ]);
});

test('notes: an original that does not repeat itself, in a study that compares with its outputs', () => {
  const agreeing = (value: number, change: Partial<TargetMeasurement> = {}) =>
    measured({ evaluation: { metrics: [{ metric: 'cosine', value, n: 16 }], n: 16 }, ...change });
  const notes = (own: number, ref: Report['task']['ref'], change?: Partial<TargetMeasurement>) => {
    const report = reportOf([
      variant('Original', 1, [agreeing(own, change)]),
      variant('B', 1, [agreeing(0.69, change)]),
    ]);
    return reportRows({ ...report, task: { ...report.task, ref } }).map((row) => row.notes);
  };
  const random = { kind: 'random', seed: 1, samples: 16, inputs: [] } as const;
  const said = [[expect.stringMatching(/^The original does not repeat itself: .* to 0\.694 only/)]];
  expect(notes(0.6935, { ...random, inputs: [] })).toEqual([...said, ...said]);
  expect(notes(1, { ...random, inputs: [] })).toEqual([[], []]);
  // Elsewhere the original may be wrong, and on WebGPU it is compared with WASM.
  expect(notes(0.6935, { kind: 'sample-task', id: 'x' })).toEqual([[], []]);
  expect(notes(0.6935, { ...random, inputs: [] }, { target: webgpu })).toEqual([[], []]);
});

test('advisories of another provider are not repeated here', () => {
  const advised = variant('B', 1, [measured()]);
  const report = reportOf([
    original(),
    {
      ...advised,
      facts: {
        ...advised.facts!,
        advisories: [
          { level: 'warning', code: 'a', message: 'On WebGPU only.', providers: ['webgpu'] },
          { level: 'warning', code: 'b', message: 'Everywhere.' },
          { level: 'info', code: 'c', message: 'By the way.' },
        ],
      },
    },
  ]);
  expect(reportRows(report)[1]!.notes).toEqual(['Everywhere.']);
});

test('the text, word for word', () => {
  const report = reportOf([
    original(),
    variant('INT8', 2_900_000, [measured({ memory: noMemory, verdict: verdict('fail', 'CER is 99 % worse.') }, 6)]),
    variant('FP16', 5_400_000, [
      measured({
        error: failure,
        latency: null,
        memory: null,
        evaluation: null,
        threads: 0,
        verdict: verdict('not-evaluated'),
      }),
    ]),
    variant('Broken', 0, [], { facts: null, error: { ...failure, message: 'It could not be built.' } }),
  ]);
  expect(reportSchema.safeParse(report).success).toBe(true);
  expect(reportText(report)).toMatchInlineSnapshot(`
    "OCR: 10.8 MB, 2,700,000 parameters
    Task: OCR lines. Gate: at most 0.02 (CER) worse, at 95 % confidence.

    WASM, 2 threads
      variant      file          median     p5-p95               memory                  CER        verdict
      Original  10.8 MB         10.2 ms  10.0-10.4         33.6 MB heap  1.25 % [1.00, 1.50]       original
      INT8      2.90 MB  -73 %  6.12 ms  6.00-6.24  -40 %      ~3.40 MB  1.25 % [1.00, 1.50]           FAIL
      FP16      5.40 MB  -50 %        -                        ~5.90 MB                    -  NOT EVALUATED
      Broken          -               -                               -                    -  NOT EVALUATED
      INT8: CER is 99 % worse.
      FP16: There is no kernel for Foo on WASM.
      Broken: It could not be built.

    ~ predicted: weights and the peak of activations. Other memory is measured.

    Gate: FAILED"
  `);
});
