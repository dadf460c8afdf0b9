// How long the weight-only methods take, as JSON on standard output; bench/reference/weight_only_speed.py measures
// onnxruntime's Python quantizers on the same sizes and the same file.
//   node bench/weight-only-speed.mjs [KxN,KxN,...] [--block 32] [--bits 4] [--file MODEL.onnx] [--threads 0]
// Matrices are in memory, on one core; `ms` has the lowest of the rounds, `copy` is a copy of the matrix's bytes. With
// --file: reading the file, quantizing its MatMul and Gemm weights by round to nearest, and writing it again, in a
// process that has done so before (`ms`) and has not (`firstMs`), with as many threads as --threads says (0: as the
// command line does, one for each processor). The onnxsim npm package has no quantization to compare
// with (0.7.3 exports simplify and versions).
// Bars (bench/README.md): k-quant and HQQ at least 5x faster than onnxruntime's, file to file at least 2x.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle, temporaryFolder } from './lib/bundle.mjs';

const ROUNDS = 7;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    block: { type: 'string', default: '32' },
    bits: { type: 'string', default: '4' },
    file: { type: 'string' },
    threads: { type: 'string', default: '0' },
  },
});
const sizes = (positionals[0] ?? '1024x1024,2048x2048,1024x4096').split(',').map((size) => size.split('x').map(Number));
const scheme = { bits: Number(options.bits), blockSize: Number(options.block), symmetric: false, scaleType: 'float32' };
const folder = temporaryFolder('weight-only-speed');
const load = async (name, modules) => import(pathToFileURL(await bundle(folder, name, modules, 'node')).href);

const result = { node: process.version, cores: cpus().length, block: scheme.blockSize, bits: scheme.bits };
// In a fresh process, hence before anything else.
const file = options.file ? await fileToFile(options.file) : null;
process.stdout.write(`${JSON.stringify({ ...result, matrices: await matrices(), file }, null, 2)}\n`);

async function matrices() {
  const support = 'src/core/quant/support';
  const api = await load('core', [
    'src/core/base/progress.ts',
    'src/core/ir/tensor.ts',
    `${support}/nbits-matrix.ts`,
    ...['clip', 'hqq', 'kquant'].map((name) => `${support}/search/${name}.ts`),
  ]);
  const published = { p: 0.7, beta: 10, kappa: 1.01, iterations: 20 };
  const searches = {
    rtn: undefined,
    mse: api.clipSearch({ smallest: 0.5, steps: 20 }, false),
    kquant: api.kQuantSearch(scheme),
    hqq: api.hqqSearch(published, false),
    'hqq, fractional zero points': api.hqqSearch(published, true),
  };
  const context = { ...api.quietJob, store: { put: collect } };
  const rows = [];
  for (const [K, N] of sizes) {
    const values = normal(K * N);
    const tensor = { name: 'w', dtype: 'float32', dims: [K, N], data: { kind: 'bytes', bytes: api.bytesOf(values) } };
    const ms = { copy: (await timed(() => values.slice())).lowest };
    for (const [method, search] of Object.entries(searches)) {
      const request = { ...scheme, tensor, name: 'w', K, N, order: 'columns', search };
      ms[method] = (await timed(() => api.quantizeMatrix(context, request))).lowest;
    }
    rows.push({ K, N, ms });
  }
  return rows;
}

async function fileToFile(path) {
  const api = await load('files', [
    'src/core/base/progress.ts',
    'src/core/onnx/read.ts',
    'src/core/onnx/write.ts',
    'src/core/step/run-steps.ts',
    'src/runtime/node-file-source.ts',
    'src/cli/compute-pool.ts',
    'src/cli/store.ts',
    'src/cli/write-model.ts',
  ]);
  const script = await bundle(folder, 'compute-worker', ['src/cli/compute-worker.ts'], 'node');
  const threads = Number(options.threads) || cpus().length;
  const executor = threads > 1 ? { pool: api.openNodePool(pathToFileURL(script), threads) } : undefined;
  const { step } = await load('quantizer', ['src/core/quant/weight-only-rtn.ts']);
  mkdirSync(join(folder, 'out'));
  const target = join(folder, 'out', 'model.onnx');
  const spent = {};
  const lap = async (name, work) => {
    const start = performance.now();
    const value = await work();
    spent[name] = Math.min(spent[name] ?? Number.POSITIVE_INFINITY, performance.now() - start);
    return value;
  };
  const { lowest, first } = await timed(async () => {
    const model = await lap('reading', () => api.readModel(api.openFileSource(path)));
    const steps = [{ definition: step, params: step.params.parse({ bits: 4, blockSize: 32 }) }];
    const outcome = await lap('quantizing', () =>
      api.runSteps({ model, steps, executor, job: api.quietJob, store: api.temporaryStore() }),
    );
    const { graph } = await lap('laying out', () => api.writeModel(outcome.model));
    await lap('writing', () => api.writeModelFiles(target, { graph, externalData: [] }));
  });
  const parts = Object.fromEntries(Object.entries(spent).map(([name, ms]) => [name, Number(ms.toFixed(2))]));
  const copied = await timed(() => writeFileSync(join(folder, 'out', 'copy'), readFileSync(path)));
  return {
    threads,
    bytes: statSync(path).size,
    outputBytes: statSync(target).size,
    ms: lowest,
    firstMs: first,
    parts,
    copyMs: copied.lowest,
  };
}

async function timed(work) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    await work();
    times.push(Number((performance.now() - start).toFixed(2)));
  }
  return { lowest: Math.min(...times), first: times[0] };
}

/** Normal numbers of deviation 0.02, always the same. */
function normal(count) {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

async function collect(byteLength, chunks) {
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for await (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return { kind: 'bytes', bytes };
}
