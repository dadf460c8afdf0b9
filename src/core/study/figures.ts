/**
 * A summary of what somebody measured, as a link carries it: the receiver sees it beside own figures, never among them.
 * Rounded to what a screen shows. It comes from strangers: every text and every count has a cap.
 */
import { z } from 'zod';
import { describeDevice } from './device.ts';
import { metricDefinitionSchema, type Report, type TargetMeasurement, verdictSchema } from './results.ts';
import { sameTarget } from './run.ts';
import { MAX_TARGETS, MAX_VARIANTS, type Target } from './schema.ts';

/** Control and format characters go: they could hide text, or turn round what stands after it. */
const text = (longest: number) =>
  z
    .string()
    .max(longest)
    .transform((value) => value.replace(/[\p{C}\p{Z}]+/gu, ' ').trim())
    .pipe(z.string().min(1));
const DEVICE_CHARACTERS = 160;
const RUNTIME_CHARACTERS = 60;

const bytes = z.number().min(0).max(1e15);
const ms = z.number().min(0).max(1e9);
const count = z.number().int().min(0).max(1e9);

export const verdictNames = verdictSchema.shape.verdict.options;

export const sharedMeasurementSchema = z.object({
  /** Threads that really ran. */
  threads: z.number().int().min(0).max(1024),
  latency: z.object({ medianMs: ms, p5Ms: ms, p95Ms: ms, runs: count }).nullable(),
  /** Of the WASM heap, or of the process for native runtimes. */
  heapPeakBytes: bytes.nullable(),
  gpuBufferPeakBytes: bytes.nullable(),
  /** The task's first metric. */
  metric: z.object({ value: z.number(), interval: z.tuple([z.number(), z.number()]).nullable(), n: count }).nullable(),
  /** By the gate in the link. */
  verdict: z.enum(verdictNames).nullable(),
});
export type SharedMeasurement = z.output<typeof sharedMeasurementSchema>;

export const sharedMetricSchema = metricDefinitionSchema.extend({
  id: text(64),
  title: text(80),
  short: text(40),
  decimals: z.number().int().min(0).max(8),
});
export type SharedMetric = z.output<typeof sharedMetricSchema>;

export const sharedFiguresSchema = z.object({
  device: text(DEVICE_CHARACTERS),
  runtime: text(RUNTIME_CHARACTERS),
  /** The day of the last measurement, by UTC. */
  measuredOn: z.iso.date(),
  metric: sharedMetricSchema.nullable(),
  /** In the order of the study's variants; null where there were no figures of just these settings. */
  variants: z
    .array(
      z
        .object({
          fileBytes: bytes,
          /** In the order of the study's targets. */
          measurements: z.array(sharedMeasurementSchema.nullable()).max(MAX_TARGETS),
        })
        .nullable(),
    )
    .max(MAX_VARIANTS),
});
export type SharedFigures = z.output<typeof sharedFiguresSchema>;

/**
 * @param report its variants are those of the study, in order
 * @param targets the study's
 * @returns null when nothing was measured
 */
export function figuresOfReport(report: Report, targets: readonly Target[]): SharedFigures | null {
  const definition = report.task.metrics[0];
  const metric = definition && sharedMetricSchema.safeParse(definition);
  const variants = report.variants.map(({ facts, measurements }) =>
    facts
      ? {
          fileBytes: toDigits(facts.fileBytes, BYTE_DIGITS),
          measurements: targets.map((target) =>
            summary(
              measurements.find((found) => sameTarget(found.target, target)),
              definition?.id,
            ),
          ),
        }
      : null,
  );
  const used = report.variants.flatMap(({ facts, measurements }) => (facts ? measurements.filter(hasFigures) : []));
  const last = used.toSorted((a, b) => (a.measuredAt < b.measuredAt ? -1 : 1)).at(-1);
  if (!last) return null;
  return {
    device: shortened(describeDevice(report.environment), DEVICE_CHARACTERS),
    runtime: shortened(`${last.engine.name} ${last.engine.version}`, RUNTIME_CHARACTERS),
    measuredOn: last.measuredAt.slice(0, 10),
    metric: metric?.success ? metric.data : null,
    variants,
  };
}

const hasFigures = ({ latency, evaluation }: TargetMeasurement) => latency !== null || evaluation !== null;

function summary(measurement: TargetMeasurement | undefined, metricId: string | undefined): SharedMeasurement | null {
  if (!measurement || !hasFigures(measurement)) return null;
  const { threads, latency, memory, evaluation, verdict } = measurement;
  const metric = evaluation?.metrics.find((found) => found.metric === metricId);
  return {
    threads,
    latency: latency && {
      medianMs: toDigits(latency.medianMs, MS_DIGITS),
      p5Ms: toDigits(latency.p5Ms, MS_DIGITS),
      p95Ms: toDigits(latency.p95Ms, MS_DIGITS),
      runs: latency.runs,
    },
    heapPeakBytes: roundedBytes(memory?.wasmHeapPeakBytes ?? memory?.processPeakBytes),
    gpuBufferPeakBytes: roundedBytes(memory?.gpuBufferPeakBytes),
    metric:
      metric && Number.isFinite(metric.value)
        ? {
            value: toDigits(metric.value, METRIC_DIGITS),
            interval: metric.interval?.every(Number.isFinite)
              ? [toDigits(metric.interval[0], METRIC_DIGITS), toDigits(metric.interval[1], METRIC_DIGITS)]
              : null,
            n: metric.n,
          }
        : null,
    verdict: verdict?.verdict ?? null,
  };
}

/** What the formatters of the report show at most: 999.9 MB, 41.2 ms, 99.34 %. */
const BYTE_DIGITS = 4;
const MS_DIGITS = 3;
const METRIC_DIGITS = 4;

/** To so many significant digits. */
function toDigits(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}

function roundedBytes(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : toDigits(value, BYTE_DIGITS);
}

function shortened(value: string, longest: number): string {
  return value.length > longest ? `${value.slice(0, longest - 1)}…` : value;
}
