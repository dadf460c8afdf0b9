// What the built page weighs, how soon it can be used, and that it never stands still while a run goes on.
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.mjs';
import { type App, startApp } from './support/app.ts';
import { mainThreadTasks } from './support/main-thread.ts';
import { type SlowLine, startSlowLine } from './support/slow-line.ts';

const MAIN_BUNDLE_BYTES = 250_000;
const FIRST_PAINT_MS = 1000;
const INTERACTIVE_MS = 2000;
const LONG_TASK_MS = 50;
const LINE = { bitsPerSecond: 20e6, latencyMs: 20 };
/**
 * Other programs on the machine only ever add time, so the best of a few attempts is what the page itself takes; what is
 * wrong with the page is wrong in each of them.
 */
const ATTEMPTS = 5;

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
let app: App;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

/** A page at this address in a profile of its own, its cache cold. */
async function onFreshPage<T>(url: string, body: (page: Page) => Promise<T>): Promise<T> {
  const context = await app.browser.newContext({ viewport: { width: 1280, height: 900 } });
  try {
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('pageerror', ({ message }) => problems.push(message));
    await page.addInitScript(watch);
    await page.goto(url);
    const result = await body(page);
    expect(problems).toEqual([]);
    return result;
  } finally {
    await context.close();
  }
}

declare global {
  /** Milliseconds since navigation; 0: not yet. */
  var watched: { firstPaint: number; sampleThere: number; answered: number; stages: string[] };
}

/** On the page: presses a sample as soon as there is one, and notes when the page answers and what it says. */
function watch(): void {
  globalThis.watched = { firstPaint: 0, sampleThere: 0, answered: 0, stages: [] };
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries())
      if (name === 'first-contentful-paint') watched.firstPaint = startTime;
  }).observe({ type: 'paint', buffered: true });
  if (!location.hash.includes('press')) return;
  new MutationObserver(() => {
    const sample = document.querySelector<HTMLElement>('[data-sample=tagger]');
    if (sample && watched.sampleThere === 0) {
      watched.sampleThere = performance.now();
      sample.click();
    }
    const stage = document.querySelector('footer [role=progressbar]')?.parentElement?.textContent;
    if (stage && watched.answered === 0) watched.answered = performance.now();
    if (stage && watched.stages.at(-1) !== stage) watched.stages.push(stage);
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
}

/** Without locators, which look through the whole page each time. */
async function until(page: Page, what: () => boolean | Promise<boolean>, timeoutMs = 180_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await page.evaluate(what))) {
    if (Date.now() > deadline) throw new Error(`It took more than ${timeoutMs} ms.`);
    await page.waitForTimeout(250);
  }
}

const runEnded = () =>
  [...document.querySelectorAll('header button')].some((button) => button.textContent?.trim() === 'Run again');

test('what the start page loads is small, and the runtime is no part of it', async () => {
  const html = readFileSync(`${dist}index.html`, 'utf8');
  const files = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.(?:js|css))"/g)].map(([, path]) => path!);
  expect(files.length).toBeGreaterThan(2);
  const bytes = [...files.map((path) => readFileSync(dist + path)), Buffer.from(html)]
    .map((file) => gzipSync(file).length)
    .reduce((sum, length) => sum + length, 0);
  console.log(`main bundle: ${(bytes / 1000).toFixed(1)} kB gzip in ${files.length} files`);
  expect(bytes).toBeLessThan(MAIN_BUNDLE_BYTES);

  const { page, context } = await app.open();
  const asked: string[] = [];
  context.on('request', (request) => asked.push(request.url()));
  await page.reload();
  await page.locator('[data-sample]').first().waitFor();
  // Service worker and capabilities included.
  await page.waitForTimeout(3000);
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((url) => url.includes('/ort/'))).toEqual([]);
  await context.close();
});

describe(`over ${LINE.bitsPerSecond / 1e6} Mbit/s, with a cold cache`, () => {
  let line: SlowLine;
  beforeAll(async () => {
    line = await startSlowLine(app.url, LINE);
  });
  afterAll(() => line.close());

  test('the page is painted within 1 s and answers within 2 s', async () => {
    let firstPaint = Number.POSITIVE_INFINITY;
    let answered = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const load = await onFreshPage(`${line.url}#press`, async (page) => {
        await until(page, () => watched.answered > 0, 30_000);
        return page.evaluate(() => watched);
      });
      expect(load.firstPaint).toBeGreaterThan(0);
      firstPaint = Math.min(firstPaint, load.firstPaint);
      answered = Math.min(answered, load.answered);
      if (firstPaint < FIRST_PAINT_MS && answered < INTERACTIVE_MS) break;
    }
    console.log(
      `first contentful paint: ${Math.round(firstPaint)} ms; a press on a sample answers: ${Math.round(answered)} ms`,
    );
    expect(firstPaint).toBeLessThan(FIRST_PAINT_MS);
    expect(answered).toBeLessThan(INTERACTIVE_MS);
  });
});

test('the runtime is fetched when it is first needed, and says how far it is', async () => {
  // So slow that the model is open, and the run begun, long before it is there.
  const line = await startSlowLine(app.url, { ...LINE, bitsPerSecond: 6e6 });
  const stages = await onFreshPage(`${line.url}#press`, async (page) => {
    await until(page, runEnded);
    return page.evaluate(() => watched.stages);
  });
  const shown = stages.filter((stage) => /^downloading the runtime \d+(\.\d)?\sMB of 14\.2\sMB/.test(stage));
  expect(shown.length).toBeGreaterThan(5);
  await line.close();
});

test.each(['/', '/some/path/'])(
  'the runtime goes over the line once, under %s: page, workers and service worker share what came',
  async (base) => {
    const file = 'ort/ort-wasm-simd-threaded.wasm';
    const server = await serve(dist, { base });
    const line = await startSlowLine(new URL(server.url).origin, LINE);
    const wasm = () => [...line.sent].filter(([path]) => path.endsWith('.wasm'));
    const once = [[base + file, statSync(dist + file).size]];
    try {
      await onFreshPage(`${new URL(base, line.url)}#press`, async (page) => {
        await until(page, runEnded);
        // So the service worker has it as well, for the next visit.
        await until(page, async () => {
          const name = (await caches.keys()).find((one) => one.startsWith('whittle-files'));
          const kept = name ? await (await caches.open(name)).keys() : [];
          return kept.some(({ url }) => url.includes('.wasm'));
        });
        expect(wasm()).toEqual(once);
        await page.reload();
        await until(page, () => document.querySelectorAll('article[data-variant]').length > 1);
        // Measures all anew, in workers of its own.
        await page.getByRole('button', { name: 'Run again' }).click();
        await until(page, () => !!document.querySelector('footer [role=progressbar]'));
        await until(page, runEnded);
        expect(wasm()).toEqual(once);
      });
      console.log(`WebAssembly over the line: ${JSON.stringify(wasm())} bytes`);
    } finally {
      await line.close();
      await server.close();
    }
  },
);

describe('no task of the main thread takes 50 ms of processor time while a run goes on', () => {
  const views = { 'side by side': '1', pareto: '2', details: '3', graph: 'g' };
  test.each(Object.entries(views))(
    '%s',
    async (name, key) => {
      let best: Awaited<ReturnType<typeof mainThreadTasks>> = [];
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const tasks = await onFreshPage(app.url, async (page) => {
          await page.locator('[data-sample=tagger]').waitFor();
          await page.waitForTimeout(500);
          return mainThreadTasks(app.browser, page, async () => {
            await page.evaluate(() => document.querySelector<HTMLElement>('[data-sample=tagger]')!.click());
            await until(page, () => document.querySelectorAll('article[data-variant]').length > 1);
            await page.keyboard.press(key);
            await until(page, runEnded);
          });
        });
        expect(tasks.length).toBeGreaterThan(100);
        if (best.length === 0 || tasks[0]!.cpuMs < best[0]!.cpuMs) best = tasks;
        if (best[0]!.cpuMs <= LONG_TASK_MS) break;
      }
      console.log(`${name}: longest task ${Math.round(best[0]!.cpuMs)} ms of processor time, ${best.length} tasks`);
      expect(best.filter(({ cpuMs }) => cpuMs > LONG_TASK_MS)).toEqual([]);
    },
    600_000,
  );
});
