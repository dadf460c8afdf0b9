/** The points of a search as rows: what its table, its chart and its sentences read. */
import { nonDominated } from '../../core/eval/pareto.ts';
import type { MetricDefinition } from '../../core/eval/types.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { Objective, SearchPoint, SearchResult } from '../../core/search/results.ts';
import type { Report } from '../../core/study/results.ts';

export interface SearchRow {
  /** Place among the report's variants. */
  readonly index: number;
  readonly name: string;
  readonly recipe: Recipe;
  readonly point: SearchPoint;
  readonly bytes: number | null;
  readonly medianMs: number | null;
  readonly value: number | null;
  readonly interval: readonly [number, number] | null;
  readonly role: 'recommended' | 'runner-up' | null;
}

export function searchRows(report: Report, points: readonly SearchPoint[], result: SearchResult | null): SearchRow[] {
  return report.variants.map(({ recipe, facts, measurements }, index) => {
    const [measurement] = measurements;
    const metric = measurement?.evaluation?.metrics[0];
    return {
      index,
      name: recipe.name,
      recipe,
      point: points[index]!,
      bytes: facts?.fileBytes ?? null,
      medianMs: measurement?.latency?.medianMs ?? null,
      value: metric?.value ?? null,
      interval: metric?.interval ?? null,
      role: result?.recommended === index ? 'recommended' : result?.runnersUp.includes(index) ? 'runner-up' : null,
    };
  });
}

export const STATUS_WORDS: Readonly<Record<SearchPoint['status'], string>> = {
  original: 'Original',
  open: 'Being tried',
  passed: 'Pass',
  failed: 'Fail',
  inconclusive: 'Too few samples',
  broken: 'Error',
  skipped: 'Skipped',
};

/** What the search has come to so far, in one sentence. */
export function searchSummary(
  rows: readonly SearchRow[],
  objective: Objective,
  format: (row: SearchRow) => string,
): string {
  const passed = rows.filter(({ point }) => point.status === 'passed');
  const tried = rows.filter(({ point }) => ['passed', 'failed', 'inconclusive'].includes(point.status)).length;
  const best = bestOf(passed, objective);
  const head = `${tried} judged, ${passed.length} within the gate.`;
  if (!best) return head;
  return `${head} ${objective === 'size' ? 'Smallest' : 'Fastest'} within it: ${best.name}, ${format(best)}.`;
}

export function costOf(row: SearchRow, objective: Objective): number | null {
  return objective === 'size' ? row.bytes : row.medianMs;
}

function bestOf(rows: readonly SearchRow[], objective: Objective): SearchRow | undefined {
  return rows
    .filter((row) => costOf(row, objective) !== null)
    .sort((a, b) => costOf(a, objective)! - costOf(b, objective)!)[0];
}

export interface SearchDot {
  readonly row: SearchRow;
  readonly x: number;
  readonly y: number;
  /** Nothing tried is better on both. */
  readonly onFrontier: boolean;
}

/** Rows that can be drawn: with a cost and a value of the metric. */
export function searchDots(
  rows: readonly SearchRow[],
  objective: Objective,
  { direction }: Pick<MetricDefinition, 'direction'>,
): SearchDot[] {
  const drawn = rows.flatMap((row) => {
    const x = costOf(row, objective);
    return x === null || row.value === null ? [] : [{ row, x, y: row.value }];
  });
  const kept = new Set(
    nonDominated(
      drawn.map(({ x, y }) => [x, y]),
      ['lower-is-better', direction],
    ),
  );
  return drawn.map((dot, index) => ({ ...dot, onFrontier: kept.has(index) }));
}

/** Values far beyond the gate would squeeze the rest flat: the axis ends a few gates away, and what is beyond stands at its end. */
export function searchDomain(
  dots: readonly SearchDot[],
  original: number | undefined,
  limit: number | null,
): [number, number] {
  const values = dots.map(({ y }) => y);
  if (values.length === 0) return [0, 1];
  const reach =
    original === undefined || limit === null ? Number.POSITIVE_INFINITY : Math.abs(limit - original) * 5 || 1e-6;
  const near = original === undefined ? values : values.filter((value) => Math.abs(value - original) <= reach);
  const shown = [...(near.length > 0 ? near : values), ...(limit === null ? [] : [limit])];
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  const pad = (high - low || Math.abs(high) || 1) * 0.12;
  return [low - pad, high + pad];
}
