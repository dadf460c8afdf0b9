/** The range of each activation: measured, then set by hand where the user did; and the picture of it for the report. */
import { StudioError } from '../../base/errors/index.ts';
import type { JsonObject } from '../../base/json.ts';
import { calibrate } from '../../calib/calibrate.ts';
import type { Bounds, CollectedTensor } from '../../calib/types.ts';
import type { Advisory, StepContext } from '../../step/define.ts';
import { codeRange } from './affine.ts';
import { adviseCalibrated, calibrationOf } from './calibration.ts';
import type { QdqPlan } from './qdq-plan.ts';
import type { QdqSettings } from './qdq-rewrite.ts';
import { someOf } from './report.ts';
import { STATIC_TITLE } from './static-advice.ts';
import type { StaticParams } from './static-params.ts';

export interface GivenRange extends Bounds {
  readonly tensor: string;
}

const ENTRY = /^(.+)=\s*([^=]+?)\s*\.\.\s*([^=]+?)\s*$/s;

/** @returns the range, or what is wrong with the entry */
export function parseRange(entry: string): GivenRange | string {
  const found = ENTRY.exec(entry);
  if (!found) return `"${entry}" is not of the form tensor=min..max, e.g. "conv1_out=-3.5..12"`;
  const [tensor, min, max] = [found[1]!.trim(), Number(found[2]), Number(found[3])];
  if (!Number.isFinite(min) || !Number.isFinite(max)) return `"${entry}": the ends of a range are finite numbers`;
  return min < max ? { tensor, min, max } : `"${entry}": the lower end must be below the upper one`;
}

/** One refusal naming every entry that cannot be read. */
export function checkRanges(entries: readonly string[]): Advisory[] {
  const problems = entries.map(parseRange).filter((range) => typeof range === 'string');
  if (problems.length === 0) return [];
  return [{ level: 'error', code: 'quant/bad-range', message: `ranges: ${someOf(problems)}` }];
}

export interface StaticRanges {
  /** Of every value of the plan. */
  readonly bounds: ReadonlyMap<string, Bounds>;
  readonly collected: ReadonlyMap<string, CollectedTensor>;
  readonly given: ReadonlySet<string>;
}

/** @throws StudioError calib/*, pass/refused for a range that cannot be read, runtime/*, job/cancelled */
export async function measureRanges(
  ctx: StepContext,
  plan: QdqPlan,
  settings: StaticParams,
  { activation }: QdqSettings,
): Promise<StaticRanges> {
  const [problem] = checkRanges(settings.ranges);
  if (problem) throw new StudioError('pass/refused', { step: STATIC_TITLE, reason: problem.message });
  const { source, executor } = calibrationOf(ctx, STATIC_TITLE);
  const { model } = ctx;
  const { min, max } = codeRange(activation);
  const { bounds, collected, samples, looks } = await calibrate({
    model,
    executor,
    source,
    tensors: [...plan.values.keys()].filter((value) => !plan.sameAs.has(value)),
    job: ctx,
    maxSamples: settings.samples,
    settings: {
      method: settings.method,
      percentile: settings.percentile,
      grid: { symmetric: activation.symmetric, steps: max - min },
    },
  });
  adviseCalibrated(ctx, source.origin, samples);
  ctx.leave({ calibrationSamples: samples, calibrationLooks: looks, calibrationOrigin: source.origin });
  adviseZeros(ctx, collected);
  const all = new Map(bounds);
  const given = new Set<string>();
  for (const range of settings.ranges.map(parseRange) as GivenRange[]) {
    const root = plan.sameAs.get(range.tensor) ?? range.tensor;
    if (!bounds.has(root)) {
      adviseUnknown(ctx, range.tensor, [...bounds.keys()]);
      continue;
    }
    all.set(root, { min: range.min, max: range.max });
    given.add(root);
  }
  // A value that shares its range with another stands alone where the node between them is left out.
  for (const [value, root] of plan.sameAs) all.set(value, all.get(root)!);
  return { bounds: all, collected, given };
}

function adviseUnknown(ctx: StepContext, tensor: string, known: readonly string[]): void {
  ctx.advise({
    level: 'warning',
    code: 'quant/range-of-nothing',
    message: `The range given for "${tensor}" has no effect: no quantized value has this name. There are: ${someOf(known)}.`,
  });
}

function adviseZeros(ctx: StepContext, collected: ReadonlyMap<string, CollectedTensor>): void {
  const zeros = [...collected].filter(([, { range }]) => range.min === 0 && range.max === 0).map(([name]) => name);
  if (zeros.length === 0) return;
  ctx.advise({
    level: 'warning',
    code: 'quant/all-zero',
    message: `${someOf(zeros)}: zero in every calibration sample, so nothing is known of the range and all but the smallest values will be clipped. Give other samples, or exclude the node.`,
  });
}

/** So many values with full pictures; more get coarser ones, so that the report stays small. */
const MANY_VALUES = 300;

/** A row for each calibrated value, for the report: what was seen, what was chosen, and a histogram of at most 64 bins. */
export function rangeFacts({ bounds, collected, given }: StaticRanges, method: StaticParams['method']): JsonObject[] {
  const bins = collected.size > MANY_VALUES ? 16 : 64;
  return [...collected].map(([tensor, { range, picture }]) => {
    const chosen = bounds.get(tensor)!;
    const merge = Math.ceil(picture.counts.length / bins);
    const counts = Array.from({ length: Math.ceil(picture.counts.length / merge) }, (_, i) =>
      picture.counts.subarray(i * merge, (i + 1) * merge).reduce((sum, count) => sum + count, 0),
    );
    const width = (picture.max - picture.min) / picture.counts.length;
    return {
      tensor,
      method: given.has(tensor) ? 'given' : method,
      observed: { min: short(range.min), max: short(range.max) },
      chosen: { min: short(chosen.min), max: short(chosen.max) },
      zeros: range.count - picture.total,
      histogram: { min: short(picture.min), max: short(picture.min + counts.length * merge * width), counts },
    };
  });
}

/** Enough digits for a float32. */
const short = (value: number) => Number(value.toPrecision(9));
