// Round-to-nearest INT4 (block 32) of a model of 2 GB with external data in Chromium, from files to the origin-private
// file system, in a worker as the studio does it: peak memory of all the browser's processes. Bar: under 300 MB. Needs
// 5 GB of disk.   node bench/rtn-chromium.mjs
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundle, temporaryFolder } from './lib/bundle.mjs';
import { weightCount, writeLargeModels } from './lib/large-model.mjs';
import { startBrowser } from './lib/page.mjs';

const barBytes = 300e6;

const folder = temporaryFolder('rtn-chromium');
const writing = [
  'src/core/base/byte-parts.ts',
  'src/core/ir/build.ts',
  'src/core/ir/tensor.ts',
  'src/core/onnx/read.ts',
  'src/core/onnx/write.ts',
];
const core = await import(pathToFileURL(await bundle(folder, 'core', writing, 'node')).href);
const { externalBytes } = await writeLargeModels(core, folder);
const inPage = [
  'src/core/base/byte-parts.ts',
  'src/core/base/progress.ts',
  'src/core/onnx/read.ts',
  'src/core/onnx/write.ts',
  'src/core/quant/weight-only-rtn.ts',
  'src/core/step/run-steps.ts',
  'src/runtime/transform/blob-source.ts',
  'src/runtime/transform/scratch-store.ts',
];
const browser = await startBrowser(await bundle(folder, 'page', inPage, 'browser'), join(folder, 'profile'));
try {
  const { page, close } = await browser.open(['external.onnx', 'weights.bin'].map((name) => join(folder, name)));
  await page.evaluate(startWorker);
  const endOfWatch = await browser.watchMemory();
  const outcome = await page.evaluate(() => window.quantize([...document.querySelector('input').files]));
  const growthBytes = await endOfWatch();
  await close();
  if (outcome.error) throw new Error(outcome.error);
  if (outcome.fired !== weightCount) throw new Error(`${outcome.fired} of ${weightCount} weights were quantized`);
  const isMet = growthBytes < barBytes;
  if (!isMet) process.exitCode = 1;
  console.log(
    `Chromium ${browser.version}: ${weightCount} weights of 4.2 MB, ${(externalBytes / 1e6).toFixed(0)} -> ` +
      `${(outcome.bytes / 1e6).toFixed(0)} MB in ${(outcome.ms / 1000).toFixed(1)} s, peak memory +${(growthBytes / 1e6).toFixed(0)} MB: ` +
      `bar ${barBytes / 1e6} MB ${isMet ? 'met' : 'MISSED'}`,
  );
} finally {
  await browser.close();
}

/** Runs in the page: a worker that loads the bundle, and `window.quantize(files)`, which asks it. */
async function startWorker() {
  const work = async (files) => {
    const core = await import(`${self.name}/page.mjs`);
    const byName = new Map(files.map((file) => [file.name, file]));
    const open = (name) => byName.has(name) && new core.BlobSource(name, byName.get(name));
    const start = performance.now();
    const model = await core.readModel(open('external.onnx'), { resolveExternal: (name) => open(name) || undefined });
    const outcome = await core.runSteps({
      model,
      steps: [{ definition: core.step, params: core.step.params.parse({}) }],
      job: core.quietJob,
      store: core.createScratchStore('bench'),
    });
    const written = await core.writeModel(outcome.model, {
      externalData: { location: 'weights.bin', thresholdBytes: 1024 },
    });
    const root = await navigator.storage.getDirectory();
    let bytes = 0;
    for (const [name, parts] of [
      ['out.onnx', written.graph],
      ['out.bin', written.external],
    ]) {
      const access = await (await root.getFileHandle(name, { create: true })).createSyncAccessHandle();
      let at = 0;
      for await (const chunk of core.streamParts(parts)) at += access.write(chunk, { at });
      access.flush();
      access.close();
      bytes += at;
    }
    return { ms: performance.now() - start, fired: outcome.ledger[0].fired, bytes };
  };
  const source = `const work = ${work};
    self.onmessage = ({ data }) => work(data).then(postMessage, (error) => postMessage({ error: String(error.stack ?? error) }));`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module', name: window.location.origin });
  window.quantize = (files) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(files);
    });
}
