/** Text for a terminal: tables, sizes, durations. One place, so that every command says things alike. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Decimal units, as file managers and networks count. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit]}`;
}

export function formatMs(ms: number): string {
  return ms < 10 ? `${ms.toFixed(2)} ms` : ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** Microseconds below a millisecond. */
export function formatMicroseconds(us: number): string {
  return us < 999.5 ? `${us.toFixed(us < 9.95 && us !== 0 ? 1 : 0)} us` : formatMs(us / 1000);
}

/** Signed share of change, e.g. "-73 %"; "same" when it rounds to nothing. */
export function formatChange(value: number, baseline: number): string {
  const percent = (value / baseline - 1) * 100;
  if (!Number.isFinite(percent)) return '';
  const rounded = Math.abs(percent) < 10 ? percent.toFixed(1) : percent.toFixed(0);
  return Number(rounded) === 0 ? 'same' : `${percent > 0 ? '+' : ''}${rounded} %`;
}

export { formatTable } from '../core/report/table.ts';
