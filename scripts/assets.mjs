// Puts beside the page what comes from npm packages and is not committed: onnxruntime-web's WASM and the sample models.
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Copies unless the target is there already with the same size. */
function place(from, to) {
  const source = join(root, from);
  const target = join(root, to);
  if (existsSync(target) && statSync(target).size === statSync(source).size) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
  console.log(`assets: ${to}`);
}

for (const build of ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.asyncify'])
  for (const ending of ['wasm', 'mjs'])
    place(`node_modules/onnxruntime-web/dist/${build}.${ending}`, `public/ort/${build}.${ending}`);

const index = join(root, 'public/samples/index.json');
if (existsSync(index))
  for (const sample of JSON.parse(readFileSync(index, 'utf8')).samples ?? [])
    if (sample.packagePath) place(sample.packagePath, `public/samples/${sample.model}`);
