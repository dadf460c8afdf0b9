// Latency of the original and of Whittle's result, both at level all, run in turns, so that what else happens on the
// machine hits both: in onnxruntime-web's WASM build in Node on one thread, or by onnxruntime-node's WebGPU provider (the
// kernels of the web build, on Vulkan without a browser).

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../bundle.mjs';
import { declaredInputs, onnxruntime, outputsOf, relativeError } from './errors.mjs';
import { asOpened, byWhittle } from './tools.mjs';

const WARM_UP = 3;
const MIN_PAIRS = 15;
const MAX_PAIRS = 80;
const BUDGET_MS = 1000;

const providers = {
  async wasm() {
    const ort = await import(pathToFileURL(join(root, 'node_modules/onnxruntime-web/dist/ort.node.min.mjs')).href);
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = 'fatal';
    return {
      ort,
      provider: 'wasm',
      what: `onnxruntime-web ${ort.env.versions.web} in Node ${process.versions.node}, one thread`,
    };
  },
  async webgpu() {
    const ort = await onnxruntime();
    const what = `WebGPU provider of onnxruntime-node ${ort.env.versions.node}, inputs and outputs copied in each run`;
    return { ort, provider: { name: 'webgpu' }, what };
  },
};

/**
 * @param kind 'wasm' or 'webgpu'
 * @returns { conditions, models: { name: { originalMs, whittleMs, ratio, pairs, error } or { error: text } } }; `error` is
 *   the largest error of Whittle's outputs there against the original's on the CPU, over their range
 */
export async function measureLatency(core, subjects, work, kind, report) {
  const runtime = await providers[kind]();
  const models = {};
  for (const subject of subjects) {
    try {
      const found = await compare(core, runtime, subject, work);
      models[subject.name] = found;
      report(
        `${subject.name}: ${found.originalMs} -> ${found.whittleMs} ms, ratio ${found.ratio}, error ${found.error}`,
      );
    } catch (error) {
      models[subject.name] = { failure: String(error?.message ?? error).slice(0, 200) };
      report(`${subject.name}: ${models[subject.name].failure}`);
    }
  }
  return { conditions: `${runtime.what}, level all for both, runs in turns`, models };
}

async function compare(core, { ort, provider }, subject, work) {
  const bytes = (await asOpened(core, subject.path)) ?? readFileSync(subject.path);
  const path = join(work, 'latency.onnx');
  writeFileSync(path, bytes);
  const { feeds } = subject.load(await declaredInputs(path));
  const { bytes: ours } = await byWhittle(core, path);
  const reference = await outputsOf(path, feeds);
  const sessions = [];
  for (const one of [bytes, ours]) sessions.push(await open(ort, provider, one));
  try {
    const tensors = Object.fromEntries(
      Object.entries(feeds)
        .filter(([name]) => sessions[0].inputNames.includes(name))
        .map(([name, { dtype, dims, data }]) => [name, new ort.Tensor(dtype, data, dims)]),
    );
    const outputs = await sessions[1].run(tensors);
    const error = relativeError(
      reference,
      sessions[1].outputNames.map((name) => outputs[name]),
    );
    const times = await inTurns(sessions, tensors);
    const [originalMs, whittleMs] = times.map((own) => Number(median(own).toPrecision(3)));
    const ratio = median(times[0].map((time, at) => times[1][at] / time));
    return {
      originalMs,
      whittleMs,
      ratio: Number(ratio.toFixed(3)),
      pairs: times[0].length,
      error: Number(error.toExponential(1)),
    };
  } finally {
    for (const session of sessions) await session.release();
  }
}

const open = (ort, provider, bytes) =>
  ort.InferenceSession.create(new Uint8Array(bytes), {
    executionProviders: [provider],
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
