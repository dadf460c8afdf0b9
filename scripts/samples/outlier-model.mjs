// lm-outlier is lm-target with some channels scaled up and the weights that read them scaled down: the same function,
// with the outlier channels that large language models have. It is made where the page is built, from rescale.json.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * @param {string} root the repository
 * @param {string} modelPath lm-target
 * @param {string} rescalePath
 * @returns {Promise<Uint8Array>} the file, float32: the scaled weights do not all fit float16
 */
export async function makeOutlierModel(root, modelPath, rescalePath) {
  const { runnerImport } = await import('vite');
  const load = async (path) =>
    (await runnerImport(join(root, path), { root, configFile: false, logLevel: 'error' })).module;
  const { memorySource } = await load('src/core/base/memory-source.ts');
  const { readModel } = await load('src/core/onnx/read.ts');
  const { expandHalfWeights } = await load('src/core/onnx/half-weights.ts');
  const { rescaleChannels, rescaleSchema } = await load('src/core/onnx/rescale-channels.ts');
  const { modelToBytes } = await load('src/core/onnx/write.ts');

  const model = await readModel(memorySource('lm-target', new Uint8Array(await readFile(modelPath))));
  await expandHalfWeights(model);
  await rescaleChannels(model, rescaleSchema.parse(JSON.parse(await readFile(rescalePath, 'utf8'))));
  return modelToBytes(model);
}
