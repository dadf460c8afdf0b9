/** Metric values as words, for verdicts and messages. Charts and tables format for themselves. */
import { SQNR_LIMIT_DB } from './agreement.ts';
import type { MetricDefinition } from './types.ts';

type Style = Pick<MetricDefinition, 'format' | 'decimals'>;

/** "0.59 %", "0.9984", "31.2 dB". `decimals` are those of the number as shown. */
export function formatMetric(value: number, { format, decimals }: Style): string {
  if (format === 'percent') return `${(value * 100).toFixed(decimals)} %`;
  if (format === 'decibel' && Math.abs(value) >= SQNR_LIMIT_DB) return value > 0 ? '∞' : '-∞';
  if (format === 'decibel') return `${value.toFixed(decimals)} dB`;
  return value.toFixed(decimals);
}

/** A difference: a share of the original ("2 %") or in the metric's unit ("0.3 points", "0.002", "1.5 dB"). */
export function formatAmount(value: number, mode: 'relative' | 'absolute', { format, decimals }: Style): string {
  if (mode === 'relative') return `${significant(value * 100, 2)} %`;
  if (format === 'percent') {
    const points = significant(value * 100, 2, decimals);
    return `${points} point${points === '1' ? '' : 's'}`;
  }
  if (format === 'decibel') return `${significant(value, 2, decimals)} dB`;
  return significant(value, 2, decimals);
}

/** At least `digits` significant digits and no more decimals than that needs, without trailing zeros. */
function significant(value: number, digits: number, decimals = 1): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const needed = Math.max(decimals, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return String(Number(value.toFixed(Math.min(needed, 12))));
}

export function formatSampleCount(n: number): string {
  return `${n} sample${n === 1 ? '' : 's'}`;
}
