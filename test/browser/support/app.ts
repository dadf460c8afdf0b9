/** The built app in a real Chromium, as its users meet it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { chromiumArgs, findChromium } from '../../../scripts/lib/chromium.mjs';
import { serve } from '../../../scripts/serve.mjs';

export interface App {
  readonly url: string;
  readonly browser: Browser;
  /** A page in a profile of its own. Errors on its console fail `close`. */
  open(options?: OpenOptions): Promise<AppPage>;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly fragment?: string;
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** Lets the page keep itself for later, which takes a moment of two cores that other tests measure with. */
  readonly offline?: boolean;
  /** Another server's. */
  readonly url?: string;
  /** Runs on the page before any of its own scripts. */
  readonly before?: () => void;
  /** Runs here before the page goes to the app. */
  readonly prepare?: (page: Page) => Promise<void>;
}

export interface AppPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What went wrong on the page so far. */
  readonly problems: string[];
}

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** @param base the path under which the app is served */
export async function startApp({ base = '/' }: { readonly base?: string } = {}): Promise<App> {
  if (!existsSync(`${root}dist/index.html`)) throw new Error('dist/ is missing: run npm run build first.');
  const executablePath = await findChromium();
  if (!executablePath) throw new Error('No Chromium: npm test installs one.');
  const server = await serve(`${root}dist`, { port: 0, base });
  const browser = await chromium.launch({ executablePath, args: chromiumArgs });
  return {
    url: server.url,
    browser,
    open: async (options = {}) => {
      const {
        fragment = '',
        width = 1280,
        height = 720,
        dark = false,
        offline = false,
        url,
        before,
        prepare,
      } = options;
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: dark ? 'dark' : 'light',
        acceptDownloads: true,
        serviceWorkers: offline ? 'allow' : 'block',
        permissions: ['clipboard-read', 'clipboard-write'],
      });
      // Headless Chromium cannot answer the native dialogs; without them the page downloads, as in other browsers.
      await context.addInitScript(() => {
        for (const picker of ['showOpenFilePicker', 'showSaveFilePicker']) Reflect.deleteProperty(globalThis, picker);
      });
      if (before) await context.addInitScript(before);
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(`console: ${message.text()}`);
      });
      await prepare?.(page);
      await page.goto((url ?? server.url) + fragment);
      // Before that no key is heard.
      await page.getByRole('contentinfo').waitFor();
      return { page, context, problems };
    },
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}

/** Drops files on the window, as a person does. */
export async function dropFiles(page: Page, files: readonly { name: string; bytes: Uint8Array }[]): Promise<void> {
  const encoded = files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString('base64') }));
  const transfer = await page.evaluateHandle((list) => {
    const data = new DataTransfer();
    for (const { name, base64 } of list) {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], name));
    }
    return data;
  }, encoded);
  for (const type of ['dragenter', 'dragover', 'drop'])
    await page.dispatchEvent('body', type, { dataTransfer: transfer });
}

/** A page with the model of these files open; whatever went wrong on it fails the test. */
export async function onDropped(
  app: App,
  files: Parameters<typeof dropFiles>[1],
  options: { dark?: boolean; width?: number },
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const { page, context, problems } = await app.open({ height: 900, ...options });
  try {
    await dropFiles(page, files);
    await page.locator('article[data-variant]').nth(1).waitFor();
    await body(page);
    expect(problems).toEqual([]);
  } finally {
    await context.close();
  }
}

/** Waits until nothing runs any more: the Cancel button is gone and figures are there. */
export async function waitForRun(page: Page, timeout = 180_000): Promise<void> {
  await page.getByRole('button', { name: /^Run again/ }).waitFor({ timeout });
  await page.waitForFunction(() => !document.querySelector('[role=progressbar]'), undefined, { timeout });
}

/** The table twin as text, a row an array of cells. */
export async function tableRows(page: Page): Promise<string[][]> {
  return page
    .locator('table tbody tr')
    .evaluateAll((rows) =>
      rows.map((row) =>
        [...row.querySelectorAll('th,td')].map((cell) => (cell.textContent ?? '').replace(/\s+/g, ' ').trim()),
      ),
    );
}
