/**
 * Shared figures as a member of a link's JSON. By column, not by variant: a column whose values are all the same (20
 * runs, 64 samples, 2 threads) is one number, and like digits stand together for the compressor.
 *
 * It has a version of its own, so that a study opens even where its figures are of a later build.
 */
import { StudioError } from '../base/errors/index.ts';
import { err, ok, type Result } from '../base/result.ts';
import { verdictNames } from './metric-definition.ts';
import { type SharedFigures, type SharedMeasurement, sharedFiguresSchema } from './shared-figures.ts';

export const FIGURES_VERSION = 1;

const DIRECTIONS = ['higher-is-better', 'lower-is-better'] as const;
const FORMATS = ['percent', 'decimal', 'decibel'] as const;

type Value = number | null;
/** One value for all, or one each. */
type Column = Value | Value[];

/** One column a figure; null where a measurement has none. Bytes in thousands, so that no zeros are written. */
const FIELDS: Readonly<Record<string, (measurement: SharedMeasurement) => Value>> = {
  t: ({ threads }) => threads,
  l: ({ latency }) => latency?.medianMs ?? null,
  p: ({ latency }) => latency?.p5Ms ?? null,
  q: ({ latency }) => latency?.p95Ms ?? null,
  r: ({ latency }) => latency?.runs ?? null,
  h: ({ heapPeakBytes }) => thousands(heapPeakBytes),
  g: ({ gpuBufferPeakBytes }) => thousands(gpuBufferPeakBytes),
  m: ({ metric }) => metric?.value ?? null,
  i: ({ metric }) => metric?.interval?.[0] ?? null,
  j: ({ metric }) => metric?.interval?.[1] ?? null,
  n: ({ metric }) => metric?.n ?? null,
  v: ({ verdict }) => (verdict === null ? null : verdictNames.indexOf(verdict)),
};

/** @param targets how many the study has */
export function packFigures(figures: SharedFigures, targets: number): unknown {
  const { device, runtime, measuredOn, metric, variants } = figures;
  const measurements = variants.flatMap((variant) =>
    Array.from({ length: targets }, (_, index) => variant?.measurements[index] ?? null),
  );
  const columns = Object.entries(FIELDS).map(([key, read]) => [
    key,
    collapse(measurements.map((measurement) => measurement && read(measurement))),
  ]);
  return {
    ...(FIGURES_VERSION > 1 ? { version: FIGURES_VERSION } : {}),
    d: device,
    e: runtime,
    o: measuredOn,
    ...(metric && {
      k: [
        metric.id,
        metric.short,
        metric.title,
        DIRECTIONS.indexOf(metric.direction),
        FORMATS.indexOf(metric.format),
        metric.decimals,
      ],
    }),
    b: variants.map((variant) => thousands(variant?.fileBytes ?? null)),
    c: Object.fromEntries(columns.filter(([, column]) => column !== null)),
  };
}

/**
 * @param value unchecked
 * @param variants how many the study has
 * @param targets how many the study has
 */
export function unpackFigures(value: unknown, variants: number, targets: number): Result<SharedFigures> {
  const packed = asRecord(value);
  const { version = 1 } = packed;
  if (typeof version === 'number' && version > FIGURES_VERSION)
    return err(
      new StudioError('recipe/from-the-future', {
        what: 'summary of figures',
        seen: version,
        supported: FIGURES_VERSION,
      }),
    );
  const columns = asRecord(packed.c);
  const sizes = packed.b as Column;
  const parsed = sharedFiguresSchema.safeParse({
    device: packed.d,
    runtime: packed.e,
    measuredOn: packed.o,
    metric: packed.k === undefined ? null : unpackMetric(packed.k),
    variants: Array.from({ length: variants }, (_, variant) => {
      const fileBytes = fromThousands(at(sizes, variant));
      if (fileBytes === null) return null;
      return {
        fileBytes,
        measurements: Array.from({ length: targets }, (_unused, target) =>
          unpackMeasurement((key) => at(columns[key], variant * targets + target)),
        ),
      };
    }),
  });
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  return err(
    new StudioError('link/bad-figures', { path: issue?.path.join('.') ?? '', reason: issue?.message ?? 'wrong form' }),
  );
}

function unpackMetric(value: unknown): unknown {
  const [id, short, title, direction, format, decimals] = Array.isArray(value) ? value : [];
  return { id, short, title, direction: DIRECTIONS[direction], format: FORMATS[format], decimals };
}

/** Whatever is not null is passed on for the schema to judge. */
function unpackMeasurement(read: (key: string) => unknown): unknown {
  const value = Object.fromEntries(Object.keys(FIELDS).map((key) => [key, read(key)]));
  if (value.t === null) return null;
  return {
    threads: value.t,
    latency: value.l === null ? null : { medianMs: value.l, p5Ms: value.p, p95Ms: value.q, runs: value.r },
    heapPeakBytes: fromThousands(value.h),
    gpuBufferPeakBytes: fromThousands(value.g),
    metric:
      value.m === null ? null : { value: value.m, interval: value.i === null ? null : [value.i, value.j], n: value.n },
    verdict: value.v === null ? null : verdictNames[value.v as number],
  };
}

function collapse(values: readonly Value[]): Column {
  const [first = null] = values;
  return values.every((value) => value === first) ? first : [...values];
}

function at(column: unknown, index: number): unknown {
  const value = Array.isArray(column) ? column[index] : column;
  return value === undefined ? null : value;
}

function thousands(bytes: number | null): Value {
  return bytes === null ? null : Number((bytes / 1000).toPrecision(12));
}

/** Anything that is no number stays as it is, for the schema to refuse. */
function fromThousands(value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) : value;
}

function asRecord(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
}
