// What a recipe did to the graph, on the built page; reports and hand-over, which leave it as files.
import { readFileSync } from 'node:fs';
import type { Download, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible } from './support/accessible.ts';
import { type App, onDropped, startApp, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';

let app: App;
let model: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier();
});
afterAll(() => app.close());

const onModel = (options: { dark?: boolean; width?: number }, body: (page: Page) => Promise<void>) =>
  onDropped(app, [{ name: 'classifier.onnx', bytes: model }], options, body);

const select = (page: Page, name: string) =>
  page.locator('article[data-variant] button[aria-pressed]', { hasText: name }).first().click();

describe('diff', () => {
  test('lists what changed by which step, draws it, filters, walks by keys and leads to the graph', async () => {
    await onModel({}, async (page) => {
      await select(page, 'INT4 RTN');
      await page.keyboard.press('d');
      const summary = page.getByText(/nodes became \d+/);
      await summary.waitFor({ timeout: 60_000 });
      const view = page.getByRole('region', { name: /^Difference between/ });
      await view.getByLabel('Kind of difference').selectOption('replaced');
      const rows = view.locator('[data-item] button');
      const titles = await rows.allTextContents();
      expect(titles.length).toBeGreaterThan(0);
      expect(titles.every((title) => title.includes('MatMulNBits') && title.includes('Weight-only blocks'))).toBe(true);
      await rows.first().click();
      await view.getByRole('heading', { name: /^Replaced: .*MatMulNBits/ }).waitFor();
      expect(await view.locator('figure', { hasText: 'Before' }).locator('li').first().textContent()).toMatch(
        /^(Gemm|MatMul)/,
      );
      await view.locator('figure', { hasText: 'After' }).locator('canvas').first().waitFor();
      await page.keyboard.press('ArrowDown');
      expect(await rows.nth(1).getAttribute('aria-pressed')).toBe('true');
      await view.getByLabel('Search in the differences').fill('no such operator');
      await view.getByText('0 differences').waitFor();
      await view.getByLabel('Search in the differences').fill('');
      await expectAccessible(page, 'diff');
      await view.getByRole('button', { name: 'Show in graph' }).click();
      // The node that the difference is about is the one that is selected there.
      await page
        .getByRole('complementary', { name: 'Node dense2_Q4' })
        .getByRole('heading', { name: 'com.microsoft.MatMulNBits', exact: true })
        .waitFor();
    });
  });

  test('the sides swapped, and two variants against each other, on a phone in the dark', async () => {
    await onModel({ width: 390, dark: true }, async (page) => {
      await select(page, 'INT4 RTN');
      await page.getByRole('button', { name: 'Diff', exact: true }).click();
      const nodes = page.getByText(/nodes became \d+/);
      await nodes.waitFor({ timeout: 60_000 });
      const [, before, after] = /(\d+) nodes became (\d+)/.exec((await nodes.textContent())!)!;
      await page.getByRole('button', { name: 'Swap the sides' }).click();
      await page.getByText(`${after} nodes became ${before}`).waitFor({ timeout: 60_000 });
      await expectAccessible(page, 'diff, 390 px, dark');

      const view = page.getByRole('region', { name: /^Difference between/ });
      const side = (label: string) => view.locator('label', { hasText: label }).locator('select');
      const titles = () => view.locator('[data-item] button').allTextContents();
      await side('Before').selectOption({ label: 'Original' });
      await side('After').selectOption({ label: 'B INT8 dynamic, per channel' });
      await page.getByText(/6 nodes became \d+/).waitFor({ timeout: 60_000 });
      expect((await titles()).filter((title) => /Dynamic INT8$/.test(title))).toHaveLength(2);
      expect(await nodes.textContent()).not.toContain('known against the original');
      expect(await view.getByLabel('Step that did it').count()).toBe(1);
      await side('Before').selectOption({ label: 'A Simplify only' });
      await page.getByText(/^4 nodes became/).waitFor({ timeout: 60_000 });
      expect(await view.getAttribute('aria-label')).toBe(
        'Difference between Simplify only and INT8 dynamic, per channel',
      );
      // Both dense layers have become integer kernels; Relu and Softmax are the same on both sides.
      expect(await nodes.textContent()).toMatch(
        /^4 nodes became 13: 2 replaced, 9 added, 2 unchanged\. Weights: 38\.4\skB became 10\.\d\skB\. Which step did what is known against the original only\.$/,
      );
      expect((await titles()).filter((title) => title.startsWith('Replaced'))).toEqual([
        'Replaced: Gemm → Add',
        'Replaced: MatMul → Mul',
      ]);
      expect((await titles()).filter((title) => title === 'Added: MatMulInteger')).toHaveLength(2);
      // No step is named, and none can be asked for.
      expect((await titles()).every((title) => /^(Replaced|Added): \w+( → \w+)?$/.test(title))).toBe(true);
      expect(await view.getByLabel('Step that did it').count()).toBe(0);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    });
  });
});

describe('what leaves the page', () => {
  test('a report as one HTML file that prints on two pages and asks nothing of the network', async () => {
    await onModel({}, async (page) => {
      await page.getByRole('button', { name: 'Run all' }).click();
      await waitForRun(page);
      await page.getByRole('button', { name: 'Download' }).click();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('menuitem', { name: /^Web page/ }).click(),
      ]);
      expect(download.suggestedFilename()).toBe('classifier.report.html');
      const html = readFileSync(await download.path(), 'utf8');
      const context = await app.browser.newContext();
      const requests: string[] = [];
      const reader = await context.newPage();
      reader.on('request', (request) => requests.push(request.url()));
      const address = 'https://report.test/';
      await context.route(address, (route) => route.fulfill({ contentType: 'text/html', body: html }));
      await reader.goto(address);
      expect(requests).toEqual([address]);
      expect(await reader.locator('h1').textContent()).toContain(
        'Which of 3 variants of classifier.onnx may replace it',
      );
      expect(await reader.locator('svg').count()).toBeGreaterThanOrEqual(3);
      await expectAccessible(reader, 'HTML report');
      const pdf = (await reader.pdf({ preferCSSPageSize: true })).toString('latin1');
      expect(pdf.match(/\/Type\s*\/Page[^s]/g)!.length).toBeLessThanOrEqual(2);
      await context.close();
    });
  });

  test('a recipe handed over to another tool, with what maps exactly', async () => {
    await onModel({}, async (page) => {
      await select(page, 'INT4 RTN');
      await page.getByRole('button', { name: 'Download' }).click();
      await page.getByRole('menuitem', { name: /^Hand over/ }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('tab', { name: /^onnxruntime/ }).click();
      await dialog.getByRole('heading', { name: 'Maps exactly' }).waitFor();
      await page.keyboard.press('ArrowDown');
      expect(await dialog.getByRole('tab', { name: /^Olive/ }).getAttribute('aria-selected')).toBe('true');
      await expectAccessible(page, 'hand over');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        dialog.getByRole('button', { name: 'olive.yaml' }).click(),
      ]);
      expect(readFileSync(await download.path(), 'utf8')).toContain('OnnxBlockWiseRtnQuantization');
    });
  });

  test('every tool: its file is saved and copied as it is shown, says what maps, and names what has no counterpart', async () => {
    await onModel({}, async (page) => {
      await page.getByRole('button', { name: /Variant$/ }).click();
      await page.getByRole('menuitem', { name: /^INT8 static, calibrated/ }).click();
      const namesOf = (tools: Awaited<ReturnType<typeof handedOver>>) =>
        Object.values(tools).map((files) => files.map(({ name }) => name).join(' and '));
      const all = [
        'recipe.json',
        'quantize_onnxruntime.py',
        'olive.yaml',
        'quantize_modelopt.py',
        'quantize_llmcompressor.py',
        'quantize_llamacpp.sh',
        'serve_vllm.sh',
        'serve_tensorrt_llm.sh',
      ];
      expect(namesOf(await handedOver(page, 'INT4 RTN'))).toEqual(all);
      // Olive reads calibration inputs by a script, which lies beside its configuration.
      const static8 = await handedOver(page, 'INT8 static, calibrated');
      expect(namesOf(static8)).toEqual(all.with(2, 'olive.yaml and calibration.py'));
      const [olive, calibration] = static8['Olive run configuration (YAML)']!;
      expect(olive!.text).toContain('"user_script": "calibration.py"');
      expect(calibration!.text).toContain('def calibration_inputs(');
      const simplified = await handedOver(page, 'Simplify only');
      expect(simplified['NVIDIA Model Optimizer (Python)']).toEqual([]);
      expect(simplified['llama.cpp (llama-quantize)']).toEqual([]);
    });
  });
});

/**
 * Goes through all tools for one variant: what each saves is what it shows and copies, under a header of what maps.
 * @returns the files of each tool; none for a tool that says that it has no counterpart
 */
async function handedOver(page: Page, variant: string) {
  const name = page.locator('article[data-variant] button[aria-pressed]', { hasText: variant }).first();
  await name.click();
  await page.getByRole('button', { name: 'Download' }).click();
  await page.getByRole('menuitem', { name: /^Hand over/ }).click();
  const dialog = page.getByRole('dialog', { name: `Hand over ${await name.textContent()}` });
  await dialog.getByRole('tab').first().waitFor();
  const tools: Record<string, { name: string; text: string }[]> = {};
  for (const tab of await dialog.getByRole('tab').all()) {
    await tab.click();
    const title = (await tab.textContent())!.replace(/ (exact|approximately|not there)$/, '');
    const files: { name: string; text: string }[] = [];
    tools[title] = files;
    if ((await tab.textContent())!.endsWith('not there')) {
      await dialog.getByText('This tool has no counterpart of the recipe.').waitFor();
      expect(await dialog.getByRole('heading', { name: 'No counterpart there' }).count(), title).toBe(1);
      expect(await dialog.getByRole('button', { name: 'Copy' }).count(), title).toBe(0);
      continue;
    }
    const save = dialog.getByRole('button', { name: /\.(json|py|yaml|sh)$/ });
    const expected = (await save.textContent())!.trim().split(' and ');
    const saved: Download[] = [];
    const note = (download: Download) => saved.push(download);
    page.on('download', note);
    await save.click();
    await expect.poll(() => saved.map((download) => download.suggestedFilename())).toEqual(expected);
    page.off('download', note);
    for (const download of saved)
      files.push({ name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') });
    const { text } = files[0]!;
    expect(await dialog.getByRole('region', { name: expected[0]! }).textContent(), title).toBe(text);
    await dialog.getByRole('button', { name: 'Copy' }).click();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(text);
    // Every sentence of the dialog is in the file, wrapped as comments; JSON has none.
    if (expected[0] === 'recipe.json') continue;
    const header = text.replace(/\n# ?/g, ' ').replace(/\s+/g, ' ');
    expect(header, title).toMatch(/Made by Whittle for classifier\.onnx( \(SHA-256 [0-9a-f]+\))?\. Written for /);
    expect(header, title).toMatch(/Maps exactly: -|Only approximately: -/);
    const sentences = await dialog.locator('#handover-panel li').allTextContents();
    expect(sentences.length, title).toBeGreaterThan(0);
    for (const sentence of sentences) expect(header, title).toContain(`- ${sentence.replace(/\s+/g, ' ')}`);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  return tools;
}
