/**
 * A report as rows: what the table twin, the command line and the exports show, in the same order and words. Numbers
 * stay numbers here; formatting is the renderer's.
 */
import { SQNR_LIMIT_DB } from '../eval/agreement.ts';
import { compareLatency, type LatencyDifference } from '../study/latency.ts';
import type { Report, TargetMeasurement, VariantResult, Verdict } from '../study/results.ts';
import { sameTarget, targetLabel } from '../study/run.ts';
import type { Target } from '../study/schema.ts';
import { repeatNote, rowNotes } from './notes.ts';

export interface MetricCell {
  readonly id: string;
  readonly value: number;
  readonly interval: readonly [number, number] | null;
  readonly n: number;
  /** variant - original, in the metric's unit; null for the original itself and where it is unknown. */
  readonly difference: number | null;
}

export interface ReportRow {
  readonly variant: string;
  readonly variantIndex: number;
  readonly target: Target;
  readonly targetName: string;
  /** As measured; where nothing was, those asked for, if that was a number. */
  readonly threads: number | null;
  readonly fileBytes: number | null;
  /** variant / original. */
  readonly fileRatio: number | null;
  readonly medianMs: number | null;
  readonly p5Ms: number | null;
  readonly p95Ms: number | null;
  readonly runs: number;
  readonly latencyRatio: number | null;
  readonly latencyDifference: LatencyDifference | null;
  readonly wasmHeapPeakBytes: number | null;
  readonly gpuBufferPeakBytes: number | null;
  readonly processPeakBytes: number | null;
  readonly weightBytes: number | null;
  /** Predicted from liveness, not measured. */
  readonly predictedPeakActivationBytes: number | null;
  readonly metrics: readonly MetricCell[];
  readonly verdict: Verdict | null;
  readonly error: string | null;
  /** What must be said beside the figures: nodes that fell back to the CPU, other numbers than WASM, and so on. */
  readonly notes: readonly string[];
}

/** One row for each variant and target, variants in order within a target. */
export function reportRows(report: Report): ReportRow[] {
  const targets: Target[] = [];
  for (const { measurements } of report.variants)
    for (const { target } of measurements) if (!targets.some((seen) => sameTarget(seen, target))) targets.push(target);
  if (targets.length === 0) return report.variants.map((variant, index) => row(report, variant, index, undefined));
  return targets.flatMap((target) =>
    report.variants.map((variant, index) =>
      row(
        report,
        variant,
        index,
        variant.measurements.find((found) => sameTarget(found.target, target)),
        target,
      ),
    ),
  );
}

function row(
  report: Report,
  variant: VariantResult,
  index: number,
  measurement: TargetMeasurement | undefined,
  target: Target = { provider: 'wasm', threads: 0 },
): ReportRow {
  const original = report.variants[0];
  const reference = index === 0 ? undefined : original?.measurements.find((found) => sameTarget(found.target, target));
  const latency = measurement?.latency ?? null;
  const memory = measurement?.memory ?? null;
  const fileBytes = variant.facts?.fileBytes ?? null;
  const originalBytes = original?.facts?.fileBytes ?? null;
  return {
    variant: variant.recipe.name,
    variantIndex: index,
    target,
    // A card that failed ran nowhere; it is listed with the others of its target.
    targetName: nameOfTarget(report, target),
    threads: measurement?.threads ?? (target.threads > 0 ? target.threads : null),
    fileBytes,
    fileRatio: index > 0 && fileBytes !== null && originalBytes ? fileBytes / originalBytes : null,
    medianMs: latency?.medianMs ?? null,
    p5Ms: latency?.p5Ms ?? null,
    p95Ms: latency?.p95Ms ?? null,
    runs: latency?.runs ?? 0,
    latencyRatio: latency && reference?.latency ? latency.medianMs / reference.latency.medianMs : null,
    latencyDifference: latency && reference?.latency ? compareLatency(latency, reference.latency) : null,
    wasmHeapPeakBytes: memory?.wasmHeapPeakBytes ?? null,
    gpuBufferPeakBytes: memory?.gpuBufferPeakBytes ?? null,
    processPeakBytes: memory?.processPeakBytes ?? null,
    weightBytes: variant.facts?.weightBytes ?? null,
    predictedPeakActivationBytes: variant.facts?.predictedPeakActivationBytes ?? null,
    metrics: metricCells(measurement, reference),
    verdict: measurement?.verdict ?? null,
    error: variant.error?.message ?? measurement?.error?.message ?? null,
    notes: [
      ...(report.task.ref.kind === 'random' ? repeatNote(reference ?? measurement) : []),
      ...rowNotes(variant, measurement, reference, twinOf(report, variant, target)),
    ],
  };
}

/** The same file whose packed weights are held the other way, on the same target. */
function twinOf(report: Report, { facts, recipe }: VariantResult, target: Target): TargetMeasurement | undefined {
  if (!facts?.packedWeights) return undefined;
  const twin = report.variants.find(
    (other) => other.facts?.key === facts.key && other.recipe.runtime.weightsAtLoad !== recipe.runtime.weightsAtLoad,
  );
  return twin?.measurements.find((found) => sameTarget(found.target, target));
}

function metricCells(
  measurement: TargetMeasurement | undefined,
  reference: TargetMeasurement | undefined,
): MetricCell[] {
  return (measurement?.evaluation?.metrics ?? []).map(({ metric, value, interval, n }) => {
    const original = reference?.evaluation?.metrics.find((candidate) => candidate.metric === metric)?.value;
    return {
      id: metric,
      value,
      interval: interval ?? null,
      n,
      difference: original === undefined || isNoiseless(metric, original) ? null : value - original,
    };
  });
}

/** Equal outputs have no noise: their ratio is cut off, and nothing is so many decibels from it. */
function isNoiseless(metric: string, value: number): boolean {
  return metric === 'sqnr' && Math.abs(value) >= SQNR_LIMIT_DB;
}

function nameOfTarget(report: Report, target: Target): string {
  const measured = report.variants.flatMap(({ measurements }) =>
    measurements.filter((found) => sameTarget(found.target, target)),
  );
  const ran = measured.find(({ engine }) => engine.name !== '') ?? measured[0];
  return ran ? measuredTargetName(ran) : '';
}

/** The target as it really ran, e.g. "WASM, 2 threads". */
export function measuredTargetName({ target, threads }: TargetMeasurement): string {
  return targetLabel(
    threads > 0 && target.provider !== 'webgpu' && target.provider !== 'webnn'
      ? { ...target, threads }
      : { ...target, threads: 0 },
  );
}

/**
 * What the gate says of the whole report: fail if any variant fails on any target, else not evaluated if any has no
 * verdict (it could not be built or run), else inconclusive if any is.
 */
export function overallVerdict(report: Report): 'pass' | 'fail' | 'inconclusive' | 'not-evaluated' {
  const verdicts = report.variants
    .slice(1)
    .flatMap(({ measurements, error }) =>
      error || measurements.length === 0
        ? ['not-evaluated' as const]
        : measurements.map((found) => found.verdict?.verdict ?? 'not-evaluated'),
    );
  if (verdicts.includes('fail')) return 'fail';
  if (verdicts.includes('not-evaluated')) return 'not-evaluated';
  if (verdicts.includes('inconclusive')) return 'inconclusive';
  return verdicts.length > 0 ? 'pass' : 'not-evaluated';
}
