/** Charts as the page saves them, looked at in a page that has nothing of the app. */
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** The dark theme's and the light theme's `--surface`. */
export const SURFACE = { dark: [22, 26, 32], light: [255, 255, 255] } as const;

export async function saved(page: Page, title: RegExp, format: 'PNG' | 'SVG') {
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
export async function drawn(page: Page, bytes: Buffer, type: string, surface: readonly number[]) {
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
export const emptyPage = async (of: Page) => {
  const page = await of.context().newPage();
  await page.goto('data:text/html,<title>empty</title>');
  return page;
};

/** A drawing that is well-formed, takes nothing from anywhere, says what it is, and is not blank. */
export async function expectStandalone(fresh: Page, name: string, bytes: Buffer, theme: keyof typeof SURFACE) {
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
  expect(parsed.font).toContain('sans-serif');
  const seen = await drawn(fresh, bytes, 'image/svg+xml', SURFACE[theme]);
  expect(seen.corner.slice(0, 3), name).toEqual([...SURFACE[theme]]);
  for (const count of seen.thirds) expect(count, name).toBeGreaterThan(200);
  expect(seen.colours, name).toBeGreaterThan(20);
  return parsed;
}

/** Of a PNG's IHDR (PNG 1.2, 11.2.2): width and height. */
const pngSize = (bytes: Buffer) => [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
const svgSize = (bytes: Buffer) =>
  /<svg[^>]* width="(\d+)" height="(\d+)"/.exec(bytes.toString('utf8'))!.slice(1).map(Number);

/**
 * Saves a chart as SVG and as PNG: one is whole by itself, the other has twice its size and is not blank.
 * @returns the name of both files without the ending
 */
export async function expectSavedAsBoth(page: Page, title: RegExp, theme: keyof typeof SURFACE): Promise<string> {
  const svg = await saved(page, title, 'SVG');
  const png = await saved(page, title, 'PNG');
  const name = svg.name.replace(/\.svg$/, '');
  expect(png.name).toBe(`${name}.png`);
  const fresh = await emptyPage(page);
  await expectStandalone(fresh, svg.name, svg.bytes, theme);
  // Signature (PNG 1.2, 5.2).
  expect([...png.bytes.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  expect(pngSize(png.bytes)).toEqual(svgSize(svg.bytes).map((side) => 2 * side));
  const seen = await drawn(fresh, png.bytes, 'image/png', SURFACE[theme]);
  for (const count of seen.thirds) expect(count, png.name).toBeGreaterThan(800);
  expect(seen.colours, png.name).toBeGreaterThan(20);
  await fresh.close();
  return name;
}
