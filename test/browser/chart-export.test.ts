// Charts as files: what is saved draws by itself, in a page that has nothing of the app.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, type AppPage, dropFiles, startApp, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';
import { drawn, emptyPage, expectSavedAsBoth, expectStandalone, SURFACE, saved } from './support/saved-charts.ts';

let app: App;
let model: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier();
});
afterAll(() => app.close());

async function onMeasured(dark: boolean, body: (opened: AppPage) => Promise<void>): Promise<void> {
  const opened = await app.open({ dark });
  try {
    await dropFiles(opened.page, [{ name: 'classifier.onnx', bytes: model }]);
    await opened.page.locator('article[data-variant]').nth(1).waitFor();
    await opened.page.getByRole('button', { name: /^Run all/ }).click();
    await waitForRun(opened.page);
    await body(opened);
    expect(opened.problems).toEqual([]);
  } finally {
    await opened.context.close();
  }
}

describe.each([
  ['light', false],
  ['dark', true],
] as const)('in the %s theme', (theme, dark) => {
  test('an SVG is well-formed, needs no style of the page, and draws by itself', async () => {
    await onMeasured(dark, async (opened) => {
      const { page } = opened;
      const files = [];
      for (const title of [/Save chart: Memory/, /Save chart: Latency/]) files.push(await saved(page, title, 'SVG'));
      await page.keyboard.press('2');
      files.push(await saved(page, /Save chart: File size against/, 'SVG'));
      expect(files.map(({ name }) => name)).toEqual([
        'classifier-memory.svg',
        'classifier-latency.svg',
        expect.stringMatching(/^classifier-file-size-against-[\w-]+\.svg$/),
      ]);
      const fresh = await emptyPage(opened.page);
      for (const { name, bytes } of files)
        expect((await expectStandalone(fresh, name, bytes, theme)).texts.join(' '), name).toContain('Original');
      await fresh.close();
    });
  });

  test('a PNG has twice the size of its SVG, and is not blank', async () => {
    await onMeasured(dark, async (opened) => {
      const { page } = opened;
      expect(await expectSavedAsBoth(page, /Save chart: Memory/, theme)).toBe('classifier-memory');
      // The one of the task's metric, whatever it is called.
      const metric = /Save chart: (?!Memory|Latency)/;
      expect(await expectSavedAsBoth(page, metric, theme)).toBe('classifier-same-best-class-as-the-original');
    });
  });
});

test('the page’s strict content security policy does not stop it', async () => {
  const opened = await app.open();
  const { page } = opened;
  try {
    await dropFiles(page, [{ name: 'classifier.onnx', bytes: model }]);
    await page.locator('article[data-variant]').nth(1).waitFor();
    await page.getByRole('button', { name: /^Run all/ }).click();
    await waitForRun(page);
    // No inline script, no inline style element, no pictures but the page's own and its blobs.
    const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
    expect(policy).toContain("style-src 'self'; img-src 'self' blob:;");
    const png = await saved(page, /Save chart: Memory/, 'PNG');
    expect(png.bytes.readUInt32BE(16)).toBeGreaterThan(400);
    const fresh = await emptyPage(opened.page);
    const seen = await drawn(fresh, png.bytes, 'image/png', SURFACE.light);
    expect(seen.thirds.every((count) => count > 800)).toBe(true);
    expect(opened.problems).toEqual([]);
  } finally {
    await opened.context.close();
  }
});
