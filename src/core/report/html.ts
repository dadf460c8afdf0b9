/**
 * A report as one HTML file that needs nothing else: no script, no network, prints on about two pages. It answers the
 * question first, then shows the figures, then says how they were measured and how to get them again.
 */
import type { Report } from '../study/results.ts';
import { sameTarget } from '../study/run.ts';
import { answerOf, decisions, gateLimit, mainTarget, questionOf, questions, recommended } from './decision.ts';
import { formatBytes, formatDelta, formatMs } from './format.ts';
import { stylesheet } from './html-style.ts';
import {
  conditionsOf,
  metricText,
  type ReportLinks,
  recipeSummary,
  reproduction,
  slug,
  verdictWords,
} from './parts.ts';
import { type ReportRow, reportRows } from './rows.ts';
import { onlySenders, type SenderRow, senderMemory, senderMetric, senderNote, senderOf, senderRows } from './sender.ts';
import { latencyChart, metricChart, type SvgChart, sizeChart, xmlText } from './svg.ts';

export function reportHtml(report: Report, links: ReportLinks = {}): string {
  const rows = reportRows(report);
  const title = `${report.model.name}: which variant may ship`;
  const body = [
    `<header><h1>${xmlText(questionOf(report))}</h1>${answer(report)}</header>`,
    ...byTarget(rows).map((group) => table(report, group)),
    senderOnly(report, rows),
    charts(report, rows),
    section('Where each variant runs', runtimes(report)),
    section('What was done to the model', steps(report)),
    section('Conditions', definitions(conditionsOf(report))),
    section(
      'Reproduce',
      reproduction(report, links)
        .map(({ title: what, code }) => `<p>${xmlText(what)}:</p><pre>${xmlText(code)}</pre>`)
        .join(''),
    ),
    section('Recipes', recipes(report)),
  ];
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    // Nothing may be fetched or run, whatever a name in the report holds.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${xmlText(title)}</title><style>${stylesheet}</style></head>`,
    `<body><main>${body.join('\n')}</main></body></html>`,
    '',
  ].join('\n');
}

function answer(report: Report): string {
  const target = mainTarget(report);
  const best = target ? recommended(decisions(report, target)) : undefined;
  const sentence = `<p class="answer">${xmlText(answerOf(report))}</p>`;
  if (!best) return sentence;
  const cells = questions.map(({ id, question }) => {
    const { headline, detail } = best[id];
    return `<div><dt>${question}</dt><dd><strong>${xmlText(headline)}</strong><span>${xmlText(detail)}</span></dd></div>`;
  });
  return `${sentence}<dl class="answers">${cells.join('')}</dl>`;
}

function byTarget(rows: readonly ReportRow[]): ReportRow[][] {
  const groups: ReportRow[][] = [];
  for (const row of rows) {
    const group = groups.find(([first]) => sameTarget(first!.target, row.target));
    if (group) group.push(row);
    else groups.push([row]);
  }
  return groups;
}

function table(report: Report, rows: readonly ReportRow[]): string {
  const metrics = report.task.metrics;
  const theirs = senderRows(report);
  const lines = rows.flatMap((row) => {
    const cells = [
      row.fileBytes === null ? '' : formatBytes(row.fileBytes),
      row.fileRatio === null ? '' : formatDelta(row.fileRatio - 1),
      row.medianMs === null ? '' : formatMs(row.medianMs),
      row.p5Ms === null || row.p95Ms === null ? '' : `${formatMs(row.p5Ms)}–${formatMs(row.p95Ms)}`,
      row.latencyRatio === null
        ? ''
        : row.latencyDifference === 'within noise'
          ? 'noise'
          : formatDelta(row.latencyRatio - 1),
      memory(row),
      ...metrics.map(({ id }) => metricText(report, row, id)),
    ];
    const verdict = row.error ? 'failed' : row.verdict ? verdictWords[row.verdict.verdict] : '';
    const line = `<tr><th scope="row">${xmlText(row.variant)}</th>${cells.map((cell) => `<td>${xmlText(cell)}</td>`).join('')}<td class="${row.verdict?.verdict ?? 'none'}">${xmlText(verdict)}</td></tr>`;
    const there = senderOf(row, theirs);
    return there ? [line, senderLine(report, there)] : [line];
  });
  const caption = rows[0]?.targetName || 'Not run';
  const why = rows.flatMap((row) => {
    const reason = row.error ?? (row.verdict && row.verdict.verdict !== 'baseline' ? row.verdict.reason : null);
    return [...(reason ? [reason] : []), ...row.notes].map(
      (note) => `<li><b>${xmlText(row.variant)}</b>: ${xmlText(note)}</li>`,
    );
  });
  const devices = rows.some((row) => senderOf(row, theirs)) ? devicesHint(report) : '';
  return `<section><h2>${xmlText(caption)}</h2>${devices}${tableOf(report, lines)}${why.length > 0 ? `<ul>${why.join('')}</ul>` : ''}<p class="hint">Memory is measured, but for what is marked ~, which is predicted from the graph. Changes are against the original on the same target.</p></section>`;
}

function tableOf({ task }: Report, lines: readonly string[]): string {
  const metrics = task.metrics.map(({ short }) => short);
  const head = ['Variant', 'File', 'Change', 'Latency', '5th–95th', 'Change', 'Memory', ...metrics, 'Gate'];
  return `<table><thead><tr>${head.map((cell) => `<th scope="col">${xmlText(cell)}</th>`).join('')}</tr></thead><tbody>${lines.join('')}</tbody></table>`;
}

/** Under the own figures of the same variant, so that both stand beside each other. */
function senderLine(report: Report, row: SenderRow): string {
  const { latency, verdict } = row.measurement;
  const cells = [
    formatBytes(row.fileBytes),
    '',
    latency ? formatMs(latency.medianMs) : '',
    latency ? `${formatMs(latency.p5Ms)}–${formatMs(latency.p95Ms)}` : '',
    '',
    senderMemory(row),
    ...report.task.metrics.map(({ id }) => senderMetric(report, row, id)),
    verdict ? verdictWords[verdict] : '',
  ];
  return `<tr class="sender"><th scope="row">${xmlText(row.label)}</th>${cells.map((cell) => `<td>${xmlText(cell)}</td>`).join('')}</tr>`;
}

/** Targets that only the sender measured. */
function senderOnly(report: Report, rows: readonly ReportRow[]): string {
  const theirs = onlySenders(senderRows(report), rows);
  return [...new Set(theirs.map(({ targetName }) => targetName))]
    .map((name) => {
      const lines = theirs.filter(({ targetName }) => targetName === name).map((row) => senderLine(report, row));
      return `<section><h2>${xmlText(name)}, by the sender only</h2>${devicesHint(report)}${tableOf(report, lines)}</section>`;
    })
    .join('');
}

function devicesHint(report: Report): string {
  return `<p class="hint">${xmlText(senderNote(report) ?? '')}</p>`;
}

function memory(row: ReportRow): string {
  const measured = [
    ['heap', row.wasmHeapPeakBytes],
    ['GPU', row.gpuBufferPeakBytes],
    ['process', row.processPeakBytes],
  ] as const;
  const known = measured.flatMap(([kind, bytes]) => (bytes === null ? [] : [`${formatBytes(bytes)} ${kind}`]));
  if (known.length > 0) return known.join(', ');
  const { weightBytes, predictedPeakActivationBytes: activations } = row;
  return weightBytes === null || activations === null ? '' : `~${formatBytes(weightBytes + activations)}`;
}

function charts(report: Report, rows: readonly ReportRow[]): string {
  const found: (SvgChart | undefined)[] = byTarget(rows).flatMap((group, index) => [
    index === 0 ? sizeChart(group) : undefined,
    latencyChart(group),
    index === 0 && report.task.metrics[0]
      ? metricChart(group, report.task.metrics[0], gateLimit(report, group))
      : undefined,
  ]);
  const figures = found.flatMap((chart) =>
    chart
      ? [
          `<figure><figcaption>${xmlText(chart.title)}</figcaption>${chart.svg}<p class="hint">${xmlText(chart.summary)}</p></figure>`,
        ]
      : [],
  );
  return figures.length > 0 ? `<section class="charts">${figures.join('')}</section>` : '';
}

function runtimes(report: Report): string {
  const known = report.variants.flatMap(({ recipe, facts }) =>
    facts?.runtimes ? [{ name: recipe.name, fits: facts.runtimes.fits }] : [],
  );
  const [first] = known;
  if (!first) return '';
  const words = { runs: 'runs', partly: 'partly', 'does-not-run': 'no' } as const;
  const head = first.fits.map(({ title }) => `<th scope="col">${xmlText(title)}</th>`).join('');
  const lines = known.map(
    ({ name, fits }) =>
      `<tr><th scope="row">${xmlText(name)}</th>${fits.map(({ level, evidence }) => `<td>${words[level]}${evidence === 'documented' ? '*' : ''}</td>`).join('')}</tr>`,
  );
  return `<table class="small"><thead><tr><th scope="col">Variant</th>${head}</tr></thead><tbody>${lines.join('')}</tbody></table><p class="hint">* read in the runtime's documents, not run. The reasons are in report.json.</p>`;
}

function steps(report: Report): string {
  const lists = report.variants.flatMap(({ recipe, facts }) => {
    const fired = facts?.ledger.filter((step) => step.fired > 0) ?? [];
    const undone = facts?.ledger.flatMap(({ rolledBack }) => rolledBack?.message ?? []) ?? [];
    if (fired.length + undone.length === 0) return [];
    const notes = [...undone, ...(facts?.proof && facts.proof.status !== 'skipped' ? [facts.proof.reason] : [])];
    const items = fired.map(
      ({ title, fired: times, nodesBefore, nodesAfter }) =>
        `${xmlText(title)} (${times}×${nodesBefore === nodesAfter ? '' : `, ${nodesAfter - nodesBefore} nodes`})`,
    );
    return [
      `<p><b>${xmlText(recipe.name)}</b>, ${facts!.nodes} nodes: ${items.join(' · ')}${notes.map((note) => `<br>${xmlText(note)}`).join('')}</p>`,
    ];
  });
  return lists.join('');
}

function recipes(report: Report): string {
  const changed = report.variants.filter(({ recipe }) => recipe.steps.length > 0);
  // Paper has no room for the whole of them, which the link and this file hold.
  const onPaper = changed.map(
    ({ recipe }) => `<p class="paper"><b>${xmlText(recipe.name)}</b>: ${xmlText(recipeSummary(recipe))}</p>`,
  );
  return changed
    .map(
      ({ recipe, facts }) =>
        `<details><summary>${xmlText(recipe.name)} <code>${slug(recipe.name)}.recipe.json</code>${facts ? ` <span class="hint">variant ${xmlText(facts.key.slice(0, 16))}</span>` : ''}</summary><pre>${xmlText(JSON.stringify(recipe, null, 1))}</pre></details>`,
    )
    .concat(onPaper)
    .join('');
}

function definitions(pairs: readonly (readonly [string, string])[]): string {
  return `<dl class="conditions">${pairs.map(([name, value]) => `<dt>${xmlText(name)}</dt><dd>${xmlText(value)}</dd>`).join('')}</dl>`;
}

function section(title: string, content: string): string {
  return content === '' ? '' : `<section><h2>${title}</h2>${content}</section>`;
}
