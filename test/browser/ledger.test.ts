// What each step did, what it bought, and memory over time, on the built page with real measuring.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible } from './support/accessible.ts';
import { type App, onDropped, startApp, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';
import { expectSavedAsBoth } from './support/saved-charts.ts';

let app: App;
let model: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier();
});
afterAll(() => app.close());

/** The details of INT8 dynamic after everything ran. */
async function onDetails(
  options: { dark?: boolean; width?: number },
  body: (page: Page) => Promise<void>,
): Promise<void> {
  await onDropped(app, [{ name: 'classifier.onnx', bytes: model }], options, async (page) => {
    await page.keyboard.press('r');
    await waitForRun(page);
    await page.locator('article[data-variant] button[aria-pressed]', { hasText: 'INT8 dynamic' }).first().click();
    await page.getByRole('group', { name: 'View' }).getByRole('button', { name: 'Details', exact: true }).click();
    await page.getByRole('heading', { name: 'What each step did' }).waitFor();
    await body(page);
  });
}

async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.WHITTLE_PICTURES;
  if (!folder) return;
  const view = page.getByRole('region', { name: /^Details of/ });
  const box = await view.boundingBox();
  const size = page.viewportSize()!;
  await page.setViewportSize({ width: size.width, height: Math.ceil((box?.height ?? 0) + 700) });
  await page.waitForTimeout(300);
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.setViewportSize(size);
}

const WIDE = { width: 1280 };
const PHONE = { width: 390, dark: true };

describe('details of a variant', () => {
  test('where every step fired, and what it bought in latency: chart, table, the way to the graph', async () => {
    await onDetails(WIDE, async (page) => {
      const steps = page.getByRole('region', { name: 'What each step did' });
      const show = steps.getByRole('button', { name: /^Show \d+ place/ }).last();
      const count = Number(/\d+/.exec((await show.textContent())!)![0]);
      await show.click();
      const places = steps.getByRole('list', { name: /^Where .* changed something/ });
      expect(await places.getByRole('listitem').count()).toBe(Math.min(count, 50));

      await page.getByRole('button', { name: 'Measure what each step bought' }).click();
      const figure = page.getByRole('figure', { name: /^Latency, step by step/ });
      await figure.waitFor({ timeout: 90_000 });
      expect(await figure.getAttribute('aria-label')).toMatch(/All steps together: [\d.]+\s.?s to [\d.]+\s.?s/);
      const table = page.getByRole('region', { name: 'Latency, step by step' });
      const titles = await table.locator('tbody th').allTextContents();
      expect(titles[0]).toBe('Original');
      expect(titles.at(-1)).toBe('All steps');
      const busy = await steps.locator('tbody th').allTextContents();
      expect(titles.slice(1, -1).sort()).toEqual([...busy].sort());
      // One row in the chart for each of the table.
      expect(await figure.locator('svg[aria-hidden] > g[transform]').count()).toBe(titles.length);
      await expectAccessible(page, 'waterfall');
      const name = await expectSavedAsBoth(page, /^Save chart: Latency, step by step/, 'light');
      expect(name).toBe('classifier-latency-step-by-step');
      await page.getByRole('group', { name: 'Axis' }).getByRole('button', { name: 'Close up' }).click();
      await picture(page, 'waterfall');
      await table.locator('tbody th button').last().click();
      await page.getByRole('region', { name: /^Graph of/ }).waitFor();
      await page.getByRole('complementary', { name: /^Node dense/ }).waitFor();
    });
  });

  test('memory over time: the original beside the variant, the peak, another node by keys, and to the graph', async () => {
    await onDetails({ ...WIDE, dark: true }, async (page) => {
      await page.getByRole('button', { name: 'Show the memory plan' }).click();
      const figures = page.getByRole('figure', { name: /^Memory over time/ });
      await figures.nth(1).waitFor({ timeout: 60_000 });
      expect(await figures.count()).toBe(2);
      for (const label of await figures.evaluateAll((all) => all.map((one) => one.getAttribute('aria-label'))))
        expect(label).toMatch(/Predicted peak: [\d.]+\sk?B of activations at node \d+ of \d+/);
      const slider = page.getByRole('slider').first();
      const said = await slider.getAttribute('aria-valuetext');
      await slider.focus();
      await page.keyboard.press('Home');
      expect(await slider.getAttribute('aria-valuetext')).toMatch(/^node 1 of/);
      await page.getByRole('button', { name: 'To the peak' }).first().click();
      expect(await slider.getAttribute('aria-valuetext')).toBe(said);
      await page.getByLabel('Weights below the activations').check();
      await page.getByText('Every node of', { exact: false }).first().click();
      await expectAccessible(page, 'memory over time');
      await page.getByText('Every node of', { exact: false }).first().click();
      await picture(page, 'memory');
      const name = await expectSavedAsBoth(page, /^Save chart: Memory over time: INT8 dynamic/, 'dark');
      expect(name).toBe('classifier-memory-over-time-int8-dynamic-per-channel');
      const alive = page
        .getByRole('region', { name: /^What is alive in/ })
        .first()
        .locator('tbody th button')
        .first();
      // A value's name leads to the node that makes it.
      expect(await alive.textContent()).toBe('h0');
      await alive.click();
      await page.getByRole('region', { name: /^Graph of/ }).waitFor();
      await page.getByRole('complementary', { name: 'Node dense1', exact: true }).waitFor();
    });
  });

  test('both on a phone in the dark', async () => {
    await onDetails(PHONE, async (page) => {
      await page.getByRole('button', { name: 'Measure what each step bought' }).click();
      await page.getByRole('figure', { name: /^Latency, step by step/ }).waitFor({ timeout: 90_000 });
      await page.getByRole('button', { name: 'Show the memory plan' }).click();
      await page
        .getByRole('figure', { name: /^Memory over time/ })
        .nth(1)
        .waitFor({ timeout: 60_000 });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
      await picture(page, 'phone');
      await expectAccessible(page, 'details on a phone');
    });
  });
});
