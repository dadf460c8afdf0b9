/**
 * Every number that a person reads is formatted here, so that the same quantity looks the same in a card, a chart, a
 * table, a report and a sentence. Sizes are decimal (1 MB = 10^6 bytes), as file managers and download pages show them.
 */
import { SQNR_LIMIT_DB } from '../eval/agreement.ts';
import type { MetricDefinition } from '../eval/types.ts';

const MINUS = '\u2212';
/** Between a number and its unit: does not break, and is narrower than a space. */
const THIN = '\u202f';

const grouped = new Intl.NumberFormat('en-US');

function fixed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  // "-0.0" would claim a sign that the shown digits do not have.
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** Three significant digits, without exponents for everyday magnitudes. */
function threeDigits(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return fixed(value, 0);
  if (magnitude >= 10) return fixed(value, 1);
  return fixed(value, 2);
}

export function formatBytes(bytes: number): string {
  const magnitude = Math.abs(bytes);
  if (magnitude < 1000) return `${fixed(bytes, 0)}${THIN}B`;
  // 999,950 bytes would read "1000.0 kB"; step up where rounding does.
  if (magnitude < 999_950) return `${fixed(bytes / 1e3, 1)}${THIN}kB`;
  if (magnitude < 999_950_000) return `${fixed(bytes / 1e6, 1)}${THIN}MB`;
  return `${fixed(bytes / 1e9, 2)}${THIN}GB`;
}

/** For columns of text, and sentences beside them: all sizes in one unit, with at least three digits and a plain space. */
export function plainMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e6 ? 3 : bytes < 1e7 ? 2 : 1)} MB`;
}

/** A bare number of megabytes for axes and columns whose heading names the unit. */
export function formatMegabytes(bytes: number): string {
  return fixed(bytes / 1e6, bytes !== 0 && Math.abs(bytes) < 100_000 ? 3 : 1);
}

/** A duration of one inference or one load: milliseconds, seconds from 10,000 ms on. */
export function formatMs(ms: number): string {
  if (ms >= 9_999.5) return `${threeDigits(ms / 1000)}${THIN}s`;
  return `${threeDigits(ms)}${THIN}ms`;
}

/** The digits of `formatMs` alone, for columns whose heading names the unit. */
export function formatMsNumber(ms: number): string {
  return threeDigits(ms);
}

/** A kernel's time: microseconds below a millisecond. */
export function formatMicroseconds(us: number): string {
  return Math.abs(us) < 999.5 ? `${fixed(us, Math.abs(us) < 9.95 && us !== 0 ? 1 : 0)}${THIN}µs` : formatMs(us / 1000);
}

/** How long a job has run: whole seconds, then minutes. */
export function formatElapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}${THIN}s`;
  return `${Math.floor(seconds / 60)}${THIN}min ${String(seconds % 60).padStart(2, '0')}${THIN}s`;
}

export function formatCount(count: number): string {
  return grouped.format(count);
}

/** 2,684,354 -> "2.7 M"; below 10,000 exact. */
export function formatCompact(count: number): string {
  if (count < 10_000) return grouped.format(count);
  if (count < 999_950) return `${fixed(count / 1e3, 1)}${THIN}k`;
  if (count < 999_950_000) return `${fixed(count / 1e6, 1)}${THIN}M`;
  return `${fixed(count / 1e9, 2)}${THIN}G`;
}

export function formatPercent(fraction: number, decimals = 0): string {
  return `${fixed(fraction * 100, decimals)}${THIN}%`;
}

/** A signed change: "−73 %", "+4 %", "±0 %". One decimal below 10 %. */
export function formatDelta(fraction: number): string {
  const decimals = Math.abs(fraction) < 0.0995 ? 1 : 0;
  const text = formatPercent(Math.abs(fraction), decimals);
  if (Number((Math.abs(fraction) * 100).toFixed(decimals)) === 0) return `±0${THIN}%`;
  return (fraction < 0 ? MINUS : '+') + text;
}

type MetricFormat = Pick<MetricDefinition, 'format' | 'decimals'>;

/** A metric's value as its definition says. Infinite SQNR is what bit-equal outputs give. */
export function formatMetric(value: number, definition: MetricFormat): string {
  if (!Number.isFinite(value)) return value > 0 ? '∞' : `${MINUS}∞`;
  switch (definition.format) {
    case 'percent':
      return formatPercent(value, definition.decimals);
    case 'decibel':
      // Of equal outputs the ratio has no end; where it is cut off is no figure of theirs.
      if (Math.abs(value) >= SQNR_LIMIT_DB) return value > 0 ? '∞' : `${MINUS}∞`;
      return `${fixed(value, definition.decimals)}${THIN}dB`;
    case 'decimal':
      // A max abs error of 3e-8 is not 0.0000.
      if (value !== 0 && Math.abs(value) < 10 ** -definition.decimals / 2)
        return value.toExponential(1).replace('-', MINUS);
      return fixed(value, definition.decimals);
  }
}

/** "0.4 to 0.9 %": the unit once, at the end. */
export function formatInterval(interval: readonly [number, number], definition: MetricFormat): string {
  const low = formatMetric(interval[0], definition);
  const high = formatMetric(interval[1], definition);
  const unit = high.includes(THIN) ? high.slice(high.indexOf(THIN)) : '';
  return `${unit && low.endsWith(unit) ? low.slice(0, -unit.length) : low} to ${high}`;
}

/**
 * An interval beside its value, unit left out: "±0.2" for "0.6 % ±0.2"; both ends where the value is far from the
 * middle ("81 to 100" for all of 16 right), since ± would then reach what cannot be.
 */
export function formatSpread(value: number, interval: readonly [number, number], definition: MetricFormat): string {
  const half = Math.abs(interval[1] - interval[0]) / 2;
  const middle = (interval[0] + interval[1]) / 2;
  if (Math.abs(value - middle) > half / 3) return formatInterval(interval, definition).split(THIN)[0]!;
  return `±${formatMetric(half, definition).split(THIN)[0]}`;
}

/** 1 -> "1 variant", 3 -> "3 variants". */
export function plural(count: number, noun: string, pluralNoun = `${noun}s`): string {
  return `${grouped.format(count)} ${count === 1 ? noun : pluralNoun}`;
}

/** Dims of a value: [1, 3, height, ?]. */
export function formatShape(shape: readonly (number | string | null)[] | undefined): string {
  if (!shape) return 'any rank';
  if (shape.length === 0) return 'scalar';
  return shape.map((dim) => (dim === null ? '?' : String(dim))).join(' × ');
}
