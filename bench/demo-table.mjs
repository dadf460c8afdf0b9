// Makes docs/DEMO-TABLE.md: what each precision costs the three demo models, by the command line's own `compare`.
// Usage: node bench/demo-table.mjs [--samples=N] [--keep=FOLDER]   (needs npm run build; about ten minutes on two cores)
//   --samples=N    a quick look instead of all samples; nothing is written but to the terminal
//   --keep=FOLDER  also leaves the reports there; those that are there already are not measured again
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const flags = Object.fromEntries(
  process.argv.filter((arg) => arg.startsWith('--')).map((arg) => arg.slice(2).split('=')),
);
const presets = ['fp16', 'int8-dynamic', 'int8-dynamic-per-tensor', 'int8-weights', 'int4-rtn'];
/** The samples, and how many of theirs are evaluated: 10,000 images add nothing that 2,000 do not show. */
const subjects = [
  { id: 'fashion-mobile', samples: 2000 },
  { id: 'lm-target', samples: 100 },
  { id: 'ocr-rec', samples: 320 },
];
const THREADS = 2;
/** At most: four seconds a variant are the limit of any study. */
const RUNS = 100;

const load = async (path) =>
  (await runnerImport(join(root, path), { root, configFile: false, logLevel: 'error' })).module;
const { reportRows } = await load('src/core/report/rows.ts');
const { formatAmount, formatMetric } = await load('src/core/eval/format.ts');

const folder = flags.keep ?? mkdtempSync(join(tmpdir(), 'demo-table-'));
mkdirSync(folder, { recursive: true });
try {
  const sections = [];
  for (const { id, samples } of subjects) {
    const path = join(folder, `${id}.json`);
    if (!existsSync(path)) await measure(id, Number(flags.samples ?? samples), path);
    const { report, load } = JSON.parse(readFileSync(path, 'utf8'));
    sections.push(section(id, report, load));
  }
  const text = `${head()}\n${sections.join('\n')}`;
  if (flags.samples) process.stdout.write(text);
  else writeFileSync(join(root, 'docs/DEMO-TABLE.md'), text);
} finally {
  if (!flags.keep) rmSync(folder, { recursive: true, force: true });
}

/** Writes the report with the machine's load before and after (one-minute averages; this command itself makes two). */
async function measure(id, samples, path) {
  const before = loadavg()[0];
  const output = `${path}.part`;
  const options = ['--provider', 'wasm', '--threads', THREADS, '--runs', RUNS, '--samples', samples, '--json', output];
  const args = ['compare', '--sample', id, ...presets.flatMap((preset) => ['--preset', preset]), ...options];
  const child = spawn(process.execPath, [join(root, 'dist-node/whittle.js'), ...args.map(String)], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const status = await new Promise((resolve) => child.on('exit', resolve));
  // 1 says that a variant fails the gate, which is what some of them are there for.
  if (status !== 0 && status !== 1) throw new Error(`compare of ${id} ended with status ${status}`);
  const report = JSON.parse(readFileSync(output, 'utf8'));
  writeFileSync(path, JSON.stringify({ report, load: [before, loadavg()[0]] }));
  rmSync(output);
}

function head() {
  const machine = `Node ${process.versions.node}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores`;
  return `# What each precision costs

Made by \`node bench/demo-table.mjs\` after \`npm run build\`; do not edit. Every figure is measured by the command line's
\`compare\`: the metric with its 95 % interval, the file as it is saved, and the median latency as a ratio to the original's,
all variants taking turns (onnxruntime-web, WASM, ${THREADS} threads, up to ${RUNS} runs each; ${machine}).
Ratios only, since absolute times say more about the machine; "noise": not told from no difference (BENCHMARKING.md).
The verdict rests on the paired difference, which is sharper than two intervals side by side.
`;
}

function section(id, report, load) {
  const [definition] = report.task.metrics;
  const rows = reportRows(report).map((row) => line(row, definition));
  const { gate } = report;
  return `
## ${report.model.name} (\`${id}\`)

${report.task.title}: ${report.variants[0].measurements[0].evaluation.n} samples. Gate: at most ${formatAmount(gate.maxWorse, gate.mode, definition)} worse${gate.mode === 'relative' ? " than the original's value" : ''}. The machine's load
(one-minute average, ${cpus().length} cores) was ${load.map((value) => value.toFixed(1)).join(' before and ')} after; this run alone makes up to ${THREADS}.

| variant | ${definition.short} | 95 % interval | file | of the original | latency ratio | gate |
|---|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

/** @param {import('../src/core/report/rows.ts').ReportRow} row */
function line(row, definition) {
  if (row.error) return `| ${row.variant} | ${row.error.replaceAll('|', '\\|')} | | | | | |`;
  const { value, interval } = row.metrics.find(({ id }) => id === definition.id);
  const isOriginal = row.variantIndex === 0;
  const noise = row.latencyDifference === 'within noise' ? ' (noise)' : '';
  const cells = [
    row.variant,
    formatMetric(value, definition),
    interval.map((end) => formatMetric(end, definition)).join(' to '),
    `${(row.fileBytes / 1e6).toFixed(2)} MB`,
    isOriginal ? '' : `${Math.round(100 * row.fileRatio)} %`,
    isOriginal ? '1' : `${row.latencyRatio.toFixed(2)}${noise}`,
    isOriginal ? '' : row.verdict.verdict,
  ];
  return `| ${cells.join(' | ')} |`;
}
