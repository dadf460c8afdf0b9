/** A report as plain text: what the command line prints. */

import { formatMetric } from '../eval/format.ts';
import type { Report } from '../study/results.ts';
import { sameTarget } from '../study/run.ts';
import { plainMegabytes } from './format.ts';
import { type MetricCell, overallVerdict, type ReportRow, reportRows } from './rows.ts';
import { onlySenders, type SenderRow, senderMemory, senderMetric, senderNote, senderOf, senderRows } from './sender.ts';
import { formatTable } from './table.ts';

const verdictWords = {
  pass: 'PASS',
  fail: 'FAIL',
  inconclusive: 'TOO FEW SAMPLES',
  baseline: 'original',
  'not-evaluated': 'NOT EVALUATED',
} as const;

export function reportText(report: Report): string {
  const rows = reportRows(report);
  const theirs = senderRows(report);
  const lines: string[] = [
    `${report.model.name}: ${plainMegabytes(report.model.fileBytes)}, ${report.model.parameters.toLocaleString('en')} parameters`,
    `Task: ${report.task.title}. Gate: at most ${gateText(report)} worse, at ${(report.gate.confidence * 100).toFixed(0)} % confidence.`,
  ];
  for (const own of rowsByTarget(rows)) {
    lines.push(
      '',
      own[0]!.targetName || 'Not run',
      formatTable([
        header(report),
        ...own.flatMap((row) => {
          const there = senderOf(row, theirs);
          return [cells(report, row), ...(there ? [senderCells(report, there)] : [])];
        }),
      ]),
    );
    for (const row of own) {
      const problem = row.error ?? (row.verdict && row.verdict.verdict !== 'baseline' ? row.verdict.reason : null);
      if (problem) lines.push(`  ${row.variant}: ${problem}`);
      for (const note of row.notes) lines.push(`  ${row.variant}: note: ${note}`);
    }
  }
  const others = onlySenders(theirs, rows);
  if (others.length > 0)
    lines.push(
      '',
      'By the sender only',
      formatTable([header(report), ...others.map((row) => senderCells(report, row))]),
    );
  const note = senderNote(report);
  if (note) lines.push('', note);
  if (rows.some((row) => memoryText(row).startsWith('~')))
    lines.push('', '~ predicted: weights and the peak of activations. Other memory is measured.');
  lines.push('', `Gate: ${overallWords[overallVerdict(report)]}`);
  return lines.join('\n');
}

function rowsByTarget(rows: readonly ReportRow[]): ReportRow[][] {
  const groups: ReportRow[][] = [];
  for (const row of rows) {
    const group = groups.find(([first]) => sameTarget(first!.target, row.target));
    if (group) group.push(row);
    else groups.push([row]);
  }
  return groups;
}

const overallWords = {
  pass: 'passed',
  fail: 'FAILED',
  inconclusive: 'inconclusive (too few samples to say)',
  'not-evaluated': 'not evaluated',
} as const;

function header(report: Report): string[] {
  return [
    '  variant',
    'file',
    '',
    'median',
    'p5-p95',
    '',
    'memory',
    ...report.task.metrics.slice(0, 2).map((metric) => metric.short),
    'verdict',
  ];
}

function cells(report: Report, row: ReportRow): string[] {
  const metrics = report.task.metrics.slice(0, 2).map(({ id }) => {
    const cell = row.metrics.find((candidate) => candidate.id === id);
    return cell ? metricText(report, cell) : '-';
  });
  return [
    `  ${row.variant}`,
    row.fileBytes === null ? '-' : plainMegabytes(row.fileBytes),
    row.fileRatio === null ? '' : change(row.fileRatio),
    row.medianMs === null ? '-' : `${significant(row.medianMs)} ms`,
    row.p5Ms === null || row.p95Ms === null ? '' : `${significant(row.p5Ms)}-${significant(row.p95Ms)}`,
    row.latencyRatio === null ? '' : row.latencyDifference === 'within noise' ? 'noise' : change(row.latencyRatio),
    memoryText(row),
    ...metrics,
    row.verdict ? verdictWords[row.verdict.verdict] : row.error ? verdictWords['not-evaluated'] : '',
  ];
}

function senderCells(report: Report, row: SenderRow): string[] {
  const { latency, verdict } = row.measurement;
  return [
    `  ${row.label}`,
    plainMegabytes(row.fileBytes),
    '',
    latency ? `${significant(latency.medianMs)} ms` : '-',
    latency ? `${significant(latency.p5Ms)}-${significant(latency.p95Ms)}` : '',
    '',
    senderMemory(row) || '-',
    ...report.task.metrics.slice(0, 2).map(({ id }) => senderMetric(report, row, id) || '-'),
    verdict ? verdictWords[verdict] : '',
  ];
}

/** Measured where it could be, else predicted. */
function memoryText(row: ReportRow): string {
  const measured = [
    ['GPU', row.gpuBufferPeakBytes],
    ['heap', row.wasmHeapPeakBytes],
    ['process', row.processPeakBytes],
  ] as const;
  const known = measured.flatMap(([kind, bytes]) => (bytes === null ? [] : [`${plainMegabytes(bytes)} ${kind}`]));
  if (known.length > 0) return known.join(' + ');
  const { weightBytes, predictedPeakActivationBytes: activations } = row;
  return weightBytes === null || activations === null ? '-' : `~${plainMegabytes(weightBytes + activations)}`;
}

function metricText(report: Report, cell: MetricCell): string {
  const definition = report.task.metrics.find(({ id }) => id === cell.id)!;
  const bare = (value: number) => formatMetric(value, definition).replace(/ (%|dB)$/, '');
  const interval = cell.interval ? ` [${bare(cell.interval[0])}, ${bare(cell.interval[1])}]` : '';
  return `${formatMetric(cell.value, definition)}${interval}`;
}

function gateText({ gate, task }: Report): string {
  const metric = task.metrics[0]?.short ?? 'the metric';
  return gate.mode === 'relative'
    ? `${+(gate.maxWorse * 100).toFixed(4)} % (of the original's ${metric})`
    : `${gate.maxWorse} (${metric})`;
}

const significant = (ms: number) =>
  ms < 1 ? ms.toFixed(3) : ms < 10 ? ms.toFixed(2) : ms < 1000 ? ms.toFixed(1) : ms.toFixed(0);

function change(ratio: number): string {
  const percent = (ratio - 1) * 100;
  return `${percent > 0 ? '+' : ''}${percent.toFixed(0)} %`;
}
