// GPTQ of one layer, by phases: the Hessian (X^T X of all calibration tokens), its factorization, and the loop over the
// columns (ranges, feedback, codes, packing, and the comparison with round to nearest). Prints one JSON object.
// Bar: at most 3x the time of bench/reference/gptq_torch.py with the same arguments on the same machine.
//   node bench/gptq-speed.mjs [--K=2048] [--N=2048] [--tokens=65536] [--threads=2] [--bits=4] [--block=128] [--runs=3]
//     [--act-order] [--search=min-max|mse]
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import * as ort from 'onnxruntime-node';
import { bundle, temporaryFolder } from './lib/bundle.mjs';

const flags = Object.fromEntries(
  process.argv.slice(2).map((word) => {
    const [name, value = 'true'] = word.replace(/^--/, '').split('=');
    return [name, value];
  }),
);
const number = (name, fallback) => Number(flags[name] ?? fallback);
const [K, N, tokens] = [number('K', 2048), number('N', 2048), number('tokens', 65536)];
const [threads, bits, blockSize, runs] = [
  number('threads', 2),
  number('bits', 4),
  number('block', 128),
  number('runs', 3),
];
const actOrder = flags['act-order'] === 'true';
const gridSearch = flags.search ?? 'min-max';

const modules = [
  'src/core/base/progress.ts',
  'src/core/calib/gram.ts',
  'src/core/ir/tensor.ts',
  'src/core/quant/support/gptq/gptq-matrix.ts',
];
const folder = temporaryFolder('gptq');
const path = await bundle(folder, 'gptq', [...modules, 'src/cli/compute-pool.ts'], 'node');
const script = await bundle(folder, 'compute-worker', ['src/cli/compute-worker.ts'], 'node');
const { bytesOf, GptqWorkspace, GramAccumulator, gptqMatrix, openNodePool, quietJob, tensorFromBytes } = await import(
  pathToFileURL(path)
);
/** The same number of threads for our own loops; they are started in the first run. */
const pool = threads > 1 ? openNodePool(pathToFileURL(script), threads) : undefined;

/** Sessions as the command line's executor makes them: no optimization, this many threads. */
const executor = {
  pool,
  async open(model) {
    const session = await ort.InferenceSession.create(model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: 3,
    });
    return {
      async run(feeds) {
        const { dims, data } = feeds.get('x');
        const values = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
        const results = await session.run({ x: new ort.Tensor('float32', values, dims) });
        return new Map(
          Object.entries(results).map(([name, tensor]) => [
            name,
            { dtype: 'float32', dims: tensor.dims, data: bytesOf(tensor.data) },
          ]),
        );
      },
      close: () => session.release(),
    };
  },
};

const ctx = {
  ...quietJob,
  executor,
  store: { put: async (_, chunks) => ({ kind: 'bytes', bytes: await joined(chunks) }) },
};

async function joined(chunks) {
  const parts = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}

let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32 - 0.5;
};
/** Features that go together: each is a mix of itself and of the one before it. */
function activations(rows) {
  const values = new Float32Array(rows * K);
  for (let row = 0; row < rows; row += 1)
    for (let k = 0, at = row * K, before = 0; k < K; k += 1, at += 1) {
      before = 0.8 * before + uniform() + uniform();
      values[at] = before * (k % 61 === 7 ? 6 : 1);
    }
  return values;
}

const rows = Math.min(tokens, 4096);
const x = activations(rows);
const weight = Float32Array.from({ length: K * N }, () => (uniform() + uniform() + uniform()) * 0.05);
const tensor = tensorFromBytes('w', 'float32', [N, K], bytesOf(weight));

const workspace = new GptqWorkspace();
const times = [];
let outcome;
/** Milliseconds by the clock and of processor time, all threads together: the latter is what a busy machine leaves. */
const now = () => {
  const { user, system } = process.cpuUsage();
  return { wall: performance.now(), cpu: (user + system) / 1000 };
};
for (let run = 0; run < runs; run += 1) {
  const started = now();
  const gram = new GramAccumulator(executor, K, 'x');
  for (let left = tokens; left > 0; left -= rows) await gram.add(x.subarray(0, Math.min(left, rows) * K), 0);
  const hessian = await gram.finish();
  const summed = now();
  const scheme = { bits, symmetric: false, scaleType: 'float32', blockSize, actOrder, damping: 0.01, gridSearch };
  const request = { ...scheme, tensor, name: 'w', K, N, order: 'rows', hessian };
  const factor = await workspace.factorOf(ctx, request);
  if (typeof factor === 'string') throw new Error(factor);
  const factored = now();
  outcome = await gptqMatrix(ctx, workspace, request);
  times.push({ hessian: [started, summed], factorization: [summed, factored], loop: [factored, now()] });
}

/** Median over runs of each phase, in seconds. */
function phases(kind) {
  const seconds = {};
  for (const phase of ['hessian', 'factorization', 'loop']) {
    const sorted = times.map(({ [phase]: [from, to] }) => to[kind] - from[kind]).sort((a, b) => a - b);
    seconds[phase] = Number((sorted[Math.floor(runs / 2)] / 1000).toFixed(3));
  }
  const total = Object.values(seconds).reduce((a, b) => a + b);
  return { ...seconds, total: Number(total.toFixed(3)) };
}

console.log(
  JSON.stringify({
    what: 'whittle',
    ...{ K, N, tokens, threads, bits, blockSize, actOrder, gridSearch, runs },
    seconds: phases('wall'),
    cpuSeconds: phases('cpu'),
    method: outcome.method,
    relativeLoss: outcome.relativeLoss,
    node: process.version,
    cpu: cpus()[0]?.model.trim(),
  }),
);
