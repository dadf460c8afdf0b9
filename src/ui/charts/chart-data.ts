/** Rows of the comparison as numbers for the three charts. Order is always that of the variants. */
import type { MetricDefinition } from '../../core/eval/types.ts';
import type { Verdict } from '../../core/study/results.ts';
import type { Gate } from '../../core/study/schema.ts';
import { type Comparison, primaryCell, type VariantRow } from '../../state/rows.ts';

/** What an axis label needs: a row's letter and name. */
export interface ChartRow {
  readonly id: string;
  readonly letter: string;
  readonly name: string;
  readonly stale: boolean;
}

export interface MemoryPoint extends ChartRow {
  /** Bytes of the weights in the file: exact. */
  readonly weights: number;
  /** Largest sum of live activations: predicted from liveness; null where shapes are unknown. */
  readonly activations: number | null;
  /** Peak WASM heap by target key: measured. */
  readonly [heap: `heap:${string}`]: number | null;
  /** Peak GPU buffer bytes by target key: measured. */
  readonly [gpu: `gpu:${string}`]: number | null;
}

export interface MemorySeries {
  readonly key: `heap:${string}` | `gpu:${string}`;
  readonly kind: 'heap' | 'gpu';
  readonly target: string;
  readonly label: string;
}

const chartRow = (row: VariantRow): ChartRow => ({
  id: row.id,
  letter: row.letter,
  name: row.name,
  stale: row.state === 'stale',
});

export function memoryPoints({ rows }: Comparison): MemoryPoint[] {
  return rows
    .filter(({ facts }) => facts !== null)
    .map((row) => {
      const point: Record<string, unknown> = {
        ...chartRow(row),
        weights: row.facts!.weightBytes,
        activations: row.facts!.predictedPeakActivationBytes,
      };
      for (const { key, measurement } of row.cells) {
        const memory = measurement?.memory;
        point[`heap:${key}`] = memory?.wasmHeapPeakBytes ?? memory?.processPeakBytes ?? null;
        point[`gpu:${key}`] = memory?.gpuBufferPeakBytes ?? null;
      }
      return point as unknown as MemoryPoint;
    });
}

/** The measured series that have any figure. */
export function memorySeries({ targets, rows }: Comparison): MemorySeries[] {
  const cells = rows.flatMap((row) => row.cells);
  return targets.flatMap((_, index) => {
    const own = cells.filter((cell) => cell.key === rows[0]?.cells[index]?.key);
    const [first] = own;
    if (!first) return [];
    const series: MemorySeries[] = [];
    const base = { target: first.key, label: first.label };
    if (own.some(({ measurement }) => measurement?.memory?.wasmHeapPeakBytes || measurement?.memory?.processPeakBytes))
      series.push({ key: `heap:${first.key}`, kind: 'heap', ...base });
    if (own.some(({ measurement }) => measurement?.memory?.gpuBufferPeakBytes))
      series.push({ key: `gpu:${first.key}`, kind: 'gpu', ...base });
    return series;
  });
}

export interface LatencyPoint extends ChartRow {
  readonly byTarget: Readonly<Record<string, { readonly median: number; readonly p5: number; readonly p95: number }>>;
}

export function latencyPoints({ rows }: Comparison): LatencyPoint[] {
  return rows
    .map((row) => ({
      ...chartRow(row),
      byTarget: Object.fromEntries(
        row.cells.flatMap(({ key, measurement }) =>
          measurement?.latency
            ? [
                [
                  key,
                  {
                    median: measurement.latency.medianMs,
                    p5: measurement.latency.p5Ms,
                    p95: measurement.latency.p95Ms,
                  },
                ],
              ]
            : [],
        ),
      ),
    }))
    .filter(({ byTarget }) => Object.keys(byTarget).length > 0);
}

export interface AccuracyPoint extends ChartRow {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly hasInterval: boolean;
  readonly n: number;
  readonly verdict: Verdict['verdict'];
}

export function accuracyPoints({ rows, metrics }: Comparison): AccuracyPoint[] {
  const [definition] = metrics;
  if (!definition) return [];
  return rows.flatMap((row) => {
    const cell = primaryCell(row);
    const found = cell?.measurement?.evaluation?.metrics.find(({ metric }) => metric === definition.id);
    if (!found || !Number.isFinite(found.value)) return [];
    const [low, high] = found.interval ?? [found.value, found.value];
    return [
      {
        ...chartRow(row),
        value: found.value,
        low,
        high,
        hasInterval: found.interval !== undefined,
        n: found.n,
        verdict: cell?.verdict?.verdict ?? 'not-evaluated',
      },
    ];
  });
}

/** The value of the metric at which a variant is exactly as much worse as the gate allows; null without an original. */
export function gateLimit(baseline: number | undefined, gate: Gate, definition: MetricDefinition): number | null {
  if (baseline === undefined || !Number.isFinite(baseline)) return null;
  const allowed = gate.mode === 'absolute' ? gate.maxWorse : Math.abs(baseline) * gate.maxWorse;
  return definition.direction === 'higher-is-better' ? baseline - allowed : baseline + allowed;
}

export interface AccuracyScale {
  readonly domain: readonly [number, number];
  /** Points beyond the domain are drawn at its edge with their value beside them. */
  readonly clipped: boolean;
}

/**
 * The axis of the accuracy chart. One ruined variant must not squeeze all others onto one pixel, so values far from
 * the gate's neighbourhood are clipped unless the full range is asked for.
 */
export function accuracyScale(points: readonly AccuracyPoint[], limit: number | null, full: boolean): AccuracyScale {
  const marks = points.flatMap(({ low, high }) => [low, high]);
  if (limit !== null) marks.push(limit);
  if (marks.length === 0) return { domain: [0, 1], clipped: false };
  const whole = padded(Math.min(...marks), Math.max(...marks));
  if (full || points.length < 2) return { domain: whole, clipped: false };
  const baseline = points.find(({ letter }) => letter === 'O') ?? points[0]!;
  const near = [baseline.low, baseline.high, ...(limit === null ? [] : [limit])];
  const reach = Math.max(...near) - Math.min(...near) || Math.abs(baseline.value) * 0.1 || 0.01;
  const centre = baseline.value;
  const close = points.filter(({ value }) => Math.abs(value - centre) <= reach * 8);
  if (close.length === points.length) return { domain: whole, clipped: false };
  const kept = [...near, ...close.flatMap(({ low, high }) => [low, high])];
  return { domain: padded(Math.min(...kept), Math.max(...kept)), clipped: true };
}

/** Round axis marks inside a domain: steps of 1, 2 or 5 times a power of ten. */
export function niceTicks([low, high]: readonly [number, number], count = 4): number[] {
  const rough = (high - low) / count;
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const steps = [0.2, 0.5, 1, 2, 5, 10].map((factor) => factor * magnitude);
  const at = steps.findIndex((candidate) => candidate >= rough);
  const ticks = multiplesWithin(low, high, steps[at]!);
  // One mark alone gives no scale.
  return ticks.length > 1 ? ticks : multiplesWithin(low, high, steps[at - 1]!);
}

function multiplesWithin(low: number, high: number, step: number): number[] {
  const multiples: number[] = [];
  for (let index = Math.ceil(low / step); index * step <= high; index++)
    multiples.push(Number((index * step).toPrecision(12)));
  return multiples;
}

function padded(low: number, high: number): [number, number] {
  const span = high - low || Math.abs(high) * 0.1 || 0.01;
  // Fractions and error rates stop at 0: no axis should suggest less.
  const floor = low >= 0 ? 0 : Number.NEGATIVE_INFINITY;
  return [Math.max(floor, low - span * 0.15), high + span * 0.15];
}

export interface ParetoPoint extends ChartRow {
  readonly x: number;
  readonly y: number;
  /** Where the marker is drawn: `y`, or the edge of the axis when that lies beyond. */
  readonly at: number;
  readonly dominated: boolean;
}
