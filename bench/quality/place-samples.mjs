// Puts the trained samples in place where nothing but Node and the built core is at hand (no dependencies installed); the
// samples from npm packages must be there already. Usage: node bench/quality/place-samples.mjs
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as core from '../../dist-node/core.js';
import { makeOutlierModel } from '../../scripts/samples/outlier-model.mjs';
import { packedModels, unpack } from '../../scripts/samples/pack.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
for (const { packed, target } of packedModels()) {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, unpack(readFileSync(packed)));
}
const folder = join(root, 'public/samples');
const outlier = join(folder, 'lm-outlier');
const plain = join(folder, 'lm-target/model.fp16w.onnx');
writeFileSync(join(outlier, 'model.onnx'), await makeOutlierModel(root, plain, join(outlier, 'rescale.json'), core));
