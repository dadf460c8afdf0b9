// Latency in onnxruntime-web's WASM build, in Node on one thread: the original and Whittle's result, both at level all,
// run in turns, so that what else happens on the machine hits both.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../bundle.mjs';
import { declaredInputs } from './errors.mjs';
import { asOpened, byWhittle } from './tools.mjs';

const WARM_UP = 3;
const MIN_PAIRS = 15;
const MAX_PAIRS = 80;
const BUDGET_MS = 1500;

/** @returns { conditions, models: { name: { originalMs, whittleMs, ratio, pairs } or { error } } } */
export async function measureLatency(core, subjects, work, report) {
  const ort = await import(pathToFileURL(join(root, 'node_modules/onnxruntime-web/dist/ort.node.min.mjs')).href);
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'fatal';
  const models = {};
  for (const subject of subjects) {
    try {
      models[subject.name] = await compare(core, ort, subject, work);
      const { originalMs, whittleMs, ratio } = models[subject.name];
      report(`${subject.name}: ${originalMs.toFixed(2)} -> ${whittleMs.toFixed(2)} ms, ratio ${ratio.toFixed(2)}`);
    } catch (error) {
      models[subject.name] = { error: String(error?.message ?? error).slice(0, 200) };
      report(`${subject.name}: ${models[subject.name].error}`);
    }
  }
  const conditions = `onnxruntime-web ${ort.env.versions.web} in Node ${process.versions.node}, one thread, level all for both, runs in turns`;
  return { conditions, models };
}

async function compare(core, ort, subject, work) {
  const bytes = (await asOpened(core, subject.path)) ?? readFileSync(subject.path);
  const path = join(work, 'latency.onnx');
  writeFileSync(path, bytes);
  const { feeds } = subject.load(await declaredInputs(path));
  const { bytes: ours } = await byWhittle(core, path);
  const sessions = [await open(ort, bytes), await open(ort, ours)];
  try {
    const tensors = Object.fromEntries(
      Object.entries(feeds)
        .filter(([name]) => sessions[0].inputNames.includes(name))
        .map(([name, { dtype, dims, data }]) => [name, new ort.Tensor(dtype, data, dims)]),
    );
    const times = await inTurns(sessions, tensors);
    const [originalMs, whittleMs] = times.map(median);
    const ratio = median(times[0].map((time, at) => times[1][at] / time));
    return { originalMs, whittleMs, ratio, pairs: times[0].length };
  } finally {
    for (const session of sessions) await session.release();
  }
}

const open = (ort, bytes) =>
  ort.InferenceSession.create(new Uint8Array(bytes), {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
  });

async function inTurns(sessions, tensors) {
  const times = [[], []];
  const started = performance.now();
  for (let pair = 0; pair < MAX_PAIRS + WARM_UP; pair++) {
    if (pair >= MIN_PAIRS + WARM_UP && performance.now() - started > BUDGET_MS) break;
    // Who goes first alternates, so that neither always runs on the other's caches.
    for (const at of pair % 2 === 0 ? [0, 1] : [1, 0]) {
      const begun = performance.now();
      await sessions[at].run(tensors);
      if (pair >= WARM_UP) times[at].push(performance.now() - begun);
    }
  }
  return times;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
