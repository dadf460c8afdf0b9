// Charts as files: what is saved draws by itself, in a page that has nothing of the app.
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, type AppPage, dropFiles, startApp, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';

/** The dark theme's and the light theme's `--surface`. */
const SURFACE = { dark: [22, 26, 32], light: [255, 255, 255] } as const;

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

async function saved(page: Page, title: RegExp, format: 'PNG' | 'SVG') {
  await page.getByRole('button', { name: title }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: format }).click(),
  ]);
  // The menu fades out before the next can be opened.
  await page.getByRole('menu').waitFor({ state: 'detached' });
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}

/** Where a picture's pixels differ from the theme's surface, by thirds of its height; and the colours seen. */
async function drawn(page: Page, bytes: Buffer, type: string, surface: readonly number[]) {
  const source = `data:${type};base64,${bytes.toString('base64')}`;
  return page.evaluate(
    async ([address, [red, green, blue]]) => {
      const image = new Image();
      image.src = address;
      await image.decode();
      const canvas = document.createElement('canvas');
      canvas.width = image.naturalWidth;
      canvas.height = image.naturalHeight;
      const context = canvas.getContext('2d')!;
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const thirds = [0, 0, 0];
      const colours = new Set<number>();
      for (let at = 0; at < data.length; at += 4) {
        const [r, g, b, a] = [data[at]!, data[at + 1]!, data[at + 2]!, data[at + 3]!];
        colours.add((r << 16) | (g << 8) | b);
        const isSurface = r === red && g === green && b === blue && a === 255;
        if (!isSurface) thirds[Math.floor((at / data.length) * 3)]! += 1;
      }
      const corner = [...data.slice(0, 4)];
      return { width: canvas.width, height: canvas.height, thirds, colours: colours.size, corner };
    },
    [source, [...surface]] as const,
  );
}

/** A page that has nothing but a picture: no stylesheet of the app, no custom property. */
const emptyPage = async ({ context }: AppPage) => {
  const page = await context.newPage();
  await page.goto('data:text/html,<title>empty</title>');
  return page;
};

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
      const fresh = await emptyPage(opened);
      for (const { name, bytes } of files) {
        const text = bytes.toString('utf8');
        expect(text, name).not.toMatch(/var\(|class=|style=|<script|href=|foreignObject|<style/);
        const parsed = await fresh.evaluate((source) => {
          const root = new DOMParser().parseFromString(source, 'application/xml');
          const say = (selector: string) => root.querySelector(selector)?.textContent ?? '';
          const ids = new Set([...root.querySelectorAll('[id]')].map(({ id }) => id));
          const named = [...source.matchAll(/url\(#([^)]+)\)/g)].map(([, id]) => id!);
          return {
            error: root.querySelector('parsererror')?.textContent ?? null,
            title: say('svg > title'),
            desc: say('svg > desc'),
            texts: [...root.querySelectorAll('text')].map((found) => found.textContent ?? ''),
            missing: named.filter((id) => !ids.has(id)),
            font: root.documentElement.getAttribute('font-family'),
          };
        }, text);
        expect(parsed.error, name).toBeNull();
        expect(parsed.missing, name).toEqual([]);
        expect(parsed.title.length, name).toBeGreaterThan(3);
        expect(parsed.desc, name).toMatch(/\.$/);
        expect(parsed.texts.join(' '), name).toContain('Original');
        expect(parsed.font).toContain('sans-serif');
        const seen = await drawn(fresh, bytes, 'image/svg+xml', SURFACE[theme]);
        expect(seen.corner.slice(0, 3), name).toEqual([...SURFACE[theme]]);
        for (const count of seen.thirds) expect(count, name).toBeGreaterThan(200);
        expect(seen.colours, name).toBeGreaterThan(20);
      }
      await fresh.close();
    });
  });

  test('a PNG has twice the size of its SVG, and is not blank', async () => {
    await onMeasured(dark, async (opened) => {
      const { page } = opened;
      const svg = await saved(page, /Save chart: Memory/, 'SVG');
      const png = await saved(page, /Save chart: Memory/, 'PNG');
      expect(png.name).toBe('classifier-memory.png');
      // Signature, then IHDR with width and height (PNG 1.2, 5.2 and 11.2.2).
      expect([...png.bytes.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
      const [, width, height] = /<svg[^>]* width="(\d+)" height="(\d+)"/.exec(svg.bytes.toString('utf8'))!.map(Number);
      expect(png.bytes.readUInt32BE(16)).toBe(2 * width!);
      expect(png.bytes.readUInt32BE(20)).toBe(2 * height!);
      const fresh = await emptyPage(opened);
      const seen = await drawn(fresh, png.bytes, 'image/png', SURFACE[theme]);
      for (const count of seen.thirds) expect(count).toBeGreaterThan(800);
      expect(seen.colours).toBeGreaterThan(20);
      await fresh.close();
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
    const fresh = await emptyPage(opened);
    const seen = await drawn(fresh, png.bytes, 'image/png', SURFACE.light);
    expect(seen.thirds.every((count) => count > 800)).toBe(true);
    expect(opened.problems).toEqual([]);
  } finally {
    await opened.context.close();
  }
});
