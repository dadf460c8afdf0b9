// A link with the sender's figures: what is in them, how long it gets, and that strangers cannot do harm with it.
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toBase64Url } from '../../../../src/core/base/base64url.ts';
import { canonicalRecipe } from '../../../../src/core/recipe/parse.ts';
import { presets } from '../../../../src/core/recipe/presets.ts';
import { describeDevice } from '../../../../src/core/study/device.ts';
import { figuresOfReport } from '../../../../src/core/study/figures.ts';
import { decodeLink, decodeStudy, encodeStudy } from '../../../../src/core/study/link.ts';
import { packFigures } from '../../../../src/core/study/pack-figures.ts';
import { MAX_VARIANTS, type Study, studySchema } from '../../../../src/core/study/schema.ts';
import {
  type SharedFigures,
  sharedFiguresSchema,
  sharedMeasurementSchema,
} from '../../../../src/core/study/shared-figures.ts';
import { fixtureReport, fixtureStudy } from '../../../fixtures/ui/report.ts';

const canonical = (recipe: (typeof presets)[number]['recipe']) => {
  const result = canonicalRecipe(recipe);
  if (!result.ok) throw result.error;
  return result.value;
};

/** Eight of the ready recipes, from the first, the last, and those between them. */
const studies = [0, presets.length - MAX_VARIANTS, Math.floor((presets.length - MAX_VARIANTS) / 2)].map((from) =>
  studySchema.parse({
    model: { kind: 'sample', id: 'ocr-rec' },
    variants: presets.slice(from, from + MAX_VARIANTS).map(({ recipe }) => canonical(recipe)),
    targets: [{ provider: 'wasm', threads: 0 }, { provider: 'webgpu' }],
    task: { kind: 'sample-task', id: 'ocr-recognition', limit: 64 },
    gate: { mode: 'absolute', maxWorse: 0.01 },
  }),
);

const significant = (digits: number, low: number, high: number) =>
  fc.double({ min: low, max: high, noNaN: true }).map((value) => Number(value.toPrecision(digits)));
const bytes = significant(4, 300, 4e9).map((value) => Math.round(value));
const measurement: fc.Arbitrary<
  SharedFigures['variants'][number] extends infer V ? (V extends { measurements: (infer M)[] } ? M : never) : never
> = fc.option(
  fc.record({
    threads: fc.integer({ min: 0, max: 64 }),
    latency: fc.option(
      fc.record({
        medianMs: significant(3, 0.01, 1e5),
        p5Ms: significant(3, 0.01, 1e5),
        p95Ms: significant(3, 0.01, 1e5),
        runs: fc.integer({ min: 1, max: 1000 }),
      }),
    ),
    heapPeakBytes: fc.option(bytes),
    gpuBufferPeakBytes: fc.option(bytes),
    metric: fc.option(
      fc.record({
        value: significant(4, -200, 200),
        interval: fc.option(fc.tuple(significant(4, -200, 200), significant(4, -200, 200))),
        n: fc.integer({ min: 1, max: 10_000 }),
      }),
    ),
    verdict: fc.option(fc.constantFrom('pass', 'fail', 'inconclusive', 'baseline', 'not-evaluated')),
  }),
);
/** Figures as a run of eight variants on two targets gives them: unlike numbers with as many digits as are carried. */
function figures(targets = 2, variants = MAX_VARIANTS): fc.Arbitrary<SharedFigures> {
  return fc.record({
    device: fc.stringMatching(/^[\w()ü,.]{1,80}$/),
    runtime: fc.constant('onnxruntime-web 1.30.0'),
    measuredOn: fc.constant('2026-11-27'),
    metric: fc.option(
      fc.record({
        id: fc.constant('cer'),
        title: fc.constant('Character error rate'),
        short: fc.constant('CER'),
        direction: fc.constantFrom('higher-is-better', 'lower-is-better'),
        format: fc.constantFrom('percent', 'decimal', 'decibel'),
        decimals: fc.integer({ min: 0, max: 4 }),
      }),
    ),
    variants: fc.array(
      fc.option(
        fc.record({
          fileBytes: bytes,
          measurements: fc.array(measurement, { minLength: targets, maxLength: targets }),
        }),
      ),
      { minLength: variants, maxLength: variants },
    ),
  });
}

const pack = (json: unknown) =>
  `w1.${toBase64Url(deflateRawSync(typeof json === 'string' ? json : JSON.stringify(json)))}`;
const [study] = studies as [Study];
const base = { version: 1, model: { kind: 'sample', id: 'a' }, task: { kind: 'random' }, variants: [{ n: 'x' }] };
const good = {
  d: 'Chrome 156 on Linux',
  e: 'onnxruntime-web 1.30.0',
  o: '2026-11-27',
  b: [10_820],
  c: { t: 2, l: 41.2, p: 40, q: 44.1, r: 20 },
};
const decoded = (f: unknown) => {
  const link = decodeLink(pack({ ...base, f }));
  if (!link.ok) throw link.error;
  return link.value;
};

test('figures survive the link, whatever they are', () => {
  fc.assert(
    fc.property(figures(), (given) => {
      const link = decodeLink(encodeStudy(study, given));
      expect(link.ok && link.value).toEqual({ study, figures: given, figuresError: null });
    }),
  );
});

test('encoding is deterministic and a fixed point', () => {
  fc.assert(
    fc.property(figures(), (given) => {
      const link = encodeStudy(study, given);
      const again = decodeLink(link);
      expect(again.ok && encodeStudy(again.value.study, again.value.figures)).toBe(link);
    }),
    { numRuns: 30 },
  );
});

test('eight ordinary variants with the figures of two targets fit into 2,000 characters', () => {
  const environment = {
    host: 'browser' as const,
    userAgent:
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0',
    logicalCores: 16,
    crossOriginIsolated: true,
    webgpuAdapter: 'nvidia ampere NVIDIA GeForce RTX 3060 Laptop GPU',
    whittleVersion: '0.1.0',
  };
  // Every figure there, none like another: no column becomes one number but those that are alike in any run.
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const digits = (value: number, count: number) => Number(value.toPrecision(count));
  const measured: SharedFigures = {
    device: describeDevice(environment),
    runtime: 'onnxruntime-web 1.30.0',
    measuredOn: '2026-11-27',
    metric: {
      id: 'character-error-rate',
      title: 'Character error rate',
      short: 'CER',
      direction: 'lower-is-better',
      format: 'percent',
      decimals: 2,
    },
    variants: Array.from({ length: MAX_VARIANTS }, () => ({
      fileBytes: Math.round(digits(2e6 + 9e6 * random(), 4)),
      measurements: [0, 1].map((target) => {
        const median = 30 + 60 * random();
        const value = 0.02 * random();
        return {
          threads: target === 0 ? 8 : 1,
          latency: {
            medianMs: digits(median, 3),
            p5Ms: digits(median * (0.9 + 0.1 * random()), 3),
            p95Ms: digits(median * (1 + 0.2 * random()), 3),
            runs: 20,
          },
          heapPeakBytes: target === 0 ? Math.round(digits(3e7 + 4e7 * random(), 4)) : null,
          gpuBufferPeakBytes: target === 1 ? Math.round(digits(3e7 + 4e7 * random(), 4)) : null,
          metric: {
            value: digits(value, 4),
            interval: [digits(value * random(), 4), digits(value * (1 + random()), 4)] as [number, number],
            n: 64,
          },
          verdict: (['pass', 'fail', 'inconclusive'] as const)[Math.floor(random() * 3)]!,
        };
      }),
    })),
  };
  const lengths = studies.map((each) => ({
    without: encodeStudy(each).length,
    with: encodeStudy(each, measured).length,
  }));
  console.log('characters of a fragment with eight variants:', JSON.stringify(lengths));
  // With the address of a page before it.
  for (const length of lengths) expect(length.with + 'https://example.org/tools/whittle/#'.length).toBeLessThan(2000);
  for (const length of lengths) expect(length.with).toBeGreaterThan(length.without);
});

describe('from a report', () => {
  const measuredStudy = fixtureStudy(['wasm', 'webgpu']);
  const report = fixtureReport(measuredStudy);

  test('names the device, the runtime and the day, and rounds to what a screen shows', () => {
    const made = figuresOfReport(report, measuredStudy.targets)!;
    expect(sharedFiguresSchema.parse(made)).toEqual(made);
    expect(made).toMatchObject({
      device: describeDevice(report.environment),
      runtime: 'onnxruntime-web 1.30.0',
      measuredOn: '2026-11-23',
    });
    expect(made.variants).toHaveLength(report.variants.length);
    for (const [index, variant] of report.variants.entries()) {
      const summary = made.variants[index]!;
      expect(Math.abs(summary.fileBytes / variant.facts!.fileBytes - 1)).toBeLessThan(0.0005);
      for (const [at, target] of measuredStudy.targets.entries()) {
        const exact = variant.measurements.find((found) => found.target.provider === target.provider)!;
        const rounded = summary.measurements[at];
        if (!exact.latency) expect(rounded?.latency ?? null).toBeNull();
        else {
          expect(Math.abs(rounded!.latency!.medianMs / exact.latency.medianMs - 1)).toBeLessThan(0.005);
          expect(rounded!.latency!.runs).toBe(exact.latency.runs);
        }
        const [metric] = exact.evaluation?.metrics ?? [];
        if (metric)
          expect(Math.abs(rounded!.metric!.value - metric.value)).toBeLessThanOrEqual(0.0005 * Math.abs(metric.value));
        if (rounded) expect(rounded.verdict).toBe(exact.verdict?.verdict ?? null);
      }
    }
  });
  test('nothing measured: no figures', () => {
    const bare = { ...report, variants: report.variants.map((variant) => ({ ...variant, measurements: [] })) };
    expect(figuresOfReport(bare, measuredStudy.targets)).toBeNull();
  });
  test('a variant that was not measured with these settings has none', () => {
    const [first, second, ...others] = report.variants;
    const part = { ...report, variants: [first!, { ...second!, facts: null, measurements: [] }, ...others] };
    const made = figuresOfReport(part, measuredStudy.targets)!;
    expect(made.variants[1]).toBeNull();
    expect(made.variants[0]).not.toBeNull();
  });
});

describe('what is wrong in the figures leaves the study whole', () => {
  test('as it should be', () => {
    expect(decoded(good).figures).toEqual({
      device: 'Chrome 156 on Linux',
      runtime: 'onnxruntime-web 1.30.0',
      measuredOn: '2026-11-27',
      metric: null,
      variants: [
        {
          fileBytes: 10_820_000,
          measurements: [
            {
              threads: 2,
              latency: { medianMs: 41.2, p5Ms: 40, p95Ms: 44.1, runs: 20 },
              heapPeakBytes: null,
              gpuBufferPeakBytes: null,
              metric: null,
              verdict: null,
            },
          ],
        },
      ],
    });
  });
  test.each([
    ['no object', 7],
    ['null', null],
    ['a huge text', { ...good, d: 'x'.repeat(5000) }],
    ['a blank text', { ...good, d: ' \u200b\u202e ' }],
    ['a text that is a number', { ...good, e: 12 }],
    ['no date', { ...good, o: 'yesterday' }],
    ['a date that is none', { ...good, o: '2026-13-41' }],
    ['a size that is a text', { ...good, b: ['10820'] }],
    ['a negative size', { ...good, b: [-1] }],
    ['a size beyond all sizes', { ...good, b: [1e300] }],
    ['half a latency', { ...good, c: { t: 2, l: 41.2 } }],
    ['runs that are no count', { ...good, c: { ...good.c, r: 2.5 } }],
    ['a verdict that there is not', { ...good, c: { ...good.c, v: 17 } }],
    ['a verdict by a name of every object', { ...good, c: { ...good.c, v: 'length' } }],
    ['a metric without its form', { ...good, k: ['a', 'b'] }],
    ['a metric of too many decimals', { ...good, k: ['a', 'b', 'c', 0, 0, 101] }],
    ['a metric by a name of every object', { ...good, k: ['a', 'b', 'c', '__proto__', 'length', 1] }],
    ['values in values', { ...good, c: { ...good.c, m: [[1]], n: 3 } }],
  ])('%s', (_name, f) => {
    const { study: whole, figures: shown, figuresError } = decoded(f);
    expect(whole.variants.map(({ name }) => name)).toEqual(['x']);
    expect(shown).toBeNull();
    expect(figuresError?.code).toBe('link/bad-figures');
    expect(figuresError!.message.length).toBeLessThan(400);
  });
  test('figures of a later version are refused by name', () => {
    const { study: whole, figures: shown, figuresError } = decoded({ ...good, version: 2 });
    expect(whole.variants).toHaveLength(1);
    expect(shown).toBeNull();
    expect(figuresError?.code).toBe('recipe/from-the-future');
    expect(figuresError?.message).toBe(
      'The summary of figures has format version 2; this version of Whittle reads up to 1.',
    );
  });
  test('more columns and more values than there is use for are passed over', () => {
    const many = Array.from({ length: 3000 }, (_, index) => index);
    const { figures: shown } = decoded({ ...good, b: many, c: { ...good.c, r: many, zz: many } });
    expect(shown!.variants).toHaveLength(1);
    expect(shown!.variants[0]!.measurements).toHaveLength(1);
  });
  test('text cannot turn round or hide what stands after it', () => {
    expect(decoded({ ...good, d: 'My\u202e laptop\u0000\n\u200bx' }).figures!.device).toBe('My laptop x');
  });
  test('keys of prototypes', () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const text = JSON.stringify({
        ...base,
        f: { ...good, c: { ...good.c, KEY: { polluted: 1 } }, KEY: { polluted: 1 } },
      });
      const link = decodeLink(pack(text.replaceAll('KEY', key)));
      expect(link.ok && link.value.figures?.variants).toHaveLength(1);
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
      expect(JSON.stringify(link)).not.toContain('polluted');
    }
    // As members inherited from every object they must not count as columns.
    expect(decoded(JSON.parse(`{"__proto__": ${JSON.stringify(good)}}`)).figuresError?.code).toBe('link/bad-figures');
  });
  test('any JSON at all in their place', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const { study: whole, figures: shown, figuresError } = decoded(JSON.parse(text));
        expect(whole.variants).toHaveLength(1);
        expect(shown === null).toBe(figuresError !== null);
      }),
    );
  });
  test('any value in place of any value', () => {
    const packed = packFigures(fc.sample(figures(1, 1), { numRuns: 1, seed: 4 })[0]!, 1) as Record<string, unknown>;
    const whole = { ...packed, ...good };
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(whole)), fc.jsonValue(), (key, value) => {
        const { figures: shown, figuresError } = decoded({ ...whole, [key]: value });
        expect(shown === null).toBe(figuresError !== null);
        // Whatever is let through is of the form that is shown.
        if (shown) expect(sharedFiguresSchema.parse(shown)).toEqual(shown);
      }),
    );
    const columns = Object.keys(good.c);
    fc.assert(
      fc.property(fc.constantFrom(...columns), fc.jsonValue(), (key, value) => {
        const { figures: shown } = decoded({ ...good, c: { ...good.c, [key]: value } });
        for (const each of shown?.variants[0]?.measurements ?? [])
          if (each) expect(sharedMeasurementSchema.parse(each)).toEqual(each);
      }),
    );
  });
});

test('a reader that knows no figures reads the same study', () => {
  const [given] = fc.sample(figures(), { numRuns: 1, seed: 1 });
  const link = encodeStudy(study, given);
  const plain = decodeStudy(link);
  expect(plain.ok && plain.value).toEqual(study);
});
