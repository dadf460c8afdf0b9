/** Pieces that every written report has: conditions, hashes, how to get the same again. */
import type { Recipe } from '../recipe/schema.ts';
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
    ['SHA-256 of the model', model.sha256 ?? unhashed(model.ref)],
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

/** Models above 64 MB are told by slices, so that opening them does not wait for a hash. */
function unhashed(ref: Report['model']['ref']): string {
  if (ref.kind === 'hub' && ref.sha256) return ref.sha256;
  return ref.kind === 'file' && ref.probe ? `not computed for one this large; hash of slices ${ref.probe}` : 'unknown';
}

/** The link, where there is one, and the command line for each recipe. */
export function reproduction(
  report: Report,
  { link }: ReportLinks,
): { readonly title: string; readonly code: string }[] {
  const file = modelArgument(report);
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
        {
          title: 'All of it on the command line',
          code: `whittle compare ${file}${inputsArgument(report)} --link ${quoted(link)}`,
        },
      ]
    : [];
  return [...compare, ...steps];
}

/** The model as the command line takes it: a sample by its id, else the file that the reader has. */
function modelArgument({ model: { ref } }: Report): string {
  switch (ref.kind) {
    case 'sample':
      return `--sample ${quoted(ref.id)}`;
    case 'file':
      return quoted(ref.name);
    case 'url':
      return quoted(decodeURIComponent(new URL(ref.url).pathname.split('/').at(-1) ?? '') || 'model.onnx');
    case 'hub':
      return quoted(ref.path.split('/').at(-1)!);
  }
}

const FEW_FILES = 4;

/** A link names the user's own arrays and cannot carry them. */
function inputsArgument({ task: { ref } }: Report): string {
  if (ref.kind !== 'files') return '';
  const names = ref.names.length <= FEW_FILES ? ref.names : ['FOLDER'];
  return names.map((name) => ` --inputs ${quoted(name)}`).join('');
}

/**
 * What a recipe does, short enough for paper: steps that stand at their defaults by their number, the others with what
 * was set.
 */
export function recipeSummary({ steps }: Recipe): string {
  const parts: string[] = [];
  let plain: string[] = [];
  const flush = () => {
    if (plain.length > 3) parts.push(`${plain[0]} to ${plain.at(-1)} (${plain.length} steps as they come)`);
    else parts.push(...plain);
    plain = [];
  };
  for (const { id, params } of steps) {
    const set = Object.entries(params);
    if (set.length === 0) {
      plain.push(id);
      continue;
    }
    flush();
    parts.push(`${id} (${set.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(', ')})`);
  }
  flush();
  return parts.join(', then ');
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
