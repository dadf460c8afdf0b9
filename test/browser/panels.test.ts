// The panels that look at single layers, and the search: on the built page, with a small model.
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible } from './support/accessible.ts';
import { type App, type AppPage, dropFiles, startApp, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';
import { expectSavedAsBoth } from './support/saved-charts.ts';

let app: App;
let model: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier();
});
afterAll(() => app.close());

async function onModel(body: (opened: AppPage & { page: Page }) => Promise<void>): Promise<void> {
  const opened = await app.open({ height: 900 });
  try {
    await dropFiles(opened.page, [{ name: 'classifier.onnx', bytes: model }]);
    await opened.page.locator('article[data-variant]').nth(1).waitFor();
    await body(opened);
    expect(opened.problems).toEqual([]);
  } finally {
    await opened.context.close();
  }
}

const cardNames = (page: Page) => page.locator('article[data-variant] button[aria-pressed]').allTextContents();
const select = (page: Page, name: string) =>
  page.locator('article[data-variant] button[aria-pressed]', { hasText: name }).first().click();
/** Text of the cells of a table, by row. */
const cells = (page: Page, caption: string) =>
  page
    .locator('section', { has: page.locator('caption', { hasText: caption }) })
    .locator('tbody tr')
    .evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll('th,td')].map((cell) => cell.textContent ?? '')));

describe('the recipe form', () => {
  test('asks one question for steps that exclude each other, folds the rest, and points at the line that is wrong', async () => {
    await onModel(async ({ page }) => {
      await select(page, 'INT4 RTN');
      const form = page.getByRole('complementary').getByRole('region', { name: 'Recipe' });
      const weights = form.getByLabel('Weights', { exact: true });
      expect(await weights.inputValue()).toBe('weight-only-rtn');
      expect(await form.getByText('Gemm', { exact: true }).isVisible()).toBe(false);
      await form.locator('summary', { hasText: 'More settings' }).first().click();

      await form.getByLabel('Bits of single layers, new line').fill('dense1=9');
      const alert = form.getByRole('alert');
      await alert.waitFor();
      expect(await alert.textContent()).toContain('"dense1=9" is no override');
      const line = form.getByLabel('Bits of single layers, line 1');
      expect(await line.getAttribute('aria-invalid')).toBe('true');
      await line.fill('dense1=8');
      await alert.waitFor({ state: 'detached' });
      await expectAccessible(page, 'recipe form');

      await form.getByRole('button', { name: 'Pick nodes for Not nodes' }).click();
      const picker = page.getByRole('dialog');
      await picker.getByLabel(/^dense2/).check();
      await picker.getByRole('button', { name: 'Add 1 node' }).click();
      expect(await form.getByLabel('Not nodes, line 1').inputValue()).toBe('dense2');

      // The next method keeps what was set by hand; undo brings the first one back with it.
      await weights.selectOption('weight-only-bnb4');
      expect(await form.getByLabel('Not nodes, line 1').inputValue()).toBe('dense2');
      await form.getByRole('heading').click();
      await page.keyboard.press('Control+z');
      expect(await weights.inputValue()).toBe('weight-only-rtn');
      expect(await form.getByLabel('Bits of single layers, line 1').inputValue()).toBe('dense1=8');
    });
  });
});

describe('where it runs', () => {
  test('names every runtime with its verdict, and what the INT4 variant is tied to', async () => {
    await onModel(async ({ page }) => {
      await page.getByRole('button', { name: 'Run all' }).click();
      await waitForRun(page);
      await page.keyboard.press('3');
      const fits = page.getByRole('region', { name: 'Where it runs' });
      const verdicts = async () => {
        const rows = await fits
          .locator('tbody tr')
          .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => (cell.textContent ?? '').trim())));
        return Object.fromEntries(rows.map(([title, , fit, why]) => [title, { fit, why }]));
      };
      const tied = page.getByRole('heading', { name: 'What ties it down' });

      await select(page, 'Original');
      await expect.poll(async () => (await verdicts()).TensorRT?.fit).toBe('runs, documented');
      expect(Object.keys(await verdicts())).toEqual([
        'onnxruntime, CPU',
        'onnxruntime-web, WASM',
        'onnxruntime-web, WebGPU',
        'onnxruntime-web, WebNN',
        'TensorRT',
        'OpenVINO',
        'QNN (onnxruntime)',
        'Core ML (onnxruntime)',
        'DirectML (onnxruntime)',
      ]);
      expect(await tied.count()).toBe(0);

      await select(page, 'INT4 RTN');
      await tied.waitFor();
      await page.getByText(/^MatMulNBits: operators of onnxruntime, not of the ONNX standard/).waitFor();
      const int4 = await verdicts();
      expect(int4.TensorRT!.fit).toBe('does not run, documented');
      expect(int4.TensorRT!.why).toContain('MatMulNBits');
      for (const measured of ['onnxruntime, CPU', 'onnxruntime-web, WASM'])
        expect(int4[measured]).toEqual({ fit: 'runs, measured', why: '—' });
      await expectAccessible(page, 'where it runs');
    });
  });
});

describe('layers', () => {
  test('the error lens names the layers that differ, sorts them, and says when it is stale', async () => {
    await onModel(async ({ page }) => {
      await select(page, 'INT4 RTN');
      await page.keyboard.press('4');
      await page.getByRole('button', { name: 'Where does the error come from?' }).click();
      await page.getByRole('button', { name: 'Look again' }).waitFor({ timeout: 60_000 });
      const rows = await cells(page, 'Error by layer');
      const changed = rows.filter(([, , , , local]) => /dB/.test(local!)).map(([name]) => name);
      expect(changed.toSorted()).toEqual(['dense1', 'dense2']);
      await page
        .getByText(/Most error comes from dense[12]/)
        .first()
        .waitFor();
      await page.getByRole('button', { name: 'Order' }).click();
      expect((await cells(page, 'Error by layer')).map(([, , order]) => Number(order))).toEqual(
        rows.map(([, , order]) => Number(order)).toSorted((a, b) => a - b),
      );
      await expectAccessible(page, 'error lens');
      await expectSavedAsBoth(page, /^Save chart: Signal to quantization error by layer/, 'light');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'CSV' }).click(),
      ]);
      expect(download.suggestedFilename()).toBe('classifier.int4-rtn-error-by-layer.csv');
      const csv = readFileSync(await download.path(), 'utf8');
      expect(csv.split('\r\n')[0]).toContain('layer,op_type,changed');
      expect(csv.trim().split('\r\n')).toHaveLength(rows.length + 1);
      await page.getByRole('complementary').getByLabel('Bits per weight').selectOption('8');
      await page.getByText('The recipe or the task has changed since').waitFor();
      // The session is written down a moment after each change.
      await page.waitForTimeout(800);
      await page.reload();
      await page.getByRole('button', { name: 'Look again' }).waitFor();
      expect(await cells(page, 'Error by layer')).toHaveLength(rows.length);
      // A layer's name leads to the node that makes its value, whatever the variant calls it, with the error as a colour.
      await page.getByRole('button', { name: 'dense1', exact: true }).first().click();
      const node = page.getByRole('complementary', { name: /^Node dense1/ });
      await node.waitFor({ timeout: 60_000 });
      expect(await node.textContent()).toMatch(/Quantization error \(SQNR by itself\)\d+\.\d.dB/);
      await page.getByLabel('Colour by').selectOption({ label: 'Quantization error (SQNR by itself)' });
      await page.getByText(/^Quantization error \(SQNR by itself\), measured on \d+ inputs:/).waitFor();
    });
  });

  test('sensitivities are measured, set for a layer in the recipe, and make a variant that is run', async () => {
    await onModel(async ({ page }) => {
      await select(page, 'INT4 RTN');
      await page.keyboard.press('4');
      await page.getByRole('button', { name: 'Sensitivity', exact: true }).click();
      await page.getByRole('button', { name: 'Measure each layer' }).click();
      await page.getByRole('button', { name: 'Measure again' }).waitFor({ timeout: 90_000 });
      const rows = await cells(page, 'SQNR of the layer');
      expect(rows.map(([name]) => name).toSorted()).toEqual(['dense1', 'dense2']);
      await page
        .getByText(/With 4 bits dense[12] loses most/)
        .first()
        .waitFor();
      await expectAccessible(page, 'sensitivity');
      await expectSavedAsBoth(page, /^Save chart: Loss when only this layer/, 'light');

      await page.getByRole('button', { name: 'as all for dense2' }).click();
      await page.getByRole('menuitem', { name: '8 bits' }).click();
      await page.getByRole('button', { name: '8 bits for dense2' }).waitFor();
      const form = page.getByRole('complementary').getByRole('region', { name: 'Recipe' });
      await form.locator('summary', { hasText: 'More settings' }).first().click();
      expect(await form.getByLabel('Bits of single layers, line 1').inputValue()).toBe('dense2=8');

      const before = await cardNames(page);
      await page.getByRole('button', { name: 'Add and run it' }).click();
      await waitForRun(page);
      const after = await cardNames(page);
      expect(after.length).toBe(before.length + 1);
      expect(after.at(-1)).toMatch(/^Mixed bits/);
      await page
        .locator('article[data-variant]')
        .last()
        .getByText(/smaller|larger/)
        .waitFor();
    });
  });

  test('a calibrated range is moved by keys, written into the recipe, undone, and taken by the next build', async () => {
    await onModel(async ({ page }) => {
      await page.getByRole('button', { name: /Variant$/ }).click();
      await page.getByRole('menuitem', { name: /^INT8 static, calibrated/ }).click();
      await page.keyboard.press('4');
      await page.getByRole('button', { name: 'Calibration', exact: true }).click();
      await page.getByText('Run it once to see their ranges').waitFor();
      await page.keyboard.press('r');
      await waitForRun(page);
      const rows = await cells(page, 'Calibrated activations');
      expect(rows.length).toBeGreaterThanOrEqual(2);
      expect(rows.every(([, , , , , method]) => method === 'mse')).toBe(true);
      await expectAccessible(page, 'calibration');
      await expectSavedAsBoth(page, /^Save chart: Values of /, 'light');

      const upper = page.getByRole('slider', { name: 'Upper end of the range' });
      const value = async () => Number(await upper.getAttribute('aria-valuenow'));
      const start = await value();
      await upper.focus();
      await page.keyboard.press('Shift+ArrowLeft');
      expect(await value()).toBeLessThan(start);
      await page.getByText('The recipe has changed since these ranges were measured').waitFor();
      await page.getByRole('button', { name: 'Run all' }).first().click();
      await waitForRun(page);
      expect((await cells(page, 'Calibrated activations')).filter((row) => row.includes('by hand'))).toHaveLength(1);
      await page.getByRole('button', { name: 'As calibrated' }).click();
      expect((await cells(page, 'Calibrated activations')).filter((row) => row.includes('by hand'))).toHaveLength(0);
      await page.keyboard.press('Control+z');
      expect((await cells(page, 'Calibrated activations')).filter((row) => row.includes('by hand'))).toHaveLength(1);
    });
  });
});

describe('find the best', () => {
  test('shows what it tries, stops, goes on, recommends, and adds what it recommends', async () => {
    await onModel(async ({ page }) => {
      await page.keyboard.press('b');
      const dialog = page.getByRole('dialog', { name: 'Find the best recipe' });
      // Sixteen samples tell apart only what is far off, so that much is allowed here.
      await dialog.getByLabel('At most this much worse').fill('40');
      await dialog.getByLabel('Budget').fill('10');
      await dialog.getByRole('button', { name: 'Search', exact: true }).click();
      await dialog.getByText(/[1-9]\d* of 10 recipes evaluated/).waitFor({ timeout: 90_000 });
      await expectAccessible(page, 'search while it runs');
      // Closing the dialog is not stopping the search.
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Cancel' }).waitFor();
      await page.keyboard.press('b');
      await dialog.getByRole('button', { name: 'Stop' }).click();
      await dialog.getByText('Stopped before its end').waitFor();
      await dialog.getByRole('button', { name: 'Go on' }).click();
      await dialog.getByRole('heading', { name: /^Recommended: / }).waitFor({ timeout: 150_000 });
      await expectAccessible(page, 'search that ended');
      await expectSavedAsBoth(page, /^Save chart: File size against/, 'light');
      const recommended = (await dialog.getByRole('heading', { name: /^Recommended: / }).textContent())!.slice(13);
      expect((await cells(page, 'Recipes tried')).length).toBeGreaterThan(3);
      const before = await cardNames(page);
      await dialog.getByRole('button', { name: `Add ${recommended}`, exact: true }).click();
      await dialog.getByRole('button', { name: `${recommended} is added` }).waitFor();
      await page.keyboard.press('Escape');
      expect(await cardNames(page)).toEqual([...before, recommended]);
    });
  });
});
