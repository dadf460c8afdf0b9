// A headless Chromium page that only draws: the scripts beside this file render text with it.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'];

/**
 * Runs `draw(page)` with a blank page and closes the browser after it.
 * @template T
 * @param {(page: import('playwright-core').Page) => Promise<T>} draw
 * @returns {Promise<T>}
 */
export async function withPage(draw) {
  const executablePath = candidates.find((path) => path && existsSync(path));
  const browser = await chromium.launch({ ...(executablePath ? { executablePath } : {}), args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.setContent('<!doctype html><title>draw</title>');
    return await draw(page);
  } finally {
    await browser.close();
  }
}

/** Families from the Debian packages fonts-dejavu-core and fonts-liberation. */
export const fontFamilies = [
  'DejaVu Sans',
  'DejaVu Serif',
  'DejaVu Sans Mono',
  'Liberation Sans',
  'Liberation Serif',
  'Liberation Sans Narrow',
];

/**
 * Fails when a family is missing: the browser would draw another one silently.
 * @param {import('playwright-core').Page} page
 * @param {readonly string[]} families
 */
export async function requireFonts(page, families) {
  const missing = await page.evaluate((names) => {
    const context = new OffscreenCanvas(8, 8).getContext('2d');
    const width = (font) => {
      context.font = font;
      return context.measureText('mmmiiiWWWlll 0123').width;
    };
    return names.filter(
      (name) => width(`40px "${name}", monospace`) === width('40px monospace') && name !== 'DejaVu Sans Mono',
    );
  }, families);
  if (missing.length > 0) throw new Error(`fonts not installed: ${missing.join(', ')}`);
}
