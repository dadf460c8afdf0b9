/** Each chart in one or two sentences: for screen readers, and for anyone who wants the point before the picture. */
import type { MetricDefinition } from '../../core/eval/types.ts';
import type { Comparison, VariantRow } from '../../state/rows.ts';
import { formatBytes, formatDelta, formatMetric, formatMs, plural } from '../format.ts';
import type { AccuracyPoint, LatencyPoint, MemoryPoint, ParetoPoint } from './chart-data.ts';

/** Names are long and stand on the axis: the letter is enough. */
const label = ({ letter, name }: { letter: string; name: string }) => (letter === 'O' ? name : letter);

export function memorySummary(points: readonly MemoryPoint[], heapKeys: readonly `heap:${string}`[]): string {
  if (points.length === 0) return 'Nothing built yet.';
  const smallest = points.reduce((best, point) => (point.weights < best.weights ? point : best));
  const original = points.find(({ letter }) => letter === 'O');
  const change =
    original && original !== smallest && original.weights > 0
      ? ` (${formatDelta(smallest.weights / original.weights - 1)})`
      : '';
  const sentences = [`Smallest weights: ${label(smallest)}, ${formatBytes(smallest.weights)}${change}.`];
  if (points.every(({ activations }) => activations === null))
    sentences.push('Activations cannot be predicted: shapes are unknown.');
  const [heap] = heapKeys;
  if (heap) {
    const measured = points.filter((point) => point[heap] !== null);
    if (measured.length > 0) {
      const least = measured.reduce((best, point) => (point[heap]! < best[heap]! ? point : best));
      const most = Math.max(...measured.map((point) => point[heap]!));
      sentences.push(
        // A heap grows in steps of 64 kB and more: differences of a percent are the allocator's.
        measured.length > 1 && most < least[heap]! * 1.01
          ? `Measured memory is alike: ${formatBytes(least[heap]!)}.`
          : `Least measured memory: ${label(least)}, ${formatBytes(least[heap]!)}.`,
      );
    }
  }
  return sentences.join(' ');
}

export function latencySummary(points: readonly LatencyPoint[], rows: readonly VariantRow[]): string {
  const [target] = rows[0]?.cells ?? [];
  const timed = points.filter(({ byTarget }) => target && byTarget[target.key]);
  if (!target || timed.length === 0) return 'Nothing timed yet.';
  const median = (point: LatencyPoint) => point.byTarget[target.key]!.median;
  const fastest = timed.reduce((best, point) => (median(point) < median(best) ? point : best));
  const cell = rows.find(({ id }) => id === fastest.id)?.cells.find(({ key }) => key === target.key);
  const difference = cell?.latency?.difference;
  const note = difference === 'within noise' ? ', within noise of the original' : '';
  const change = difference === 'faster' ? ` (${formatDelta(cell!.latency!.fraction)})` : '';
  return `Fastest on ${target.label}: ${label(fastest)}, median ${formatMs(median(fastest))}${change}${note}.`;
}

export function accuracySummary(points: readonly AccuracyPoint[], definition: MetricDefinition | undefined): string {
  if (!definition || points.length === 0) return 'Nothing evaluated yet.';
  const original = points.find(({ letter }) => letter === 'O');
  const sentences = original ? [`Original: ${formatMetric(original.value, definition)}.`] : [];
  const named = (verdict: AccuracyPoint['verdict']) => points.filter((point) => point.verdict === verdict);
  const counts = [
    [named('pass'), 'within the gate'],
    [named('fail'), 'beyond it'],
    [named('inconclusive'), 'with too few samples to say'],
  ] as const;
  const said = counts
    .filter(([found]) => found.length > 0)
    .map(([found, words]) => `${found.map(({ letter }) => letter).join(', ')} ${words}`);
  if (said.length > 0) sentences.push(`${said.join('; ')}.`);
  return sentences.join(' ');
}

export function paretoSummary(points: readonly ParetoPoint[], objective: 'size' | 'latency'): string {
  const kept = points.filter(({ dominated }) => !dominated);
  if (kept.length === 0) return 'Nothing evaluated yet.';
  const beaten = points.length - kept.length;
  const what = objective === 'size' ? 'smaller' : 'faster';
  return `No variant is both ${what} and more accurate than ${kept.map(label).join(', ')}.${
    beaten > 0
      ? ` ${plural(beaten, 'other')} ${beaten === 1 ? 'is' : 'are'} beaten: another is at least as good on both.`
      : ''
  }`;
}

/** One sentence for the whole comparison, read out when a run has ended. */
export function comparisonSummary({ rows, metrics }: Comparison): string {
  const measured = rows.filter(({ state }) => state === 'fresh');
  const failed = rows.filter(
    ({ state, cells }) => state === 'failed' || cells.some(({ measurement }) => measurement?.error),
  );
  const verdicts = rows.slice(1).map(({ cells }) => cells.find(({ verdict }) => verdict)?.verdict?.verdict);
  const passed = verdicts.filter((verdict) => verdict === 'pass').length;
  const parts = [`${plural(measured.length, 'variant')} measured`];
  if (metrics.length > 0) parts.push(`${passed} of ${rows.length - 1} pass the gate`);
  if (failed.length > 0) parts.push(`${plural(failed.length, 'variant')} with an error`);
  return `${parts.join(', ')}.`;
}
