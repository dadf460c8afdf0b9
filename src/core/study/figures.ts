/** The summary of a report that a link carries (shared-figures.ts), rounded to what a screen shows. */
import { describeDevice } from './device.ts';
import type { Report, TargetMeasurement } from './results.ts';
import { sameTarget } from './run.ts';
import type { Target } from './schema.ts';
import {
  DEVICE_CHARACTERS,
  RUNTIME_CHARACTERS,
  type SharedFigures,
  type SharedMeasurement,
  sharedMetricSchema,
} from './shared-figures.ts';

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
