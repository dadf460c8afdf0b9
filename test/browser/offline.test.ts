/** The built app as an app: installed, without a network, handed files by the system, and followed by a newer build. */
import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.mjs';
import { expectAccessible } from './support/accessible.ts';
import { type App, dropFiles, startApp, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';
import { startSlowLine } from './support/slow-line.ts';

const root = new URL('../..', import.meta.url).pathname;
/** The same app, built once more with another version: other scripts, another page. */
const NEXT = '.cache/next-build';
const NEXT_VERSION = '9.9.9';

let app: App;
beforeAll(async () => {
  app = await startApp();
  const options = {
    root,
    configFile: `${root}vite.config.ts`,
    logLevel: 'error',
    define: { __WHITTLE_VERSION__: JSON.stringify(NEXT_VERSION) },
    build: { outDir: NEXT, emptyOutDir: true },
  };
  // In a process of its own: here NODE_ENV says that this is a test, and Vite would build for one.
  const script = `import { build } from 'vite'; await build(${JSON.stringify(options)});`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: root,
    env: { ...process.env, NODE_ENV: 'production' },
  });
});
afterAll(async () => {
  await app.close();
  rmSync(`${root}${NEXT}`, { recursive: true, force: true });
});

/** A page whose service worker is there; errors on its console fail the test, but what a cut network says of itself. */
async function onPage(
  options: Parameters<App['open']>[0],
  body: (opened: { page: Page; context: BrowserContext }) => Promise<void>,
): Promise<void> {
  const { page, context, problems } = await app.open({ offline: true, ...options });
  try {
    await body({ page, context });
    expect(problems.filter((problem) => !/net::ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED)/.test(problem))).toEqual(
      [],
    );
  } finally {
    await context.close();
  }
}

const controlled = (page: Page) => page.waitForFunction(() => navigator.serviceWorker.controller !== null);
const workbench = (page: Page) => page.locator('article[data-variant]').nth(1).waitFor({ timeout: 60_000 });
const isolated = (page: Page) => page.evaluate(() => crossOriginIsolated);
const cacheNames = (page: Page) => page.evaluate(() => caches.keys());
/** Paths of what is kept, without the hash of their contents. */
const kept = (page: Page) =>
  page.evaluate(async () => {
    const name = (await caches.keys()).find((one) => one.startsWith('whittle-files'));
    const requests = name ? await (await caches.open(name)).keys() : [];
    return requests.map(({ url }) => new URL(url).pathname);
  });

test('the runtime goes over the line once, though the page and several workers ask for it', async () => {
  // A private window's own cache is too small for it: left to themselves, each of them would download it.
  const line = await startSlowLine(app.url, { bitsPerSecond: 40e6, latencyMs: 20 });
  await onPage({ url: line.url }, async ({ page }) => {
    await controlled(page);
    await page.getByRole('button', { name: /Text direction/ }).click();
    await waitForRun(page);
    const path = '/ort/ort-wasm-simd-threaded.wasm';
    await expect.poll(() => kept(page)).toContain(path);
    expect(line.sent.get(path)).toBe(statSync(`${root}dist${path}`).size);
  });
  await line.close();
});

describe.each(['/', '/some/path/'])('without a network, under %s', (base) => {
  test('the app opens, with threads; what was open is there; a sample that was opened opens again and runs; so does a link', async () => {
    const server = await serve(`${root}dist`, { base });
    await onPage({ url: server.url }, async ({ page, context }) => {
      // At once: what is loaded before the service worker is there must be kept too.
      await page.getByRole('button', { name: /Text direction/ }).click();
      await waitForRun(page);
      await controlled(page);
      const needed = ['ort/ort-wasm-simd-threaded.wasm', 'ort/ort-wasm-simd-threaded.mjs'].map((path) => base + path);
      await expect.poll(() => kept(page)).toEqual(expect.arrayContaining(needed));
      await expect.poll(async () => (await kept(page)).some((path) => path.startsWith(`${base}samples/`))).toBe(true);
      expect(await kept(page)).not.toContain(`${base}ort/ort-wasm-simd-threaded.asyncify.wasm`);
      await page.keyboard.press('Control+Shift+L');
      await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain('#w1.');
      const link = await page.evaluate(() => navigator.clipboard.readText());

      await context.setOffline(true);
      await server.close();
      await page.reload();
      await workbench(page);
      expect(await isolated(page)).toBe(true);
      expect(await page.evaluate(() => navigator.onLine)).toBe(false);

      const fresh = await context.newPage();
      await fresh.goto(link);
      await workbench(fresh);
      expect(await isolated(fresh)).toBe(true);
      // Nothing of it comes from results that were kept: one more variant is built and measured.
      await fresh.getByRole('button', { name: /Variant$/ }).click();
      await fresh.getByRole('menuitem', { name: /^INT4/ }).first().click();
      await fresh.getByRole('button', { name: /^Run/ }).click();
      await waitForRun(fresh);
      expect(await fresh.locator('article[data-variant]').last().textContent()).toMatch(/INT4.*\d\sms/);
    });
  });
});

test('a server without headers: the service worker adds them, reloads once before anything was done, and threads run', async () => {
  const server = await serve(`${root}dist`, { bare: true });
  try {
    const visitor = await app.browser.newContext();
    try {
      const page = await visitor.newPage();
      // A look into the page counts as the user's doing, so it must wait until the page has come a second time.
      const loads: string[] = [];
      page.on('framenavigated', (frame) => loads.push(frame.url()));
      await page.goto(server.url);
      await expect.poll(() => loads.length, { timeout: 30_000 }).toBe(2);
      await page.waitForTimeout(3000);
      expect(loads).toEqual([server.url, server.url]);
      expect(await isolated(page)).toBe(true);
      await dropFiles(page, [{ name: 'classifier.onnx', bytes: await smallClassifier(64) }]);
      await workbench(page);
      const compute = page.workers().find((worker) => worker.url().includes('/assets/transform'))!;
      const reach = await compute.evaluate(
        (elsewhere) =>
          fetch(elsewhere, { mode: 'no-cors' }).then(
            () => 'answered',
            () => 'refused',
          ),
        app.url,
      );
      expect(reach).toBe('refused');
    } finally {
      await visitor.close();
    }
    // Who has done anything is not interrupted; the next visit has threads.
    const { page, context } = await app.open({ url: server.url, offline: true });
    await page.getByLabel('Address of a model').fill('https://');
    await page.getByLabel('Address of a model').press('x');
    await controlled(page);
    await page.waitForTimeout(1000);
    expect(await page.getByLabel('Address of a model').inputValue()).toBe('https://x');
    expect(await isolated(page)).toBe(false);
    await page.reload();
    expect(await isolated(page)).toBe(true);
    await context.close();
  } finally {
    await server.close();
  }
});

test('a newer build is offered, never forced: the edit is kept, other tabs stay as they are, old files go when no tab needs them', async () => {
  let server = await serve(`${root}dist`);
  const port = Number(new URL(server.url).port);
  const { url } = server;
  await onPage({ url }, async ({ page, context }) => {
    await controlled(page);
    const [first] = (await cacheNames(page)).filter((name) => name.startsWith('whittle-shell'));
    await dropFiles(page, [{ name: 'classifier.onnx', bytes: await smallClassifier(64) }]);
    await workbench(page);
    const bystander = await context.newPage();
    await bystander.goto(url);
    await bystander.locator('main').waitFor();
    for (const one of [page, bystander]) await one.evaluate(() => Object.assign(globalThis, { untouched: true }));
    const isUntouched = (one: Page) => one.evaluate(() => 'untouched' in globalThis);

    await server.close();
    server = await serve(`${root}${NEXT}`, { port });
    await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.update());
    const noticeOn = (one: Page) => one.getByRole('contentinfo').getByText('A new version is ready.');
    const notice = noticeOn(page);
    await notice.waitFor({ timeout: 60_000 });
    await noticeOn(bystander).waitFor();
    await page.getByText('A new version is ready. Reload is in the status line.').waitFor({ state: 'attached' });
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await expectAccessible(page, `a new version, ${colorScheme}`);
    }
    await page.waitForTimeout(1500);
    expect(await isUntouched(page)).toBe(true);

    // Written down by nothing but the press on Reload: it comes before the delay of the usual write.
    const before = await page.locator('article[data-variant]').count();
    await page.keyboard.press('Control+k');
    await page.getByLabel('Find a command').fill('add fp16');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Reload', exact: true }).click();
    await page.waitForFunction(() => !('untouched' in globalThis));
    await page.locator('article[data-variant]').nth(before).waitFor();
    expect(await page.locator('article[data-variant]').count()).toBe(before + 1);
    expect(await notice.count()).toBe(0);
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText(`Whittle ${NEXT_VERSION}`).waitFor();

    expect(await isUntouched(bystander)).toBe(true);
    // A part of the old build that no server has any more.
    expect(await cacheNames(page)).toContain(first);
    await bystander.keyboard.press('?');
    await bystander.getByRole('dialog', { name: 'Help' }).waitFor();
    expect(await bystander.getByText(`Whittle ${NEXT_VERSION}`).count()).toBe(0);
    await bystander.close();
    await page.reload();
    await workbench(page);
    await expect.poll(() => cacheNames(page)).not.toContain(first);
    expect((await cacheNames(page)).filter((name) => name.startsWith('whittle-shell'))).toHaveLength(1);
  });
  await server.close();
});

describe.each(['/', '/some/path/'])('the manifest, under %s', (base) => {
  test('is what Chromium wants of an app; every icon is there in its size', async () => {
    const server = await serve(`${root}dist`, { base });
    await onPage({ url: server.url }, async ({ page, context }) => {
      await controlled(page);
      const cdp = await context.newCDPSession(page);
      const { url, errors } = await cdp.send('Page.getAppManifest');
      expect(errors).toEqual([]);
      expect(url).toBe(`${server.url}manifest.webmanifest`);
      const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
      // A private window cannot install anything; there is nothing else to say.
      expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);

      const response = await fetch(url);
      expect(response.headers.get('content-type')).toContain('application/manifest+json');
      const manifest = await response.json();
      const inManifest = (path: string) => new URL(path, url).href;
      expect(inManifest(manifest.scope)).toBe(server.url);
      expect(inManifest(manifest.start_url).startsWith(server.url)).toBe(true);
      for (const { action, accept } of manifest.file_handlers) {
        expect(inManifest(action).startsWith(server.url)).toBe(true);
        expect(Object.values(accept).flat()).toContain('.onnx');
      }
      const purposes = new Set<string>();
      for (const { src, sizes, type, purpose = 'any' } of manifest.icons) {
        const icon = await fetch(inManifest(src));
        expect(icon.status, src).toBe(200);
        expect(icon.headers.get('content-type')).toBe(type);
        if (type === 'image/png') expect(pngSize(new Uint8Array(await icon.arrayBuffer())), src).toBe(sizes);
        purposes.add(purpose);
      }
      expect([...purposes].sort()).toEqual(['any', 'maskable']);
    });
    await server.close();
  });
});

/** Width and height stand in the first chunk (PNG, 11.2.2). */
function pngSize(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer);
  return `${view.getUint32(16)}x${view.getUint32(20)}`;
}

test('files that the system opens with the app, and links, arrive as if they had been dropped or followed', async () => {
  const before = () => {
    const setConsumer = (consumer: unknown) => Object.assign(globalThis, { launch: consumer });
    Object.defineProperty(globalThis, 'launchQueue', { value: { setConsumer } });
  };
  const { page, context, problems } = await app.open({ before });
  try {
    await page.waitForFunction(() => 'launch' in globalThis);
    const launch = (name: string, bytes: Uint8Array) =>
      page.evaluate(
        ([fileName, values]) => {
          const file = new File([new Uint8Array(values as number[])], fileName as string);
          const consumer = (globalThis as unknown as { launch(params: object): void }).launch;
          consumer({ targetURL: location.href, files: [{ getFile: async () => file }] });
        },
        [name, [...bytes]] as const,
      );
    await launch('classifier.onnx', await smallClassifier(64));
    await workbench(page);
    const variants = await page.locator('article[data-variant]').count();
    const recipe = { format: 'whittle-recipe', version: 1, name: 'From the system', steps: [{ id: 'fp16' }] };
    await launch('mine.json', new TextEncoder().encode(JSON.stringify(recipe)));
    await page.locator('article[data-variant]').nth(variants).waitFor();
    expect(await page.locator('article[data-variant]').last().getAttribute('aria-label')).toBe('From the system');
    await launch('broken.onnx', new Uint8Array([1, 2, 3]));
    await page
      .getByText(/broken\.onnx/)
      .first()
      .waitFor();
    // A link that is opened while the app is open: refused by what is wrong with it, like one in the address bar.
    await page.evaluate(() => {
      const consumer = (globalThis as unknown as { launch(params: object): void }).launch;
      consumer({ targetURL: `${location.href}#w1.damaged`, files: [] });
    });
    await page
      .getByText(/The link cannot be read/)
      .first()
      .waitFor();
    expect(problems).toEqual([]);
  } finally {
    await context.close();
  }
});
