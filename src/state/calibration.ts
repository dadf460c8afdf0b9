/** Calibrated ranges as a step left them in its record, and ranges set by hand as the recipe holds them. */
import { stepRegistry } from '../core/recipe/registry.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { VariantFacts } from '../core/study/results.ts';
import { setParam } from './recipe-edit.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface CalibratedTensor {
  readonly tensor: string;
  /** "given": set by hand. */
  readonly method: string;
  /** Smallest and largest value seen. */
  readonly observed: Range;
  /** What gets codes; values outside are clipped. */
  readonly chosen: Range;
  /** Exact zeros, which no bin counts. */
  readonly zeros: number;
  /** Equal bins from min to max. */
  readonly histogram: Range & { readonly counts: readonly number[] };
}

export interface CalibrationRecord {
  readonly stepId: string;
  readonly tensors: readonly CalibratedTensor[];
  readonly samples: number | null;
}

/** What the variant's steps measured of activations; null where none did. Rows of an unknown form are left out. */
export function calibrationOf(facts: VariantFacts | null): CalibrationRecord | null {
  for (const { step, facts: left } of facts?.ledger ?? []) {
    if (!Array.isArray(left?.calibration)) continue;
    const tensors = left.calibration.flatMap((row) => asTensor(row) ?? []);
    const samples = left.calibrationSamples;
    return { stepId: step, tensors, samples: typeof samples === 'number' ? samples : null };
  }
  return null;
}

function asTensor(json: unknown): CalibratedTensor | undefined {
  if (!isObject(json) || typeof json.tensor !== 'string' || typeof json.method !== 'string') return undefined;
  const { histogram } = json;
  const [observed, chosen, span] = [asRange(json.observed), asRange(json.chosen), asRange(histogram)];
  if (!observed || !chosen || !span || !isObject(histogram) || !Array.isArray(histogram.counts)) return undefined;
  const counts = histogram.counts.map(Number);
  const zeros = typeof json.zeros === 'number' ? json.zeros : 0;
  return { tensor: json.tensor, method: json.method, observed, chosen, zeros, histogram: { ...span, counts } };
}

function asRange(json: unknown): Range | undefined {
  if (!isObject(json) || typeof json.min !== 'number' || typeof json.max !== 'number') return undefined;
  return { min: json.min, max: json.max };
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** Share of the values that were not zero outside the range, as far as the bins tell: a bin that is cut counts in part. */
export function clippedShare({ histogram }: CalibratedTensor, { min, max }: Range): number {
  const { counts } = histogram;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const width = (histogram.max - histogram.min) / counts.length;
  if (total === 0 || !(width > 0)) return 0;
  const inside = counts.reduce((sum, count, index) => {
    const low = histogram.min + index * width;
    const covered = Math.min(low + width, max) - Math.max(low, min);
    return sum + count * Math.min(1, Math.max(0, covered / width));
  }, 0);
  // Bins are as wide as float arithmetic makes them: the last sliver is no clipping.
  const share = 1 - inside / total;
  return share < 1e-9 ? 0 : share;
}

const RANGE = /^\s*(\S+?)\s*\.\.\s*(\S+?)\s*$/;

/** The range that the recipe gives a tensor by hand; undefined where it is calibrated. */
export function givenRange(recipe: Recipe, stepId: string, tensor: string): Range | undefined {
  const entry = rangeEntries(recipe, stepId).findLast((candidate) => tensorOf(candidate) === tensor);
  const found = entry && RANGE.exec(entry.slice(entry.lastIndexOf('=') + 1));
  if (!found) return undefined;
  const [min, max] = [Number(found[1]), Number(found[2])];
  return Number.isFinite(min) && Number.isFinite(max) ? { min, max } : undefined;
}

/** @param range undefined: calibrated again */
export function setGivenRange(recipe: Recipe, stepId: string, tensor: string, range: Range | undefined): Recipe {
  const others = rangeEntries(recipe, stepId).filter((entry) => tensorOf(entry) !== tensor);
  const own = range ? [`${tensor}=${shortNumber(range.min)}..${shortNumber(range.max)}`] : [];
  return setParam(recipe, stepId, 'ranges', [...others, ...own]);
}

/** Whether ranges can be given by hand: the recipe still has the step, and the step takes them. */
export function takesRanges(recipe: Recipe, stepId: string): boolean {
  const definition = stepRegistry.get(stepId);
  return (
    recipe.steps.some(({ id }) => id === stepId) && definition !== undefined && 'ranges' in definition.params.shape
  );
}

function rangeEntries({ steps }: Recipe, stepId: string): readonly string[] {
  const entries = steps.find(({ id }) => id === stepId)?.params.ranges;
  return Array.isArray(entries) ? (entries as string[]) : [];
}

function tensorOf(entry: string): string {
  return entry.slice(0, Math.max(entry.lastIndexOf('='), 0)).trim();
}

/** Six digits say more than any calibration knows. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** The same for reading, with a real minus. */
export function readNumber(value: number): string {
  return shortNumber(value).replaceAll('-', '\u2212');
}
