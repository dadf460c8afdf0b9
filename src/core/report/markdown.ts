/** A report as Markdown: for pull requests and wikis. */
import type { Report } from '../study/results.ts';
import { answerOf, questionOf } from './decision.ts';
import { formatBytes, formatDelta, formatMs } from './format.ts';
import { conditionsOf, metricText, type ReportLinks, reproduction, slug, verdictWords } from './parts.ts';
import { type ReportRow, reportRows } from './rows.ts';
import { onlySenders, type SenderRow, senderMetric, senderNote, senderOf, senderRows } from './sender.ts';

export function reportMarkdown(report: Report, links: ReportLinks = {}): string {
  const rows = reportRows(report);
  const theirs = senderRows(report);
  const note = senderNote(report);
  const metrics = report.task.metrics;
  const head = [
    'Variant',
    'Target',
    'File',
    'Change',
    'Latency (median)',
    '5th–95th',
    'Change',
    ...metrics.map(({ short }) => short),
    'Verdict',
  ];
  const lines = [
    `# ${text(report.model.name)}`,
    '',
    `**${text(questionOf(report))}**`,
    '',
    text(answerOf(report)),
    '',
    line(head),
    line(head.map((_, column) => (column < 2 ? '---' : '---:'))),
    ...rows.flatMap((row) => {
      const there = senderOf(row, theirs);
      return [line(cells(report, row)), ...(there ? [line(senderCells(report, there))] : [])];
    }),
    ...onlySenders(theirs, rows).map((row) => line(senderCells(report, row))),
    '',
    ...(note ? [text(note), ''] : []),
    ...notes(rows),
    '## Conditions',
    '',
    ...conditionsOf(report).map(([name, value]) => `- ${text(name)}: ${text(value)}`),
    '',
    '## Reproduce',
    '',
    ...reproduction(report, links).flatMap(({ title, code }) => [`${text(title)}:`, '', fenced(code), '']),
    ...recipes(report),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function cells(report: Report, row: ReportRow): string[] {
  return [
    row.variant,
    row.targetName,
    row.fileBytes === null ? '' : formatBytes(row.fileBytes),
    row.fileRatio === null ? '' : formatDelta(row.fileRatio - 1),
    row.medianMs === null ? '' : formatMs(row.medianMs),
    row.p5Ms === null || row.p95Ms === null ? '' : `${formatMs(row.p5Ms)}–${formatMs(row.p95Ms)}`,
    row.latencyRatio === null
      ? ''
      : row.latencyDifference === 'within noise'
        ? 'noise'
        : formatDelta(row.latencyRatio - 1),
    ...report.task.metrics.map(({ id }) => metricText(report, row, id)),
    row.error ? 'failed' : row.verdict ? verdictWords[row.verdict.verdict] : '',
  ].map(text);
}

function senderCells(report: Report, row: SenderRow): string[] {
  const { latency, verdict } = row.measurement;
  return [
    row.label,
    row.targetName,
    formatBytes(row.fileBytes),
    '',
    latency ? formatMs(latency.medianMs) : '',
    latency ? `${formatMs(latency.p5Ms)}–${formatMs(latency.p95Ms)}` : '',
    '',
    ...report.task.metrics.map(({ id }) => senderMetric(report, row, id)),
    verdict ? verdictWords[verdict] : '',
  ].map(text);
}

function notes(rows: readonly ReportRow[]): string[] {
  const lines = rows.flatMap((row) => {
    const reason = row.error ?? (row.verdict && row.verdict.verdict !== 'baseline' ? row.verdict.reason : null);
    return [...(reason ? [reason] : []), ...row.notes].map(
      (note) => `- ${text(row.variant)}${row.targetName ? `, ${text(row.targetName)}` : ''}: ${text(note)}`,
    );
  });
  return lines.length > 0 ? [...lines, ''] : [];
}

function recipes({ variants }: Report): string[] {
  const changed = variants.filter(({ recipe }) => recipe.steps.length > 0);
  if (changed.length === 0) return [];
  const sections = changed.flatMap(({ recipe }) => [
    `### ${text(recipe.name)}: ${slug(recipe.name)}.recipe.json`,
    '',
    fenced(JSON.stringify(recipe), 'json'),
    '',
  ]);
  return ['## Recipes', '', ...sections];
}

const line = (cell: readonly string[]): string => `| ${cell.join(' | ')} |`;

/** Names are the user's: nothing in them may become markup or leave its cell. */
function text(value: string): string {
  return value.replace(/[\r\n]+/g, ' ').replace(/[\\`*_[\]<>|#]/g, (character) => `\\${character}`);
}

function fenced(code: string, language = ''): string {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${code}\n${fence}`;
}
