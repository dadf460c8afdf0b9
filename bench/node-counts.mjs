// Nodes that Whittle's simplify preset leaves beside onnxruntime, onnxscript, onnxsim and others, on exported models
// (bench/models/export.py), the samples and models from npm; errors of the outputs; latency on WASM. Writes
// docs/OPTIMIZATION-TABLE.md.
//   node bench/node-counts.mjs [FOLDER] [--only=NAME,...] [--latency[=webgpu]] [--no-onnxsim] [--no-counts] [--keep=FOLDER]
// FOLDER: what export.py wrote (default .cache/exports); without it the table has the samples and npm models alone, and
// goes to .cache/node-counts. --only: no table, but the counts and operators of these models. --latency: measures it
// anew (minutes; with --only for these models) on WASM, or on WebGPU where there is a GPU, otherwise the last measurement
// stands; --no-counts: nothing else. --keep: saves Whittle's results. onnxsim runs here where
// bench/models/competitors.json.gz has no result of it; results are kept in .cache/node-counts, since each takes seconds.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { bundle, root, temporaryFolder } from './lib/bundle.mjs';
import { measureLatency } from './lib/node-counts/latency.mjs';
import { measure } from './lib/node-counts/measure.mjs';
import { failedExports, subjects } from './lib/node-counts/subjects.mjs';
import { tableText } from './lib/node-counts/table.mjs';
import { coreModules } from './lib/node-counts/tools.mjs';
import { judge, resultsOf } from './lib/node-counts/verdict.mjs';

const given = process.argv.slice(2);
const flagValue = (flag) => given.find((one) => one.startsWith(`--${flag}=`))?.slice(flag.length + 3);
const folder = given.find((one) => !one.startsWith('--')) ?? join(root, '.cache/exports');
const only = flagValue('only')?.split(',');
const cache = join(root, '.cache/node-counts');
const latencyPaths = {
  wasm: join(root, 'bench/models/latency-wasm.json.gz'),
  webgpu: join(root, 'bench/models/latency-webgpu.json.gz'),
};

async function main() {
  for (const one of [cache, flagValue('keep')]) if (one) mkdirSync(one, { recursive: true });
  const work = temporaryFolder('node-counts');
  const core = await import(pathToFileURL(await bundle(work, 'core', coreModules, 'node')).href);
  const competitors = readJson(join(root, 'bench/models/competitors.json.gz'));
  const all = subjects(folder);
  const chosen = all.filter(({ name }) => !only || only.some((one) => name.includes(one)));
  if (!existsSync(join(folder, 'index.json'))) console.log(`no exports in ${folder}: the samples and npm models alone`);
  const options = { work, cache, onnxsim: !given.includes('--no-onnxsim'), keep: flagValue('keep') };
  const rows = [];
  for (const subject of given.includes('--no-counts') ? [] : chosen) {
    const measured = competitors.models[subject.name]?.onnxsim !== undefined;
    const row = await measure(core, subject, { ...options, onnxsim: options.onnxsim && !measured });
    rows.push(row);
    console.log(lineOf(row, competitors));
    if (only)
      console.log(`  ours ${JSON.stringify(row.whittle?.histogram)}\n  ORT  ${JSON.stringify(row.ort?.histogram)}`);
  }
  const kind = flagValue('latency') ?? (given.includes('--latency') ? 'wasm' : undefined);
  if (kind) {
    const found = await measureLatency(core, chosen, work, kind, (line) => console.log(line));
    const earlier = only ? (readJson(latencyPaths[kind])?.models ?? {}) : {};
    const text = JSON.stringify({ ...found, models: { ...earlier, ...found.models } }, null, 1);
    writeFileSync(latencyPaths[kind], gzipSync(`${text}\n`, { level: 9 }));
  }
  if (only || rows.length === 0) return;
  const latency = { wasm: readJson(latencyPaths.wasm), webgpu: readJson(latencyPaths.webgpu) };
  const complete = existsSync(join(folder, 'index.json')) && options.onnxsim;
  const target = join(complete ? join(root, 'docs') : cache, 'OPTIMIZATION-TABLE.md');
  writeFileSync(join(cache, 'rows.json'), JSON.stringify(rows));
  writeFileSync(target, tableText({ rows, competitors, failed: failedExports(folder), latency }));
  console.log(`written: ${target}`);
}

const readJson = (path) => (existsSync(path) ? JSON.parse(gunzipSync(readFileSync(path)).toString()) : undefined);

function lineOf(row, competitors) {
  const { best, verdict } = judge(row, resultsOf(row, competitors.models[row.name] ?? {}));
  const error = row.whittle?.error?.toExponential(1) ?? '-';
  const failures = Object.keys(row.failures).length > 0 ? ` ${JSON.stringify(row.failures)}` : '';
  return (
    `${row.name}: ${row.before} -> ${row.whittle?.nodes} (portable ${row.portable?.nodes}); ` +
    `${best ? `${best.tool} ${best.nodes}` : 'nobody else'}: ${verdict.toUpperCase()}; ` +
    `error ${error}, ${row.whittle?.ms.toFixed(0)} ms${failures}`
  );
}

await main();
