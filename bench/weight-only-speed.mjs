// Milliseconds that each weight-only method takes for one matrix, in memory and on one core, as JSON on standard output,
// so that a script in another language can run the same sizes beside it.
//   node bench/weight-only-speed.mjs [KxN,KxN,...: 2048x2048] [block size: 32] [bits: 4] [rounds: 3]
// `copy` is the time of copying the matrix's bytes; each figure is the lowest of the rounds.
import { pathToFileURL } from 'node:url';
import { bundle, temporaryFolder } from './lib/bundle.mjs';

const sizes = (process.argv[2] ?? '2048x2048').split(',').map((size) => size.split('x').map(Number));
const [blockSize, bits, rounds] = [process.argv[3] ?? 32, process.argv[4] ?? 4, process.argv[5] ?? 3].map(Number);

const api = await import(
  pathToFileURL(
    await bundle(
      temporaryFolder('weight-only-speed'),
      'core',
      [
        'src/core/base/progress.ts',
        'src/core/ir/tensor.ts',
        'src/core/quant/support/nbits-matrix.ts',
        'src/core/quant/support/search/clip.ts',
        'src/core/quant/support/search/hqq.ts',
        'src/core/quant/support/search/kquant.ts',
      ],
      'node',
    ),
  ).href
);

const scheme = { bits, blockSize, symmetric: false, scaleType: 'float32' };
const paper = { p: 0.7, beta: 10, kappa: 1.01, iterations: 20 };
const searches = {
  rtn: undefined,
  mse: api.clipSearch({ smallest: 0.5, steps: 20 }, false),
  kquant: api.kQuantSearch(scheme),
  hqq: api.hqqSearch(paper, false),
  'hqq, fractional zero points': api.hqqSearch(paper, true),
};
const context = { ...api.quietJob, store: { put: collect } };

const results = [];
for (const [K, N] of sizes) {
  const values = normal(K * N);
  const tensor = { name: 'w', dtype: 'float32', dims: [K, N], data: { kind: 'bytes', bytes: api.bytesOf(values) } };
  const ms = { copy: await lowest(() => values.slice()) };
  for (const [method, search] of Object.entries(searches))
    for (const order of ['columns', 'rows']) {
      const request = { ...scheme, tensor, name: 'w', K, N, order, search };
      ms[order === 'rows' ? `${method}, stored [N, K]` : method] = await lowest(() =>
        api.quantizeMatrix(context, order === 'rows' ? { ...request, K: N, N: K } : request),
      );
    }
  results.push({ K, N, blockSize, bits, ms });
}
process.stdout.write(`${JSON.stringify({ node: process.version, results }, null, 2)}\n`);

async function lowest(work) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await work();
    best = Math.min(best, performance.now() - start);
  }
  return Number(best.toFixed(2));
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
