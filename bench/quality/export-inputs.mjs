// Writes what the reference quantizers need (bench/reference/quality.py): every subject's model in float32, as it is and
// simplified, and its calibration inputs. Usage: node bench/quality/export-inputs.mjs FOLDER   (needs npm run build:node)
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyRecipe, modelToBytes, nodeExecutor, presets, quietJob, temporaryStore } from '../../dist-node/core.js';
import { openSubject } from './lab.mjs';
import { subjects } from './subjects.mjs';

const [folder] = process.argv.slice(2);
if (!folder) throw new Error('usage: node bench/quality/export-inputs.mjs FOLDER');
const MAX_CALIBRATION_SAMPLES = 128;
const simplify = presets.find(({ id }) => id === 'simplify').recipe;

mkdirSync(folder, { recursive: true });
for (const { id } of subjects) {
  const subject = await openSubject(id);
  writeFileSync(join(folder, `${id}.onnx`), await modelToBytes(subject.model));
  const simplified = await applyRecipe({
    model: subject.model,
    recipe: simplify,
    job: quietJob,
    store: temporaryStore(),
    executor: nodeExecutor(),
  });
  writeFileSync(join(folder, `${id}.simplified.onnx`), await modelToBytes(simplified.model));
  const data = createWriteStream(join(folder, `${id}.feeds.bin`));
  const index = [];
  let offset = 0;
  for await (const feeds of subject.calibration.feeds()) {
    if (index.length >= MAX_CALIBRATION_SAMPLES) break;
    const sample = {};
    for (const [name, tensor] of feeds) {
      sample[name] = { dtype: tensor.dtype, dims: tensor.dims, offset, bytes: tensor.data.byteLength };
      offset += tensor.data.byteLength;
      data.write(Buffer.from(tensor.data));
    }
    index.push(sample);
  }
  await new Promise((resolve) => data.end(resolve));
  writeFileSync(join(folder, `${id}.feeds.json`), JSON.stringify(index));
  console.log(`${id}: ${index.length} calibration samples, ${offset} bytes`);
}
