// One process that runs test cases it is sent; test/conformance/run.mjs starts it, watches it and replaces it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ortModule from 'onnxruntime-node';

// WHITTLE_CORE: another build of src/cli/library.ts than the one of `npm run build:node`.
const whittle = await import(process.env.WHITTLE_CORE ?? '../../dist-node/core.js');
const ort = ortModule.default ?? ortModule;
const [, , data] = process.argv;
const TOLERANCE = 1e-3;
const numericTypes = new Set([
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
  'float16',
]);

const send = (message) => process.send(message);

async function tensorFile(path) {
  return whittle.readTensorProto(whittle.memorySource(path, new Uint8Array(readFileSync(path))));
}

async function toFeed(tensor) {
  if (tensor.dtype === 'string') {
    return new ort.Tensor(
      'string',
      tensor.data.values.map((value) => new TextDecoder().decode(value)),
      tensor.dims,
    );
  }
  if (!numericTypes.has(tensor.dtype)) throw new Error(`the harness has no feeds of dtype ${tensor.dtype}`);
  const bytes = (await whittle.readTensorBytes(tensor)).slice();
  return new ort.Tensor(tensor.dtype, whittle.toTypedArray(tensor.dtype, bytes), tensor.dims);
}

/** Test data sets of a case, in order: values of the model's inputs and outputs by position. */
async function dataSets(name) {
  const folder = join(data, name);
  const sets = readdirSync(folder)
    .filter((entry) => entry.startsWith('test_data_set_'))
    .sort();
  return Promise.all(
    sets.map(async (set) => {
      const files = (kind) => {
        const paths = [];
        for (let at = 0; existsSync(join(folder, set, `${kind}_${at}.pb`)); at++)
          paths.push(join(folder, set, `${kind}_${at}.pb`));
        return paths;
      };
      return {
        inputs: await Promise.all(files('input').map(tensorFile)),
        outputs: await Promise.all(files('output').map(tensorFile)),
      };
    }),
  );
}

const halfToNumber = (bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};
const numberAt = (dtype, values) => (at) => (dtype === 'float16' ? halfToNumber(values[at]) : Number(values[at]));

/** @returns undefined when equal within the tolerance, else what differs */
async function difference(got, expected) {
  if (got === undefined) return 'an output is missing';
  if (got.type !== expected.dtype) return `dtype ${got.type} instead of ${expected.dtype}`;
  if (got.dims.join() !== expected.dims.join()) return `shape [${got.dims}] instead of [${expected.dims}]`;
  if (expected.dtype === 'string') {
    const texts = expected.data.values.map((value) => new TextDecoder().decode(value));
    return texts.every((text, at) => text === got.data[at]) ? undefined : 'strings differ';
  }
  const bytes = (await whittle.readTensorBytes(expected)).slice();
  const want = numberAt(expected.dtype, whittle.toTypedArray(expected.dtype, bytes));
  const have = numberAt(expected.dtype, got.data);
  for (let at = 0; at < got.data.length; at++) {
    const a = have(at);
    const b = want(at);
    if (Object.is(a, b) || a === b || Math.abs(a - b) <= TOLERANCE + TOLERANCE * Math.abs(b)) continue;
    return `element ${at} is ${a} instead of ${b}`;
  }
  return undefined;
}

/** Runs a file on all data sets. @returns { ok, reason } */
async function judge(bytes, sets, names) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  try {
    for (const set of sets) {
      const feeds = {};
      for (const [at, tensor] of set.inputs.entries()) feeds[names.inputs[at]] = await toFeed(tensor);
      const got = await session.run(feeds);
      for (const [at, expected] of set.outputs.entries()) {
        const reason = await difference(got[names.outputs[at]], expected);
        if (reason) return { ok: false, mismatch: true, reason: `output ${at}: ${reason}` };
      }
    }
    return { ok: sets.length > 0, reason: sets.length > 0 ? '' : 'no data' };
  } finally {
    await session.release();
  }
}

const executor = {
  async run(bytes) {
    const session = await ort.InferenceSession.create(bytes, {
      graphOptimizationLevel: 'disabled',
      logSeverityLevel: 4,
      intraOpNumThreads: 1,
    });
    const outputs = await session.run({});
    await session.release();
    return new Map(
      Object.entries(outputs).map(([name, value]) => [
        name,
        value.type === 'string'
          ? { dtype: 'string', dims: value.dims, data: new Uint8Array(), strings: value.data }
          : {
              dtype: value.type,
              dims: value.dims,
              data: new Uint8Array(value.data.buffer, value.data.byteOffset, value.data.byteLength),
            },
      ]),
    );
  },
};

const all = [...whittle.stepRegistry.values()]
  .filter(({ section }) => section !== 'quantization')
  .map((definition) => ({ definition, params: definition.params.parse({}) }));
/** Raising the opset is a stage of its own: simplification does it only where a fusion needs it. */
const raising = all
  .filter(({ definition }) => definition.id === 'raise-opset' || definition.id === 'weights-not-inputs')
  .map(({ definition, params }) => ({
    definition,
    params: definition.id === 'raise-opset' ? { ...params, target: 21 } : params,
  }));
const simplifying = all.filter(({ definition }) => definition.id !== 'raise-opset');

async function stage(name, action) {
  send({ kind: 'entering', stage: name });
  let result;
  try {
    result = await action();
  } catch (error) {
    const isFault =
      error?.code === 'pass/failed' ||
      error?.code === 'internal/unexpected' ||
      !(error?.code || /ORT|ERROR_CODE|Node|model/i.test(String(error)));
    result = { ok: false, fault: isFault, reason: String(error?.message ?? error).slice(0, 400) };
  }
  send({ kind: 'result', stage: name, ...result });
  return result;
}

async function runCase(name) {
  const original = new Uint8Array(readFileSync(join(data, name, 'model.onnx')));
  let sets = [];
  let names = { inputs: [], outputs: [] };
  let unreadable = '';
  const model = await whittle.readModel(whittle.memorySource(name, original));
  try {
    sets = await dataSets(name);
    const { graph } = model;
    const listed = graph.inputs.map((input) => input.name);
    const isFed = listed.filter((input) => !graph.initializers.has(input));
    const fed = sets[0]?.inputs.length ?? 0;
    names = { inputs: fed <= isFed.length ? isFed : listed, outputs: graph.outputs.map((output) => output.name) };
  } catch (error) {
    unreadable = String(error.message);
  }
  const baseline = await stage('baseline', async () => {
    if (unreadable) return { ok: false, reason: `harness: ${unreadable}` };
    return judge(original, sets, names);
  });
  // The same bytes give the same results: only a file that differs is run again.
  const judged = async (bytes) => {
    if (!baseline.ok) return { ok: false, reason: baseline.reason };
    return Buffer.from(bytes).equals(Buffer.from(original)) ? { ok: true, reason: '' } : judge(bytes, sets, names);
  };
  await stage('round-trip', async () => judged(await whittle.modelToBytes(model)));
  for (const [label, steps] of [
    ['raised', raising],
    ['simplified', simplifying],
  ]) {
    await stage(label, async () => {
      const store = whittle.temporaryStore();
      const outcome = await whittle.runSteps({ model, steps, job: whittle.quietJob, store, executor, validate: true });
      const fired = outcome.ledger.filter((row) => row.fired > 0).map((row) => row.step);
      return { ...(await judged(await whittle.modelToBytes(outcome.model))), fired, settled: outcome.settled };
    });
  }
}

process.on('message', async (name) => {
  try {
    await runCase(name);
  } catch (error) {
    send({
      kind: 'result',
      stage: 'start',
      ok: false,
      fault: true,
      reason: String(error?.stack ?? error).slice(0, 600),
    });
  }
  send({ kind: 'done' });
});
process.on('disconnect', () => process.exit(0));
send({ kind: 'ready', engine: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}` });
