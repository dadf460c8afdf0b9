// The Profile view on the built page: times of nodes, selection, the roofline, on WASM and on WebGPU (in software here).
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible } from './support/accessible.ts';
import { type App, type AppPage, dropFiles, startApp } from './support/app.ts';
import { smallClassifier } from './support/models.ts';
import { expectSavedAsBoth } from './support/saved-charts.ts';

let app: App;
let model: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier();
});
afterAll(() => app.close());

type Options = NonNullable<Parameters<App['open']>[0]>;

async function onProfile(body: (opened: AppPage) => Promise<void>, options: Options = {}): Promise<void> {
  const opened = await app.open({ height: 900, ...options });
  const { page } = opened;
  try {
    await dropFiles(page, [{ name: 'classifier.onnx', bytes: model }]);
    await page.locator('article[data-variant]').nth(1).waitFor();
    await page
      .locator('article[data-variant] button[aria-pressed]', { hasText: 'INT8 dynamic, per channel' })
      .first()
      .click();
    await page.keyboard.press('7');
    await body(opened);
    expect(opened.problems).toEqual([]);
  } finally {
    await opened.context.close();
  }
}

/** Head and cells of a table, by its caption. */
async function table(page: Page, caption: string): Promise<Record<string, string>[]> {
  const section = page.locator('section', { has: page.locator('caption', { hasText: caption }) }).last();
  await section.waitFor();
  const heads = await section.locator('thead th').allTextContents();
  const rows = await section
    .locator('tbody tr')
    .evaluateAll((all) => all.map((row) => [...row.querySelectorAll('th,td')].map((cell) => cell.textContent ?? '')));
  return rows.map((row) => Object.fromEntries(row.map((cell, index) => [heads[index]!, cell])));
}

async function profile(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Profile (both|it|again)$/ }).click();
  // Disabled while it runs.
  await page.locator('button:enabled', { hasText: 'Profile again' }).waitFor({ timeout: 120_000 });
}

/** The roofline's ceilings: so many rates, each a figure. */
async function measureDevice(page: Page, count: number): Promise<void> {
  await page.getByRole('button', { name: 'Measure this device' }).click();
  await page.getByRole('button', { name: 'Measure again' }).waitFor({ timeout: 60_000 });
  const rates = await page.locator('section[aria-label="Measured rates"] tbody tr').allTextContents();
  expect(rates).toHaveLength(count);
  for (const rate of rates) expect(Number(/\d[\d.]*(?= ?×| GB|\u202f)/.exec(rate)?.[0])).toBeGreaterThan(0);
}

/** The least and the greatest figure of a column as they are written, one behind the other. */
function endsOf(rows: readonly Record<string, string>[], column: string, figure: RegExp): string {
  const value = (text: string) => Number.parseFloat(text.replace('\u2212', '-'));
  const figures = rows.flatMap((row) => figure.exec(row[column]!.replace(/\s/g, ' '))?.[0] ?? []);
  const sorted = figures.toSorted((a, b) => value(a) - value(b));
  return `${sorted[0]}${sorted.at(-1)}`;
}

const selectedRows = (page: Page) => page.locator('tr[data-selected] button').allTextContents();

describe('the profile on WASM', () => {
  test('shows the original beside the variant; map, table and roofline point at the same node', async () => {
    await onProfile(async ({ page }) => {
      await profile(page);
      const nodes = await table(page, 'Time by node');
      const dense = nodes.filter(({ Operator }) => /^(Fused)?(Gemm|MatMul)/.test(Operator!));
      expect(dense.length).toBeGreaterThanOrEqual(2);
      // Every layer has become integer kernels, and both have a time.
      for (const row of dense) {
        expect(row.Operator).toMatch(/→.*Integer|→.*DynamicQuantize/);
        expect(row.Original).toMatch(/\d/);
        expect(row['INT8 dynamic, per channel']).toMatch(/\d/);
      }
      await page
        .getByText(/without the profiler, .* with it/)
        .first()
        .waitFor();
      expect(await page.getByText(/nodes? ran, \d+ made by onnxruntime/).count()).toBe(2);
      await expectAccessible(page, 'profile');
      await expectSavedAsBoth(page, /^Save chart: Time by operator/, 'light');

      const tile = page.locator('rect[data-node]').first();
      const name = (await tile.getAttribute('data-node'))!;
      await tile.click();
      const [first] = await selectedRows(page);
      expect([first, name].some((one) => one!.startsWith('dense'))).toBe(true);
      expect(await selectedRows(page)).toHaveLength(1);

      await page.getByRole('button', { name: 'By operator', exact: true }).click();
      const ops = await table(page, 'Time by operator');
      expect(ops.some(({ Verdict }) => Verdict === 'only in the variant')).toBe(true);
      await page.getByRole('button', { name: ops[0]!.Operator!, exact: true }).click();
      const only = await table(page, 'Time by node');
      expect(only.length).toBeLessThan(nodes.length + 1);
      await page.getByRole('button', { name: /^Show all operators/ }).click();

      await page.getByRole('button', { name: 'Roofline', exact: true }).click();
      await measureDevice(page, 5);
      const bound = await table(page, 'Predicted is the longer of');
      expect(bound.length).toBeGreaterThan(nodes.length);
      for (const row of bound) expect(row['Bound by']).toMatch(/^(compute|memory|overhead|unknown|elsewhere)$/);
      // What was selected in the map is selected here too, in both variants.
      expect(bound[0]!.Node).toContain('dense');
      expect((await selectedRows(page)).length).toBeGreaterThanOrEqual(2);
      await page
        .getByText(/Original: predicted .* measured/)
        .first()
        .waitFor();
      expect(await page.locator('.recharts-scatter-symbol').count()).toBeGreaterThan(2);
      await expectAccessible(page, 'roofline');
      expect(await expectSavedAsBoth(page, /^Save chart: Roofline: Original/, 'light')).toBe(
        'classifier-roofline-original',
      );

      await page.getByRole('button', { name: 'Time', exact: true }).click();
      await page.getByRole('button', { name: 'Show in graph' }).click();
      await page.getByRole('button', { name: 'Graph', exact: true, pressed: true }).waitFor();
      // The variant's kernel of the layer that was clicked is selected there.
      const layer = /dense[12]/.exec(`${name} ${first}`)![0];
      const panel = page.getByRole('complementary', { name: `Node ${layer}_quant`, exact: true });
      await panel.getByRole('heading', { name: 'MatMulInteger', exact: true }).waitFor();
      await expect.poll(() => panel.textContent()).toContain(`from ${layer}`);
      await page
        .getByLabel('Colour by')
        .locator('option', { hasText: 'Share of latency' })
        .waitFor({ state: 'attached' });
      // And back: what is chosen in the graph is what the profile points at.
      await page.getByRole('combobox', { name: 'Find nodes, operators, tensors' }).fill('softmax');
      await page.keyboard.press('Enter');
      await page.getByRole('complementary', { name: 'Node softmax' }).waitFor();
      await page.getByRole('application').focus();
      await page.keyboard.press('7');
      await expect.poll(() => selectedRows(page)).toEqual(['softmax']);
      await page.waitForTimeout(800);
      await page.reload();
      // Profile and ceilings are still there.
      await page.getByRole('button', { name: 'Profile again' }).waitFor();
      await page.getByRole('button', { name: 'Roofline', exact: true }).click();
      await page.getByRole('button', { name: 'Measure again' }).waitFor();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'CSV' }).click(),
      ]);
      const csv = readFileSync(await download.path(), 'utf8')
        .trim()
        .split('\r\n');
      expect(csv[0]).toContain('median_us');
      expect(csv.length).toBe(bound.length + 1);
    });
  });

  test('with optimization off every node is one of the file and coloured by all that was measured, on a phone and in the dark', async () => {
    await onProfile(
      async ({ page }) => {
        await page.getByRole('button', { name: 'As in the file' }).click();
        await profile(page);
        const nodes = await table(page, 'Time by node');
        expect(nodes.length).toBeGreaterThan(0);
        for (const { From } of nodes) expect(From).toBe('the file');
        await expectAccessible(page, 'profile, dark, narrow');
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(overflow).toBeLessThanOrEqual(0);

        // All that the graph can be coloured by, once it is measured.
        await page.keyboard.press('4');
        await page.getByRole('button', { name: 'Where does the error come from?' }).click();
        await page.getByRole('button', { name: 'Look again' }).waitFor({ timeout: 60_000 });
        const errors = await table(page, 'Error by layer');
        await page.getByRole('button', { name: 'Sensitivity', exact: true }).click();
        await page.getByRole('button', { name: 'Measure each layer' }).click();
        await page.getByRole('button', { name: 'Measure again' }).waitFor({ timeout: 90_000 });
        const losses = await table(page, 'SQNR of the layer');
        await page.keyboard.press('g');
        await page.getByRole('application').waitFor({ timeout: 60_000 });
        const expected: Record<string, unknown> = {
          'Operator class': 'Operator class:Elementwise, reduction (7)Activation (2)Matrix product (2)Quantization (2)',
          // 128 x 10 and 64 x 128.
          MACs: 'MACs, from shapes:1,280 MACs8,192 MACs11 nodes without',
          // Softmax of 10 figures; 64 + 64 x 128 of a byte, 128 and two zero points, 128 sums of four bytes.
          'Bytes read and written': 'Bytes read and written, from shapes:80 B8.9 kB',
          'Bytes of weights': 'Bytes of weights:40 B8.3 kB8 nodes without',
          'Storage of weights': 'Storage of weights:float32 (2)uint8 (2)',
          'Share of latency': expect.stringMatching(
            /^Share of latency, measured on WASM, runtime optimization off:\d[\d.]* %[1-9][\d.]* %$/,
          ),
          'Execution provider': 'Execution provider, measured on WASM, runtime optimization off:CPU (13)',
          'Quantization error (SQNR by itself)': `Quantization error (SQNR by itself), measured on 8 inputs:${endsOf(errors, 'SQNR by itself', /^.* dB$/)}11 nodes without`,
        };
        for (const candidate of ['2 bits', '4 bits', '8 bits', 'INT8 weights', 'INT8 dynamic'])
          expected[`Sensitivity, ${candidate}`] =
            `Sensitivity, ${candidate}, KL divergence, nats:${endsOf(losses, candidate, /^[^ ]+/)}11 nodes without`;
        const colour = page.getByLabel('Colour by');
        expect(await colour.locator('option').allTextContents()).toEqual(Object.keys(expected));
        for (const [label, legend] of Object.entries(expected)) {
          await colour.selectOption({ label });
          const text = await page.locator('[class*=_legend_]').textContent();
          expect(text!.replace(/\s/g, ' ')).toEqual(legend);
        }
      },
      { width: 390, dark: true },
    );
  });

  test('is cancelled at once and can be started anew', async () => {
    await onProfile(async ({ page }) => {
      await page.getByRole('button', { name: 'Profile both' }).click();
      await page.getByRole('progressbar').waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.locator('button:enabled', { hasText: 'Profile both' }).waitFor({ timeout: 5000 });
      expect(await page.locator('rect[data-node]').count()).toBe(0);
      await profile(page);
      expect(await page.locator('rect[data-node]').count()).toBeGreaterThan(2);
    });
  });
});

describe('the profile on WebGPU', () => {
  test('takes times from the GPU, says what handing over took, and measures the GPU for the roofline', async () => {
    await onProfile(async ({ page }) => {
      await page.locator('article[data-variant] button[aria-pressed]').first().click();
      await page.getByLabel('Target that is profiled').selectOption('webgpu');
      await profile(page);
      await page.getByText(/times on the GPU are by its own timestamps/).waitFor();
      await page.getByText(/Handing nodes to the GPU took/).waitFor();
      const nodes = await table(page, 'Time by node');
      const products = nodes.filter(({ Node }) => /dense/.test(Node!));
      expect(products).toHaveLength(2);
      for (const row of products) {
        expect(row['Ran on']).toBe('WebGpu');
        expect(row['Handing over']).toMatch(/\d/);
        expect(row.Median).toMatch(/\d/);
      }
      await page.getByRole('button', { name: 'Roofline', exact: true }).click();
      // Without that of 8-bit integers, for which WebGPU has no product.
      await measureDevice(page, 4);
      const bound = await table(page, 'Predicted is the longer of');
      expect(bound).toHaveLength(nodes.length);
      for (const row of bound) expect(row['Bound by']).toMatch(/^(compute|memory|overhead)$/);
      await page.keyboard.press('g');
      await page.getByLabel('Colour by').selectOption({ label: 'Execution provider' });
      await page.getByText('Execution provider, measured on WebGPU:').waitFor();
      // All but the Identity, which the runtime leaves out.
      await page.getByText('WebGpu (5)').waitFor();
    });
  });
});
