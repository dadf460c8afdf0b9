// Runs a sample's task on a model file and prints every metric with n and its interval.
// Usage: node scripts/samples/measure.mjs TASK DATA_DIRECTORY MODEL.onnx...
//   --engine=node|web  --threads=N  --limit=N  --examples=N
//   --round-trip=8:tensor,8:channel,4:channel   also the first model with its weights rounded to so many bits and back
//   --gate=0.02  --mode=relative|absolute       how much worse than the first model the others may be
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));
const flags = Object.fromEntries(
  process.argv.filter((arg) => arg.startsWith('--')).map((arg) => arg.slice(2).split('=')),
);
const [id, directory, ...models] = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const engine = flags.engine ?? 'node';
const threads = Number(flags.threads ?? 1);
const limit = flags.limit ? Number(flags.limit) : undefined;

const load = async (path) =>
  (await runnerImport(join(root, path), { root, configFile: false, logLevel: 'error' })).module;
const { loadTask } = await load('src/core/eval/tasks/load-task.ts');
const { quietJob } = await load('src/core/base/progress.ts');
const { judge } = await load('src/core/eval/gate.ts');
const { roundTripWeights } = await load('scripts/samples/round-trip.ts');
const { readModel } = await load('src/core/onnx/read.ts');
const { modelToBytes } = await load('src/core/onnx/write.ts');
const { expandHalfWeights } = await load('src/core/onnx/half-weights.ts');
const { memorySource } = await load('src/core/base/memory-source.ts');

const ort = await import(engine === 'node' ? 'onnxruntime-node' : 'onnxruntime-web');
if (engine === 'web') {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = `${join(root, 'node_modules/onnxruntime-web/dist')}/`;
}
const typed = {
  float32: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** @param {import('onnxruntime-common').InferenceSession} session */
const runnerOf = (session) => ({
  async run(feeds) {
    const inputs = {};
    for (const [name, { dtype, dims, data }] of feeds) {
      const bytes = data.slice();
      inputs[name] = new ort.Tensor(dtype, new typed[dtype](bytes.buffer), dims);
    }
    const outputs = new Map();
    for (const [name, tensor] of Object.entries(await session.run(inputs))) {
      const { data } = tensor;
      outputs.set(name, {
        dtype: tensor.type,
        dims: tensor.dims,
        data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      });
    }
    return outputs;
  },
});

const task = await loadTask({ kind: 'sample-task', id, assetBase: '' }, (name) =>
  readFile(join(directory, name)).then((bytes) => new Uint8Array(bytes)),
);
let calibration = 0;
for await (const _ of task.calibrationFeeds()) calibration += 1;
console.log(`${task.title}: ${task.sampleCount} samples, ${calibration} for calibration; onnxruntime-${engine}`);
/** The models of the command line, weights stored as float16 expanded; then the round trips of the first. */
async function* variants() {
  const open = async (path) => {
    const model = await readModel(memorySource(path, new Uint8Array(await readFile(path))));
    await expandHalfWeights(model);
    return model;
  };
  for (const path of models) yield { name: path, bytes: await modelToBytes(await open(path)) };
  for (const plan of flags['round-trip']?.split(',') ?? []) {
    const [bits, granularity] = plan.split(':');
    const model = await open(models[0]);
    const count = await roundTripWeights(model, Number(bits), granularity);
    yield {
      name: `${bits} bits a weight, one scale a ${granularity}, ${count} tensors`,
      bytes: await modelToBytes(model),
    };
  }
}

let original;
for await (const { name, bytes } of variants()) {
  const session = await ort.InferenceSession.create(bytes, {
    logSeverityLevel: 3,
    intraOpNumThreads: threads,
  });
  const start = performance.now();
  const evaluation = await task.evaluate(runnerOf(session), quietJob, limit);
  const seconds = (performance.now() - start) / 1000;
  console.log(`${basename(name)}  (${evaluation.n} samples in ${seconds.toFixed(1)} s)`);
  for (const definition of task.metrics) {
    const value = evaluation.metrics.find((metric) => metric.metric === definition.id);
    if (!value) continue;
    const [low, high] = value.interval ?? [Number.NaN, Number.NaN];
    console.log(`  ${definition.short.padEnd(14)} ${value.value.toFixed(4)}  [${low.toFixed(4)}, ${high.toFixed(4)}]`);
  }
  for (const { expected, got } of (evaluation.examples ?? []).slice(0, Number(flags.examples ?? 0)))
    console.log(`    ${JSON.stringify(expected)} -> ${JSON.stringify(got)}`);
  if (original) {
    const gate = { mode: flags.mode ?? 'relative', maxWorse: Number(flags.gate ?? 0.02), confidence: 0.95 };
    const verdict = judge({
      definition: task.metrics[0],
      gate,
      original,
      variant: evaluation,
      available: task.sampleCount,
    });
    console.log(`  ${verdict.verdict}: ${verdict.reason}`);
  } else original = evaluation;
  await session.release();
}
