// lm-outlier is lm-target with some channels scaled up and the weights that read them scaled down: the same function,
// with the outlier channels that large language models have. It is made where the page is built, from rescale.json.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The modules that `makeOutlierModel` needs, from the sources. @param {string} root the repository */
async function fromSources(root) {
  const { runnerImport } = await import('vite');
  const load = async (path) =>
    (await runnerImport(join(root, path), { root, configFile: false, logLevel: 'error' })).module;
  return {
    ...(await load('src/core/base/memory-source.ts')),
    ...(await load('src/core/onnx/read.ts')),
    ...(await load('src/core/onnx/half-weights.ts')),
    ...(await load('src/core/onnx/rescale-channels.ts')),
    ...(await load('src/core/onnx/write.ts')),
  };
}

/**
 * @param {string} root the repository
 * @param {string} modelPath lm-target
 * @param {string} rescalePath
 * @param {object} [core] the built core (dist-node/core.js), where there is no Vite to load the sources with
 * @returns {Promise<Uint8Array>} the file, float32: the scaled weights do not all fit float16
 */
export async function makeOutlierModel(root, modelPath, rescalePath, core) {
  const { memorySource, readModel, expandHalfWeights, rescaleChannels, rescaleSchema, modelToBytes } =
    core ?? (await fromSources(root));
  const model = await readModel(memorySource('lm-target', new Uint8Array(await readFile(modelPath))));
  await expandHalfWeights(model);
  await rescaleChannels(model, rescaleSchema.parse(JSON.parse(await readFile(rescalePath, 'utf8'))));
  return modelToBytes(model);
}
