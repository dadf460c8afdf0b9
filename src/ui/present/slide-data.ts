/** What the picture of each slide shows: the original and the chosen variant on one scale for all variants. */
import { type Decision, gateLimit, type QuestionId } from '../../core/report/decision.ts';
import type { ReportRow } from '../../core/report/rows.ts';
import { dotRange } from '../../core/report/svg.ts';
import type { Report } from '../../core/study/results.ts';
import { formatBytes, formatMetric, formatMs } from '../format.ts';

export interface Measured {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface Line extends Measured {
  readonly label: string;
  readonly isBaseline: boolean;
}

export interface Picture {
  /** bars begin at zero; dots lie on a piece of the scale. */
  readonly kind: 'bars' | 'dots';
  /** The original first, unless it is the one that is shown. */
  readonly lines: readonly Line[];
  readonly range: readonly [number, number];
  readonly format: (value: number) => string;
  /** The value at which the gate closes. */
  readonly limit: { readonly value: number; readonly label: string } | null;
  /** What the scale is, in a few words. */
  readonly caption: string;
}

/** @returns null for the verdict, which is no quantity, and where nothing of it was measured */
export function pictureOf(
  question: QuestionId,
  report: Report,
  decision: Decision,
  all: readonly Decision[],
): Picture | null {
  const rows = all.map(({ row }) => row);
  switch (question) {
    case 'smaller':
      return bars(decision, rows, formatBytes, 'Bytes of the file.', ({ fileBytes }) => exact(fileBytes));
    case 'faster':
      return bars(
        decision,
        rows,
        formatMs,
        'Median of the timed runs; the line spans the 5th to the 95th percentile.',
        ({ medianMs, p5Ms, p95Ms }) => ({ value: medianMs, low: p5Ms, high: p95Ms }),
      );
    case 'lost':
      return dots(report, decision, rows);
    case 'ship':
      return null;
  }
}

const exact = (value: number | null): Measured => ({ value, low: null, high: null });

function linesOf({ row, original }: Decision, of: (row: ReportRow) => Measured): Line[] {
  const shown = original && original.variantIndex !== row.variantIndex ? [original, row] : [row];
  return shown.map((line) => ({ label: line.variant, isBaseline: line.variantIndex === 0, ...of(line) }));
}

function bars(
  decision: Decision,
  rows: readonly ReportRow[],
  format: (value: number) => string,
  caption: string,
  of: (row: ReportRow) => Measured,
): Picture | null {
  const lines = linesOf(decision, of);
  if (lines.every(({ value }) => value === null)) return null;
  const most = Math.max(...rows.map(of).map(({ value, high }) => high ?? value ?? 0));
  return { kind: 'bars', lines, range: [0, most || 1], format, limit: null, caption };
}

function dots(report: Report, decision: Decision, rows: readonly ReportRow[]): Picture | null {
  const [definition] = report.task.metrics;
  if (!definition) return null;
  const of = (row: ReportRow): Measured => {
    const cell = row.metrics.find(({ id }) => id === definition.id);
    const value = cell && Number.isFinite(cell.value) ? cell.value : null;
    return { value, low: cell?.interval?.[0] ?? null, high: cell?.interval?.[1] ?? null };
  };
  const lines = linesOf(decision, of);
  if (lines.every(({ value }) => value === null)) return null;
  const format = (value: number) => formatMetric(value, definition);
  const limit = gateLimit(report, rows);
  const known = rows.flatMap((row) => {
    const { value, low, high } = of(row);
    if (value === null) return [];
    return [
      {
        label: row.variant,
        value,
        low: low ?? undefined,
        high: high ?? undefined,
        text: '',
        isBaseline: row.variantIndex === 0,
      },
    ];
  });
  const better = definition.direction === 'higher-is-better' ? 'higher is better' : 'lower is better';
  const interval = lines.some(({ low }) => low !== null)
    ? ` The line is the ${Math.round(report.gate.confidence * 100)} % interval.`
    : '';
  return {
    kind: 'dots',
    lines,
    range: dotRange(known, limit),
    format,
    limit: limit !== undefined && Number.isFinite(limit) ? { value: limit, label: `gate ${format(limit)}` } : null,
    caption: `${definition.title}, ${better}.${interval}`,
  };
}
