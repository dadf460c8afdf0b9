// Opens a model of 2 GB (inline, and with external data) in Node and in Chromium: how long until its structure is there,
// and how much memory that takes. Bars: under 1 s (median) and under 100 MB (worst) beyond the process or page. Needs 4.3 GB of disk.
//   node bench/open-2gb.mjs [node|chromium]
import { execFileSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle, temporaryFolder } from './lib/bundle.mjs';
import { writeLargeModels } from './lib/large-model.mjs';
import { startBrowser } from './lib/page.mjs';

const barMs = 1000;
const barBytes = 100e6;
const runs = 5;
const kinds = ['inline', 'external'];

if (process.argv[2] === '--child') await openInNode(process.argv[3], process.argv[4], process.argv[5]);
else await main(process.argv[2]);

async function main(only) {
  const folder = temporaryFolder('open-2gb');
  const modules = [
    'src/core/base/byte-parts.ts',
    'src/core/ir/build.ts',
    'src/core/ir/tensor.ts',
    'src/core/onnx/read.ts',
    'src/core/onnx/write.ts',
    'src/runtime/node-file-source.ts',
  ];
  const corePath = await bundle(folder, 'core', modules, 'node');
  const core = await import(pathToFileURL(corePath).href);
  const { inlineBytes, externalBytes } = await writeLargeModels(core, folder);
  console.log(`inline ${inlineBytes} bytes; external ${externalBytes} bytes in two files`);
  console.log(
    `load average ${loadavg()[0].toFixed(1)} on ${availableParallelism()} cores; ${runs} runs each, fresh processes or pages`,
  );
  const results = [];
  if (only !== 'chromium') for (const kind of kinds) results.push(inNode(corePath, folder, kind));
  if (only !== 'node') results.push(...(await inChromium(folder)));
  for (const { where, kind, timesMs, growthBytes } of results) {
    const sorted = timesMs.toSorted((a, b) => a - b);
    const worst = sorted.at(-1);
    const memory = Math.max(...growthBytes);
    const median = sorted[sorted.length >> 1];
    const verdict = median < barMs && memory < barBytes ? 'met' : 'MISSED';
    if (verdict === 'MISSED') process.exitCode = 1;
    console.log(
      `${where}, ${kind}: median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms, ` +
        `peak memory +${(memory / 1e6).toFixed(0)} MB (worst): bars ${verdict}`,
    );
  }
}

function inNode(corePath, folder, kind) {
  const outcomes = Array.from({ length: runs }, () =>
    JSON.parse(
      execFileSync(process.execPath, [process.argv[1], '--child', corePath, folder, kind], { encoding: 'utf8' }),
    ),
  );
  return {
    where: 'Node',
    kind,
    timesMs: outcomes.map((outcome) => outcome.ms),
    growthBytes: outcomes.map((outcome) => outcome.growthBytes),
  };
}

async function openInNode(corePath, folder, kind) {
  const core = await import(pathToFileURL(corePath).href);
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const source = core.openFileSource(join(folder, `${kind}.onnx`));
  const resolveExternal = (location) => core.openFileSource(join(folder, location));
  const model = await core.readModel(source, { resolveExternal });
  const ms = performance.now() - start;
  if (model.graph.initializers.size < 1000) throw new Error('weights are missing');
  // The highest resident size of the process so far, in KiB: a peak in between counts.
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ ms, growthBytes: peak - before }));
}

async function inChromium(folder) {
  const modules = ['src/runtime/transform/blob-source.ts', 'src/core/onnx/read.ts'];
  const browser = await startBrowser(await bundle(folder, 'page', modules, 'browser'));
  const results = [];
  try {
    for (const kind of kinds) {
      const outcomes = [];
      for (let i = 0; i < runs; i += 1) outcomes.push(await openInPage(browser, folder, kind));
      results.push({
        where: `Chromium ${browser.version}`,
        kind,
        timesMs: outcomes.map((outcome) => outcome.ms),
        growthBytes: outcomes.map((outcome) => outcome.growthBytes),
      });
    }
  } finally {
    await browser.close();
  }
  return results;
}

/** Memory is the resident size of all processes of the browser, sampled while the page works (Linux). */
async function openInPage(browser, folder, kind) {
  const names = kind === 'inline' ? ['inline.onnx'] : ['external.onnx', 'weights.bin'];
  const { page, close } = await browser.open(names.map((name) => join(folder, name)));
  await page.evaluate(async () => {
    window.core = await import('/page.mjs');
  });
  const endOfWatch = await browser.watchMemory();
  const outcome = await page.evaluate(async () => {
    const { BlobSource, readModel } = window.core;
    const files = new Map([...document.querySelector('input').files].map((file) => [file.name, file]));
    const open = (name) => files.has(name) && new BlobSource(name, files.get(name));
    const start = performance.now();
    const [first] = files.keys();
    const model = await readModel(open(first), { resolveExternal: (location) => open(location) || undefined });
    window.model = model;
    return { ms: performance.now() - start, weights: model.graph.initializers.size };
  });
  if (outcome.weights < 1000) throw new Error('weights are missing');
  const growthBytes = await endOfWatch();
  await close();
  return { ms: outcome.ms, growthBytes };
}
