// The optimizers that run here: Whittle, onnxruntime's own levels, and onnxsim from npm.
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openSession } from './errors.mjs';

export const coreModules = [
  'src/core/base/byte-parts.ts',
  'src/core/base/memory-source.ts',
  'src/core/base/progress.ts',
  'src/core/ir/walk.ts',
  'src/core/onnx/half-weights.ts',
  'src/core/onnx/read.ts',
  'src/core/onnx/write.ts',
  'src/core/recipe/presets.ts',
  'src/core/recipe/registry.ts',
  'src/core/step/run-steps.ts',
  'src/runtime/node-file-source.ts',
];

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

/** For constant folding, as the product has it: without optimization, so that operators compute what they say. */
const executor = {
  async run(bytes, feeds) {
    if (feeds.size > 0) throw new Error('constants need no inputs');
    const session = await openSession(bytes, 'disabled');
    try {
      const outputs = Object.entries(await session.run({}));
      return new Map(outputs.map(([name, { type, dims, data }]) => [name, hostTensor(type, dims, data)]));
    } finally {
      await session.release();
    }
  },
};

function hostTensor(dtype, dims, data) {
  if (dtype === 'string') return { dtype, dims, data: new Uint8Array(), strings: data };
  return { dtype, dims, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** Samples store float32 weights as float16; every tool gets them as the product opens them. @returns bytes */
export async function asOpened(core, path) {
  const model = await core.readModel(core.openFileSource(path));
  if (!(await core.expandHalfWeights(model))) return undefined;
  return written(core, model);
}

async function written(core, model) {
  const { graph } = await core.writeModel(model, { externalData: 'inline' });
  const chunks = [];
  for await (const chunk of core.streamParts(graph)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The steps of the `simplify` preset; `portable` allows standard operators alone. */
export function whittleSteps(core, portable) {
  return core.simplifySteps.map(({ id, params }) => {
    const definition = core.stepRegistry.get(id);
    const standard = portable && definition.params.shape?.operators ? { operators: 'standard' } : {};
    return { definition, params: definition.params.parse({ ...params, ...standard }) };
  });
}

/** @returns { nodes, ms, bytes, ledger, settled } */
export async function byWhittle(core, path, portable = false) {
  const started = performance.now();
  const model = await core.readModel(core.openFileSource(path));
  const steps = whittleSteps(core, portable);
  const outcome = await core.runSteps({ model, steps, job: core.quietJob, store: memoryStore, executor });
  const bytes = await written(core, outcome.model);
  const ms = performance.now() - started;
  return {
    nodes: countNodes(core, outcome.model),
    ms,
    bytes,
    histogram: histogram(core, outcome.model),
    settled: outcome.settled,
    fired: Object.fromEntries(outcome.ledger.filter(({ fired }) => fired > 0).map(({ step, fired }) => [step, fired])),
  };
}

/** Nodes of the graph, its subgraphs and the functions: Constant nodes count like others, for every tool. */
export function countNodes(core, model) {
  let nodes = 0;
  core.forEachNode(model, () => {
    nodes += 1;
  });
  return nodes;
}

export async function countFile(core, path) {
  return countNodes(core, await core.readModel(core.openFileSource(path)));
}

export function histogram(core, model) {
  const counts = new Map();
  core.forEachNode(model, ({ domain, opType }) => {
    const key = domain && domain !== 'ai.onnx' ? `${domain}:${opType}` : opType;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}

/** What onnxruntime saves at a level. 'extended' is the fair one: 'all' adds layout nodes for this processor. */
export async function byOnnxruntime(core, path, level, folder) {
  const target = join(folder, `ort-${level}.onnx`);
  const started = performance.now();
  const session = await openSession(path, level, { optimizedModelFilePath: target });
  const ms = performance.now() - started;
  await session.release();
  const model = await core.readModel(core.openFileSource(target));
  const found = { nodes: countNodes(core, model), ms, histogram: histogram(core, model) };
  rmSync(target);
  return found;
}

/** In a process of its own: it may abort, hang or exhaust memory. @returns { nodes, ms, bytes } or { error } */
export async function byOnnxsim(core, path, folder, timeoutMs = 90_000) {
  const target = join(folder, 'onnxsim.onnx');
  const script = fileURLToPath(new URL('onnxsim-child.mjs', import.meta.url));
  try {
    const options = { encoding: 'utf8', timeout: timeoutMs, maxBuffer: 1 << 28 };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--no-wasm-async-compilation', script, path, target],
      options,
    );
    const { ms } = JSON.parse(stdout.trim().split('\n').at(-1));
    const nodes = await countFile(core, target);
    return { nodes, ms, bytes: readFileSync(target) };
  } catch (error) {
    return { error: error.killed ? `no result in ${timeoutMs / 1000} s` : 'failed' };
  } finally {
    rmSync(target, { force: true });
  }
}
