// Runs samples on WASM and WebGPU in the built page on a machine with a real GPU, and prints the table twin's rows:
// parity, latency and accuracy of FP32, FP16 and INT4 where the tests' software adapter cannot tell.
//   node bench/webgpu-hardware.mjs [SAMPLE...]      CHROME: a Chromium; DIST: the built page (default dist)
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serve } from '../scripts/serve.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const core = await import('../dist-node/core.js');
const samples = process.argv.slice(2);
const tasks = {
  'ocr-cls': ['ocr-direction', 200],
  'ocr-rec': ['ocr-recognition', 32],
  'fashion-mobile': ['image-classification', 300],
  'fashion-vit': ['image-classification', 300],
  'lm-target': ['lm-target', 8],
  'lm-gpt2': ['lm-gpt2', 8],
};
const presetIds = ['original', 'simplify', 'fp16', 'int8-weights', 'int4-rtn'];

const server = await serve(process.env.DIST ?? `${root}dist`, { port: 0 });
const browser = await chromium.launch({
  ...(process.env.CHROME ? { executablePath: process.env.CHROME } : {}),
  headless: false,
  ignoreDefaultArgs: ['--disable-gpu'],
  args: [
    '--headless=new',
    '--no-sandbox',
    '--enable-unsafe-webgpu',
    '--use-angle=vulkan',
    '--enable-features=Vulkan,VulkanFromANGLE,DefaultANGLEVulkan',
    '--disable-vulkan-surface',
    '--ignore-gpu-blocklist',
  ],
});
const reports = {};
for (const sample of samples.length > 0 ? samples : Object.keys(tasks)) {
  const [task, limit] = tasks[sample];
  const variants = presetIds.map((id) => {
    const { ok, value, error } = core.canonicalRecipe(core.findPreset(id).recipe);
    if (!ok) throw error;
    return value;
  });
  const study = core.studySchema.parse({
    model: { kind: 'sample', id: sample },
    variants,
    targets: [{ provider: 'wasm' }, { provider: 'webgpu' }],
    task: { kind: 'sample-task', id: task, limit },
  });
  const context = await browser.newContext({ acceptDownloads: true });
  await context.addInitScript(() => {
    for (const picker of ['showOpenFilePicker', 'showSaveFilePicker']) Reflect.deleteProperty(globalThis, picker);
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => console.log(`${sample}: ${error.message}`));
  try {
    await page.goto(`${server.url}#${core.encodeStudy(study)}`);
    await page.getByRole('button', { name: /^Run again/ }).waitFor({ timeout: 120_000 });
    await page.getByRole('button', { name: 'Download' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('menuitem', { name: /^Report/ }).click(),
    ]);
    const { readFile } = await import('node:fs/promises');
    const report = JSON.parse(await readFile(await download.path(), 'utf8'));
    reports[sample] = report;
    print(sample, report);
  } catch (error) {
    console.log(`${sample}: ${error.message.split('\n')[0]}`);
    console.log(((await page.locator('body').textContent()) ?? '').slice(0, 1500));
  }
  await context.close();
}
if (process.env.OUT) writeFileSync(`${process.env.OUT}/reports.json`, JSON.stringify(reports));
await browser.close();
await server.close();
process.exit(0);

function print(sample, { environment, variants, task }) {
  console.log(`\n${sample}: ${environment.webgpuAdapter}, ${environment.logicalCores} cores`);
  const metric = task.metrics[0];
  for (const { recipe, facts, measurements, error } of variants)
    for (const { target, latency, firstRunMs, parity, evaluation, placement, verdict, error: failed } of measurements) {
      const value = evaluation?.metrics.find(({ metric: id }) => id === metric.id)?.value;
      const providers = placement?.providers.map(({ provider, nodes }) => `${provider} ${nodes}`).join(' + ');
      console.log(
        [
          `  ${recipe.name} on ${target.provider}`,
          `${((facts?.fileBytes ?? 0) / 1e6).toFixed(2)} MB`,
          latency ? `${latency.medianMs.toFixed(2)} ms (${latency.p5Ms.toFixed(2)}-${latency.p95Ms.toFixed(2)})` : '-',
          firstRunMs ? `first ${firstRunMs.toFixed(0)} ms` : '',
          value === undefined ? '' : `${metric.short} ${value.toFixed(4)}`,
          parity ? `parity ${parity.verdict} ${parity.maxRelativeToPeak.toExponential(1)}` : '',
          providers ?? '',
          verdict?.verdict ?? '',
          (failed ?? error)?.message ?? '',
        ].join(' | '),
      );
    }
}
