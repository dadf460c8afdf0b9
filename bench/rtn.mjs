// Round-to-nearest INT4 (block 32) of MatMul weights. How long the quantizer takes against copying the same bytes, on
// one core and with everything in memory (a copy is a new array, as what the quantizer makes is); and file in to file out for a model of 2 GB with external data: peak memory.
// Bars: within 4x of a copy; under 300 MB. FP16 conversion: within 3x of a copy.
//   node bench/rtn.mjs [speed|memory] [MB of weights for speed: 512] [MB for memory: 2000]
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle, temporaryFolder } from './lib/bundle.mjs';

const speedBar = 4;
const halfBar = 3;
const memoryBar = 300e6;
const runs = 5;
const rows = 2048;
const columns = 2048;
const tensorBytes = rows * columns * 4;

const modules = [
  'src/core/base/byte-parts.ts',
  'src/core/base/memory-source.ts',
  'src/core/base/progress.ts',
  'src/core/ir/build.ts',
  'src/core/ir/tensor.ts',
  'src/core/onnx/read.ts',
  'src/core/onnx/write.ts',
  'src/core/quant/support/halves.ts',
  'src/core/quant/support/nbits-matrix.ts',
  'src/core/step/run-steps.ts',
  'src/runtime/node-file-source.ts',
  'src/runtime/node-process-memory.ts',
  'src/cli/store.ts',
];

if (process.argv[2] === '--child') await quantizeFile(...process.argv.slice(3));
else await main(process.argv[2], Number(process.argv[3] ?? 512), Number(process.argv[4] ?? 2000));

async function main(only, speedMb, memoryMb) {
  const folder = temporaryFolder('rtn');
  const core = await bundle(folder, 'core', modules, 'node');
  // Both modules export `step`, so the quantizer gets a bundle of its own.
  const quantizer = await bundle(folder, 'quantizer', ['src/core/quant/weight-only-rtn.ts'], 'node');
  console.log(`load average ${loadavg()[0].toFixed(1)}; the lowest of ${runs} ratios, each within one round`);
  const api = await import(pathToFileURL(core).href);
  if (only !== 'memory') await speed(api, speedMb);
  if (only !== 'speed') await memory(api, folder, core, quantizer, memoryMb);
}

function weights(count) {
  const values = new Float32Array(count);
  for (let i = 0, state = 1; i < count; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

/** In memory; the store keeps what it is given as the page would. */
async function speed(api, megabytes) {
  const distinct = Array.from({ length: 8 }, () => weights(rows * columns));
  const rounds = Math.max(1, Math.round((megabytes * 1e6) / tensorBytes / distinct.length));
  const total = rounds * distinct.length * tensorBytes;
  const context = { ...api.quietJob, store: { put: collect } };
  const converter = api.createHalfConverter();
  const ratios = { 'INT4, weight [K, N]': [], 'INT4, weight [N, K]': [], FP16: [] };
  const copyMs = [];
  const each = async (work) => {
    const start = performance.now();
    for (let round = 0; round < rounds; round += 1) for (const values of distinct) await work(values);
    return performance.now() - start;
  };
  const request = (values, order) => ({
    tensor: { name: 'w', dtype: 'float32', dims: [rows, columns], data: { kind: 'bytes', bytes: api.bytesOf(values) } },
    name: 'w',
    K: rows,
    N: columns,
    order,
    bits: 4,
    blockSize: 32,
    symmetric: false,
    scaleType: 'float32',
  });
  for (let run = 0; run < runs; run += 1) {
    const copy = await each((values) => void values.slice());
    copyMs.push(copy);
    ratios['INT4, weight [K, N]'].push(
      (await each((values) => api.quantizeMatrix(context, request(values, 'columns')))) / copy,
    );
    ratios['INT4, weight [N, K]'].push(
      (await each((values) => api.quantizeMatrix(context, request(values, 'rows')))) / copy,
    );
    ratios.FP16.push(
      (await each((values) => api.convertTensorToHalf(context, converter, request(values, 'rows').tensor, 'w'))) / copy,
    );
  }
  console.log(`${(total / 1e6).toFixed(0)} MB of weights; copying them: ${Math.min(...copyMs).toFixed(0)} ms`);
  for (const [what, values] of Object.entries(ratios)) {
    const sorted = values.toSorted((a, b) => a - b);
    const bar = what === 'FP16' ? halfBar : speedBar;
    report(
      `${what}: ${sorted[0].toFixed(2)}x of a copy (median ${sorted[runs >> 1].toFixed(2)}x), bar ${bar}x`,
      sorted[0] <= bar,
    );
  }
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

async function memory(api, folder, core, quantizer, megabytes) {
  const count = Math.max(1, Math.round((megabytes * 1e6) / tensorBytes));
  await writeModelOf(api, folder, count);
  mkdirSync(join(folder, 'out'));
  const output = execFileSync(process.execPath, [process.argv[1], '--child', folder, core, quantizer], {
    encoding: 'utf8',
  });
  const outcome = JSON.parse(output);
  const sizes = ['model.onnx', 'weights.bin'].map((file) => statSync(join(folder, 'out', file)).size);
  report(
    `${count} weights of ${tensorBytes / 1e6} MB from file to file: peak memory +${(outcome.growthBytes / 1e6).toFixed(0)} MB, ` +
      `${(outcome.ms / 1000).toFixed(1)} s, ${((count * tensorBytes) / 1e6).toFixed(0)} -> ${(sizes[0] + sizes[1]) / 1e6} MB, bar ${memoryBar / 1e6} MB`,
    outcome.growthBytes < memoryBar && outcome.fired === count,
  );
}

async function writeModelOf(api, folder, count) {
  const tensor = (i) => ({ ...api.tensorFromBytes(`w${i}`, 'float32', [rows, columns], payload) });
  const payload = api.bytesOf(weights(rows * columns));
  const value = (i) => (i === 0 ? 'x' : i === count ? 'y' : `h${i}`);
  const graph = api.makeGraph({
    nodes: Array.from({ length: count }, (_, i) =>
      api.makeNode({ opType: 'MatMul', name: `mm${i}`, inputs: [value(i), `w${i}`], outputs: [value(i + 1)] }),
    ),
    inputs: [api.valueInfo('x', 'float32', ['m', rows])],
    outputs: [api.valueInfo('y', 'float32', ['m', columns])],
    initializers: Array.from({ length: count }, (_, i) => tensor(i)),
  });
  await save(api, api.makeModel({ graph }), folder);
}

async function save(api, model, folder) {
  const written = await api.writeModel(model, { externalData: { location: 'weights.bin', thresholdBytes: 1024 } });
  await saveParts(api, join(folder, 'model.onnx'), written.graph);
  await saveParts(api, join(folder, 'weights.bin'), written.external);
}

async function saveParts(api, path, parts) {
  const stream = createWriteStream(path);
  for await (const chunk of api.streamParts(parts)) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'finish');
}

/** In a process of its own, so that its peak is its own. */
async function quantizeFile(folder, core, quantizer) {
  const api = await import(pathToFileURL(core).href);
  const { step } = await import(pathToFileURL(quantizer).href);
  const memoryReader = api.startProcessMemoryReader();
  const start = performance.now();
  const model = await api.readModel(api.openFileSource(join(folder, 'model.onnx')), {
    resolveExternal: (location) => api.openFileSource(join(folder, location)),
  });
  const outcome = await api.runSteps({
    model,
    steps: [{ definition: step, params: step.params.parse({}) }],
    job: api.quietJob,
    store: api.temporaryStore(),
  });
  await save(api, outcome.model, join(folder, 'out'));
  const ms = performance.now() - start;
  const growthBytes = memoryReader.peakGrowthBytes();
  process.stdout.write(JSON.stringify({ growthBytes, ms, fired: outcome.ledger[0].fired }));
}

function report(text, met) {
  if (!met) process.exitCode = 1;
  console.log(`${text}: ${met ? 'met' : 'MISSED'}`);
}
