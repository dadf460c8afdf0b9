/** Differences from the original as words and signs, with whether they are good news. */
import { SQNR_LIMIT_DB } from '../../core/eval/agreement.ts';
import type { MetricDefinition, MetricValue } from '../../core/eval/types.ts';
import type { TargetCell, VariantRow } from '../../state/rows.ts';
import { formatDelta, formatMetric } from '../format.ts';

export interface DeltaText {
  readonly text: string;
  readonly tone: 'good' | 'bad' | 'neutral';
}

const neutral = (text: string): DeltaText => ({ text, tone: 'neutral' });

export function sizeDelta(row: Pick<VariantRow, 'size'>): DeltaText | null {
  if (!row.size) return null;
  const { fraction } = row.size;
  if (Math.abs(fraction) < 0.0005) return neutral('same size');
  return {
    text: `${formatDelta(fraction)} ${fraction < 0 ? 'smaller' : 'larger'}`,
    tone: fraction < 0 ? 'good' : 'bad',
  };
}

export function latencyDelta(cell: Pick<TargetCell, 'latency'>): DeltaText | null {
  if (!cell.latency) return null;
  const { difference, fraction } = cell.latency;
  if (difference === 'within noise') return neutral('within noise');
  return { text: `${formatDelta(fraction)} ${difference}`, tone: difference === 'faster' ? 'good' : 'bad' };
}

/**
 * In the metric's own unit: "+0.3 points worse". Says nothing of significance, which is the verdict's business, and
 * nothing of how far 30 dB are from no noise at all.
 */
export function metricDelta(
  value: MetricValue | undefined,
  baseline: MetricValue | undefined,
  definition: MetricDefinition,
): DeltaText | null {
  if (!value || !baseline || !Number.isFinite(value.value) || !Number.isFinite(baseline.value)) return null;
  if (definition.format === 'decibel' && Math.abs(baseline.value) >= SQNR_LIMIT_DB)
    return value.value === baseline.value ? neutral('same') : null;
  const difference = value.value - baseline.value;
  const shown = formatMetric(Math.abs(difference), definition);
  if (shown === formatMetric(0, definition)) return neutral('same');
  const better = definition.direction === 'higher-is-better' ? difference > 0 : difference < 0;
  const sign = difference > 0 ? '+' : '\u2212';
  // A difference of percentages is in points: "+2 %" would read as a ratio.
  const amount = definition.format === 'percent' ? shown.replace(/\u202f%$/, '\u202fpoints') : shown;
  return { text: `${sign}${amount} ${better ? 'better' : 'worse'}`, tone: better ? 'good' : 'bad' };
}
