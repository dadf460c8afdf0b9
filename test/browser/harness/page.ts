/** Builds the harness, serves it as the app is served, and opens it in Chromium. */
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { chromiumArgs, ensureChromium } from '../../../scripts/lib/chromium.mjs';
import { serve } from '../../../scripts/serve.mjs';
import type { Harness } from './main.ts';

declare global {
  /** On the page. */
  var harness: Harness;
}

export interface HarnessPage {
  readonly page: Page;
  /** Errors that reached the page's console or window. */
  readonly errors: string[];
  /** A fresh page of the same server. */
  newPage(): Promise<Page>;
  /** Makes bytes available to the page under this name. */
  offer(name: string, bytes: Uint8Array): void;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

export async function openHarness(name: string): Promise<HarnessPage> {
  const outDir = join(root, '.cache', `harness-${name}`);
  await build({
    configFile: false,
    root: fileURLToPath(new URL('.', import.meta.url)),
    base: './',
    publicDir: false,
    logLevel: 'error',
    define: { __WHITTLE_VERSION__: JSON.stringify('test'), __WHITTLE_ENGINE__: JSON.stringify('test') },
    worker: { format: 'es' },
    resolve: { conditions: ['onnxruntime-web-use-extern-wasm', 'module', 'browser', 'development|production'] },
    build: { target: 'es2023', outDir, emptyOutDir: true, minify: false },
  });
  symlinkSync(join(root, 'node_modules/onnxruntime-web/dist'), join(outDir, 'ort'));

  const server = await serve(outDir);
  const browser: Browser = await chromium.launch({ executablePath: await ensureChromium(root), args: chromiumArgs });
  const errors: string[] = [];
  const newPage = async () => {
    const page = await browser.newPage();
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(server.url);
    await page.waitForFunction(() => 'harness' in globalThis);
    return page;
  };
  return {
    page: await newPage(),
    errors,
    newPage,
    offer: (fileName, bytes) => writeFileSync(join(outDir, fileName), bytes),
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

export const readRepositoryFile = (path: string): Uint8Array => new Uint8Array(readFileSync(join(root, path)));
