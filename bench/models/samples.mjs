// The samples and npm models as competitors.py takes models: as Whittle opens them, with seeded inputs and what
// onnxruntime makes of them without optimization.
//   node bench/models/samples.mjs FOLDER [--only=NAME,...]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { zipSync } from 'fflate';
import { bundle, temporaryFolder } from '../lib/bundle.mjs';
import { declaredInputs, onnxruntime } from '../lib/node-counts/errors.mjs';
import { subjects } from '../lib/node-counts/subjects.mjs';
import { asOpened, coreModules } from '../lib/node-counts/tools.mjs';

const [folder, ...flags] = process.argv.slice(2);
if (!folder) throw new Error('usage: node bench/models/samples.mjs FOLDER [--only=NAME,...]');
const only = flags
  .find((one) => one.startsWith('--only='))
  ?.slice('--only='.length)
  .split(',');

const numpyTypes = { float32: '<f4', float64: '<f8', int64: '<i8', int32: '<i4', bool: '|b1' };

/** NumPy's format 1.0 (numpy.lib.format): a header of 64-byte multiples, then the elements in C order. */
function npy(dtype, dims, data) {
  const type = numpyTypes[dtype];
  if (!type) throw new Error(`no NumPy type for ${dtype}`);
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${padded}`, 'latin1');
  head.writeUInt16LE(padded.length, 8);
  return new Uint8Array(Buffer.concat([head, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}

mkdirSync(folder, { recursive: true });
const core = await import(pathToFileURL(await bundle(temporaryFolder('samples'), 'core', coreModules, 'node')).href);
const ort = await onnxruntime();
const models = [];
for (const subject of subjects('')) {
  if (only && !only.some((name) => subject.name.includes(name))) continue;
  const file = `${subject.name}.onnx`;
  const path = join(folder, file);
  const bytes = (await asOpened(core, subject.path)) ?? readFileSync(subject.path);
  writeFileSync(path, bytes);
  const { feeds } = subject.load(await declaredInputs(path));
  const session = await ort.InferenceSession.create(path, { graphOptimizationLevel: 'disabled', logSeverityLevel: 4 });
  const tensors = Object.entries(feeds).map(([name, { dtype, dims, data }]) => [
    name,
    new ort.Tensor(dtype, data, dims),
  ]);
  const outputs = await session.run(Object.fromEntries(tensors));
  const arrays = Object.fromEntries([
    ...Object.entries(feeds).map(([name, { dtype, dims, data }]) => [`in:${name}.npy`, npy(dtype, dims, data)]),
    ...session.outputNames.map((name, at) => {
      const { type, dims, data } = outputs[name];
      return [`out:${at}.npy`, npy(type, dims, data)];
    }),
  ]);
  await session.release();
  writeFileSync(path.replace(/\.onnx$/, '.npz'), zipSync(arrays));
  models.push({ file, architecture: subject.name, exporter: 'samples', modelType: 'none' });
  console.log(subject.name, bytes.length);
}
writeFileSync(join(folder, 'index.json'), `${JSON.stringify({ models }, null, 1)}\n`);
