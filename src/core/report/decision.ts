/**
 * The four questions of a room, answered from a report: how much smaller, how much faster, what did we lose, may we
 * ship. The same sentences stand in the presentation and in the exported reports.
 */
import type { MetricDefinition } from '../eval/types.ts';
import type { Report, Verdict } from '../study/results.ts';
import { sameTarget } from '../study/run.ts';
import type { Target } from '../study/schema.ts';
import { formatBytes, formatDelta, formatMetric, formatMs } from './format.ts';
import { type ReportRow, reportRows } from './rows.ts';

export interface Answer {
  /** Large on the wall: "4.9× smaller", "no clear difference". */
  readonly headline: string;
  /** The figures behind it, with units. */
  readonly detail: string;
}

/** In the order in which a room asks. */
export const questions = [
  { id: 'smaller', question: 'How much smaller?', word: 'Smaller' },
  { id: 'faster', question: 'How much faster?', word: 'Faster' },
  { id: 'lost', question: 'What did we lose?', word: 'Lost' },
  { id: 'ship', question: 'May we ship it?', word: 'Ship' },
] as const;
export type QuestionId = (typeof questions)[number]['id'];

export interface Decision {
  readonly row: ReportRow;
  readonly original: ReportRow | undefined;
  readonly smaller: Answer;
  readonly faster: Answer;
  readonly lost: Answer;
  readonly ship: Answer & { readonly verdict: Verdict['verdict'] };
}

/** @returns one decision for each variant on the target, the original first */
export function decisions(report: Report, target: Target): Decision[] {
  const rows = reportRows(report).filter((row) => sameTarget(row.target, target));
  const original = rows.find(({ variantIndex }) => variantIndex === 0);
  return rows.map((row) => ({
    row,
    original,
    smaller: smallerAnswer(row, original),
    faster: fasterAnswer(row, original),
    lost: lostAnswer(row, original, report.task.metrics[0]),
    ship: shipAnswer(row),
  }));
}

/**
 * What to ship by this report: of the variants that pass the gate on the target the smallest file, the faster of two
 * equal ones. Undefined where none passes.
 */
export function recommended(all: readonly Decision[]): Decision | undefined {
  const passing = all.filter(
    ({ row, ship }) => row.variantIndex > 0 && ship.verdict === 'pass' && row.fileBytes !== null,
  );
  return passing.toSorted(
    (a, b) => a.row.fileBytes! - b.row.fileBytes! || (a.row.medianMs ?? Infinity) - (b.row.medianMs ?? Infinity),
  )[0];
}

/** The target that the report's question is about: the first that was measured. */
export function mainTarget(report: Report): Target | undefined {
  return report.variants.flatMap(({ measurements }) => measurements)[0]?.target;
}

/** "2.1×" from 10 % on, "7.3 %" below: a factor of 1.04 says nothing to a room. */
function factor(ratio: number): string {
  if (ratio >= 1.1) return `${ratio.toFixed(ratio >= 9.95 ? 0 : 1)}×`;
  return formatDelta(ratio - 1).replace('+', '');
}

/** Settings that changed since, or never ran, have no figures: that is no failure. */
const notYet: Answer = {
  headline: 'not measured yet',
  detail: 'It has not been run with its present settings.',
};

function smallerAnswer(
  { variantIndex, fileBytes, fileRatio, error }: ReportRow,
  original: ReportRow | undefined,
): Answer {
  if (fileBytes === null && error === null) return notYet;
  if (fileBytes === null) return { headline: 'not built', detail: error ?? '' };
  if (variantIndex === 0 || fileRatio === null || !original?.fileBytes)
    return { headline: formatBytes(fileBytes), detail: 'The file as it was loaded.' };
  const detail = `${formatBytes(original.fileBytes)} → ${formatBytes(fileBytes)} (${formatDelta(fileRatio - 1)})`;
  if (Math.abs(fileRatio - 1) < 0.005) return { headline: 'the same size', detail };
  if (fileRatio > 1) return { headline: `${factor(fileRatio)} larger`, detail };
  // A share reads better than a factor where little was saved.
  const headline =
    fileRatio > 1 / 1.1 ? `${formatDelta(1 - fileRatio).replace('+', '')} smaller` : `${factor(1 / fileRatio)} smaller`;
  return { headline, detail };
}

function fasterAnswer(row: ReportRow, original: ReportRow | undefined): Answer {
  const { medianMs, p5Ms, p95Ms, latencyRatio, latencyDifference, runs } = row;
  if (medianMs === null && row.fileBytes === null && row.error === null) return notYet;
  if (medianMs === null) return { headline: 'not measured', detail: row.error ?? 'It was not run on this target.' };
  const spread =
    p5Ms === null || p95Ms === null ? '' : `, 5th to 95th percentile ${formatMs(p5Ms)} to ${formatMs(p95Ms)}`;
  const own = `median ${formatMs(medianMs)} of ${runs} runs${spread}`;
  if (row.variantIndex === 0 || latencyRatio === null || !original?.medianMs)
    return { headline: formatMs(medianMs), detail: capitalized(`${own}.`) };
  const detail = `${formatMs(original.medianMs)} → ${own}`;
  if (latencyDifference === 'within noise') return { headline: 'no clear difference', detail };
  if (latencyRatio > 1) return { headline: `${factor(latencyRatio)} slower`, detail };
  const headline =
    latencyRatio > 1 / 1.1
      ? `${formatDelta(1 - latencyRatio).replace('+', '')} faster`
      : `${factor(1 / latencyRatio)} faster`;
  return { headline, detail };
}

function lostAnswer(row: ReportRow, original: ReportRow | undefined, definition: MetricDefinition | undefined): Answer {
  const cell = row.metrics.find(({ id }) => id === definition?.id);
  if (!cell && row.fileBytes === null && row.error === null) return notYet;
  if (!definition || !cell)
    return { headline: 'not evaluated', detail: row.error ?? 'It was not evaluated on this target.' };
  const interval = cell.interval
    ? ` (${formatMetric(cell.interval[0], definition)} to ${formatMetric(cell.interval[1], definition)})`
    : '';
  const value = `${formatMetric(cell.value, definition)}${interval} on ${cell.n} samples`;
  if (row.variantIndex === 0 || cell.difference === null)
    return { headline: formatMetric(cell.value, definition), detail: `${definition.title}: ${value}.` };
  const before = original?.metrics.find(({ id }) => id === definition.id);
  const detail = `${definition.title}: ${before ? `${formatMetric(before.value, definition)} → ` : ''}${value}`;
  if (!Number.isFinite(cell.difference)) return { headline: formatMetric(cell.value, definition), detail };
  const worse = definition.direction === 'higher-is-better' ? -cell.difference : cell.difference;
  const amount = pointsOf(Math.abs(worse), definition);
  if (Number.parseFloat(amount) === 0) return { headline: 'nothing measurable', detail };
  return { headline: worse > 0 ? `${amount} worse` : `${amount} better`, detail };
}

/** A difference of percentages is in points. */
function pointsOf(amount: number, definition: MetricDefinition): string {
  if (definition.format !== 'percent') return formatMetric(amount, definition);
  const text = String(+(amount * 100).toFixed(definition.decimals));
  return `${text} ${text === '1' ? 'point' : 'points'}`;
}

const shipWords: Readonly<Record<Verdict['verdict'], string>> = {
  pass: 'Yes',
  fail: 'No',
  inconclusive: 'Too few samples to say',
  baseline: 'This is the original',
  'not-evaluated': 'Not evaluated',
};

function shipAnswer({ verdict, error, fileBytes }: ReportRow): Decision['ship'] {
  if (!verdict && !error && fileBytes === null) return { verdict: 'not-evaluated', ...notYet };
  if (!verdict)
    return {
      verdict: 'not-evaluated',
      headline: shipWords['not-evaluated'],
      detail: error ?? 'It has not been judged.',
    };
  return { verdict: verdict.verdict, headline: shipWords[verdict.verdict], detail: verdict.reason };
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How much worse the gate allows: "2 % of the original's value", "1 point", "0.5 dB". */
export function gateAllowance({ gate, task }: Report): string {
  const [metric] = task.metrics;
  if (gate.mode === 'relative') return `${+(gate.maxWorse * 100).toFixed(4)} % of the original's value`;
  return metric ? pointsOf(gate.maxWorse, metric) : String(gate.maxWorse);
}

/** The metric's value at which the gate closes, by the original's on the same target. */
export function gateLimit(report: Report, rows: readonly ReportRow[]): number | undefined {
  const [definition] = report.task.metrics;
  const original = rows.find(({ variantIndex }) => variantIndex === 0)?.metrics.find(({ id }) => id === definition?.id);
  if (!definition || !original) return undefined;
  const { mode, maxWorse } = report.gate;
  const step = mode === 'relative' ? Math.abs(original.value) * maxWorse : maxWorse;
  return definition.direction === 'higher-is-better' ? original.value - step : original.value + step;
}

/**
 * Memory at its peak against the original's: measured where both were, else predicted from the graph; it says which.
 * @returns null where neither is known
 */
export function memoryWords(row: ReportRow, original: ReportRow | undefined): string | null {
  const kinds = [
    ['WASM heap', (of: ReportRow) => of.wasmHeapPeakBytes],
    ['GPU buffers', (of: ReportRow) => of.gpuBufferPeakBytes],
    ['process', (of: ReportRow) => of.processPeakBytes],
  ] as const;
  const isBaseline = row.variantIndex === 0;
  const change = (of: (row: ReportRow) => number | null): string | null => {
    const [now, before] = [of(row), original ? of(original) : null];
    if (now === null) return null;
    return isBaseline || before === null ? formatBytes(now) : `${formatBytes(before)} → ${formatBytes(now)}`;
  };
  const measured = kinds.flatMap(([name, of]) => {
    const text = change(of);
    return text === null ? [] : [`${text} (${name})`];
  });
  if (measured.length > 0) return `Memory at its peak, measured: ${measured.join(', ')}.`;
  const predicted = change(({ weightBytes, predictedPeakActivationBytes: activations }) =>
    weightBytes === null || activations === null ? null : weightBytes + activations,
  );
  return predicted && `Memory at its peak, predicted from the graph and not measured: ${predicted}.`;
}

/** What to do by the gate, beside the verdict of one variant. */
export function adviceWords({ row }: Decision, all: readonly Decision[]): string {
  const best = recommended(all);
  const where = row.targetName ? ` on ${row.targetName}` : '';
  if (!best) return `No variant passes the gate${where} so far.`;
  if (best.row.variantIndex === row.variantIndex) return `It is the smallest that passes the gate${where}.`;
  return `The smallest that passes the gate${where} is ${best.row.variant}: ${best.smaller.headline}, ${best.faster.headline}.`;
}

/** What the report asks, in one sentence. */
export function questionOf(report: Report): string {
  const { model, task, variants } = report;
  const metric = task.metrics[0];
  const count = variants.length - 1;
  return `Which of ${count === 1 ? 'one variant' : `${count} variants`} of ${model.name} may replace it, if ${metric?.title ?? 'the metric'} on “${task.title}” may get worse by at most ${gateAllowance(report)}?`;
}

/** The answer to it, in one sentence. */
export function answerOf(report: Report): string {
  const target = mainTarget(report);
  if (!target) return 'Nothing has been measured yet.';
  const all = decisions(report, target);
  const best = recommended(all);
  const where = all[0]?.row.targetName ?? '';
  if (!best) {
    const open = all.some(({ ship }) => ship.verdict === 'inconclusive');
    return open
      ? `None passes on ${where} so far: there are too few samples to say.`
      : `None of them passes the gate on ${where}.`;
  }
  return `${best.row.variant}: ${best.smaller.headline}, ${best.faster.headline} on ${where}, ${best.lost.headline === 'nothing measurable' ? 'with no measurable loss' : best.lost.headline}.`;
}
