/** Pieces that every written report has: conditions, hashes, how to get the same again. */
import type { Report, Verdict } from '../study/results.ts';
import { gateAllowance } from './decision.ts';
import { formatBytes, formatCount, formatInterval, formatMetric } from './format.ts';
import { measuredTargetName, type ReportRow } from './rows.ts';
import { senderConditions } from './sender.ts';

export interface ReportLinks {
  /** The address that opens the study in the page. */
  readonly link?: string | undefined;
}

export const verdictWords: Readonly<Record<Verdict['verdict'], string>> = {
  pass: 'pass',
  fail: 'fail',
  inconclusive: 'too few samples',
  baseline: 'original',
  'not-evaluated': 'not evaluated',
};

/** "97.2 % (95.1 to 98.4 %), n = 500"; empty where there is no figure. */
export function metricText(report: Report, row: ReportRow, id: string): string {
  const definition = report.task.metrics.find((metric) => metric.id === id);
  const cell = row.metrics.find((metric) => metric.id === id);
  if (!definition || !cell) return '';
  const interval = cell.interval ? ` (${formatInterval(cell.interval, definition)})` : '';
  return `${formatMetric(cell.value, definition)}${interval}`;
}

/** Names and values: on what, how and when it was measured. */
export function conditionsOf(report: Report): readonly (readonly [string, string])[] {
  const { environment, model, task, gate, variants } = report;
  const measured = variants.flatMap(({ measurements }) => measurements);
  const engines = new Set(
    measured.filter(({ engine }) => engine.name).map(({ engine }) => `${engine.name} ${engine.version}`),
  );
  const targets = new Set(measured.map(measuredTargetName));
  const moments = measured.map(({ measuredAt }) => measuredAt).sort();
  const interleaved = measured.some(({ latency }) => latency?.interleaved);
  return [
    ['Model', `${model.name}, ${formatBytes(model.fileBytes)}, ${formatCount(model.parameters)} parameters`],
    ['SHA-256 of the model', model.sha256 ?? 'unknown'],
    ['Task', `${task.title}, ${formatCount(task.samples)} samples`],
    ['Gate', `worse by at most ${gateAllowance(report)}, at ${(gate.confidence * 100).toFixed(0)} % confidence`],
    ['Targets', [...targets].join(', ') || 'none'],
    ['Runtime', [...engines].join(', ') || 'none'],
    [
      'Device',
      `${environment.userAgent}; ${environment.logicalCores} logical cores${environment.webgpuAdapter ? `; WebGPU: ${environment.webgpuAdapter}` : ''}`,
    ],
    [
      'Latency',
      `whole runs, inputs copied in and outputs read back${interleaved ? '; variants took turns' : ''}; warm-up left out`,
    ],
    ['Measured', moments.length > 0 ? `${moments[0]} to ${moments.at(-1)}` : 'not yet'],
    ...senderConditions(report),
    ['Whittle', environment.whittleVersion],
  ];
}

/** The link, where there is one, and the command line for each recipe. */
export function reproduction(
  report: Report,
  { link }: ReportLinks,
): { readonly title: string; readonly code: string }[] {
  const file = quoted(report.model.name);
  const steps = report.variants.flatMap(({ recipe }) =>
    recipe.steps.length === 0
      ? []
      : [
          {
            title: `“${recipe.name}” from the recipe below`,
            code: `whittle optimize ${file} --recipe ${quoted(`${slug(recipe.name)}.recipe.json`)}`,
          },
        ],
  );
  const compare = link
    ? [
        { title: 'Open the same study in the page', code: link },
        { title: 'All of it on the command line', code: `whittle compare ${file} --link ${quoted(link)}` },
      ]
    : [];
  return [...compare, ...steps];
}

export function slug(name: string): string {
  return (
    name
      .replace(/[^\w-]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .toLowerCase() || 'recipe'
  );
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
