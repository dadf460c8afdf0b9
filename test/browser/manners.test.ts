/** How the built app behaves towards its host, its user and the network. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/serve.mjs';
import { expectAccessible } from './support/accessible.ts';
import { type App, startApp, waitForRun } from './support/app.ts';
import { type HubServer, startHub } from './support/hub-server.ts';
import { smallClassifier } from './support/models.ts';

const root = new URL('../..', import.meta.url).pathname;

let app: App;
/** The plainest of hosts: no headers but the files' types. */
let bare: Awaited<ReturnType<typeof serve>>;
let hub: HubServer;
/** Another origin, that lets every page read its model. */
let other: { readonly url: string; readonly server: Server; readonly asked: string[] };

beforeAll(async () => {
  app = await startApp();
  bare = await serve(`${root}dist`, { bare: true });
  hub = await startHub();
  const model = await smallClassifier();
  hub.repositories.set('acme/small', { files: new Map([['model.onnx', model]]) });
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(200, { 'Access-Control-Allow-Origin': '*', 'Content-Type': 'application/octet-stream' });
    response.end(model);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  other = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, asked };
});
afterAll(async () => {
  await app.close();
  await bare.close();
  await hub.close();
  other.server.closeAllConnections();
  await new Promise((closed) => other.server.close(closed));
});

interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly problems: string[];
  /** What the page's policy stopped, as `directive blocked`. */
  violations(): Promise<string[]>;
}

/** A page that notes what its policy stops. */
async function visit(url: string, offline = false): Promise<Visit> {
  const before = () => {
    const stopped: string[] = [];
    Object.assign(globalThis, { stopped });
    addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      stopped.push(`${effectiveDirective} ${blockedURI}`),
    );
  };
  const opened = await app.open({ url, before, offline });
  const { page } = opened;
  await page.locator('[data-sample]').first().waitFor();
  return { ...opened, violations: () => page.evaluate(() => (globalThis as unknown as { stopped: string[] }).stopped) };
}

const hosts = [
  ['with headers', () => app.url],
  ['without any headers', () => bare.url],
] as const;

describe.each(hosts)('the policy, from a host %s', (_, url) => {
  test('is there, and stops inline scripts, inline styles, strings as code, foreign scripts and foreign requests', async () => {
    const { page, context, violations } = await visit(url());
    other.asked.length = 0;
    try {
      const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|\*|https?:/);
      const ran = await page.evaluate(async (foreign) => {
        const results: Record<string, unknown> = {};
        const script = document.createElement('script');
        const element = document.body.appendChild(script);
        try {
          element.text = 'globalThis.injected = true';
        } catch {
          // Trusted types refuse it before the policy on scripts is asked.
        }
        const markup = document.createElement('div');
        try {
          markup.innerHTML = '<img src="x" onerror="globalThis.injected = true">';
          document.body.append(markup);
        } catch {
          results.markup = 'refused';
        }
        const style = document.createElement('style');
        style.textContent = 'body { outline: 7px solid red }';
        document.head.append(style);
        results.outline = getComputedStyle(document.body).outlineWidth;
        try {
          results.code = setTimeout('globalThis.injected = true');
        } catch {
          results.code = 'refused';
        }
        results.fetched = await fetch(foreign).then(
          () => 'answered',
          () => 'refused',
        );
        const started = (address: string) => {
          try {
            new Worker(address);
            return 'started';
          } catch {
            return 'refused';
          }
        };
        results.foreignWorker = started(`${foreign}/worker.js`);
        results.blobWorker = started(URL.createObjectURL(new Blob(['1'], { type: 'text/javascript' })));
        await new Promise((go) => setTimeout(go, 300));
        results.injected = 'injected' in globalThis;
        return results;
      }, other.url);
      expect(ran).toMatchObject({ markup: 'refused', fetched: 'refused', foreignWorker: 'refused', injected: false });
      expect(ran.outline).not.toBe('7px');
      expect(other.asked).toEqual([]);
      const stopped = await violations();
      expect(stopped.some((line) => line.startsWith('style-src-elem inline'))).toBe(true);
      expect(stopped.some((line) => line.startsWith(`connect-src ${other.url}`))).toBe(true);
      expect(stopped.some((line) => line.startsWith('require-trusted-types-for'))).toBe(true);
    } finally {
      await context.close();
    }
  });

  test.each([
    ['alone', false],
    ['with the service worker in between', true],
  ])('lets through what the user typed, by the one worker that may ask other servers, %s', async (__, offline) => {
    const { page, context, problems, violations } = await visit(url(), offline);
    try {
      if (offline) {
        await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
        await page.reload();
        await page.locator('[data-sample]').first().waitFor();
      }
      other.asked.length = 0;
      await page.getByLabel('Address of a model').fill(`${other.url}/small.onnx`);
      await page.getByRole('button', { name: 'Fetch', exact: true }).click();
      await page.locator('article[data-variant]').first().waitFor();
      expect(other.asked).toEqual(['/small.onnx']);
      const workers = page.workers().map((worker) => new URL(worker.url()).pathname);
      expect(workers.filter((path) => path.startsWith('/remote/'))).toHaveLength(1);
      expect(await violations()).toEqual([]);
      expect(problems).toEqual([]);
    } finally {
      await context.close();
    }
  });
});

test('headers: every script has the policy of what it does as a worker', async () => {
  const { page, context } = await visit(app.url);
  try {
    // The workers that only compute are started by opening a model; each is asked from within.
    await page.getByLabel('Address of a model').fill(`${other.url}/small.onnx`);
    await page.getByRole('button', { name: 'Fetch', exact: true }).click();
    await page.locator('article[data-variant]').first().waitFor();
    const reach: Record<string, string> = {};
    // The runtime's threads are workers too; they wait for each other and answer nobody.
    for (const worker of page.workers().filter((one) => !one.url().includes('/ort/'))) {
      const name = new URL(worker.url()).pathname.replace(/^\/|-[\w-]{8}\.js$/g, '');
      reach[name] = await worker.evaluate(
        (foreign) =>
          fetch(foreign).then(
            () => 'answered',
            () => 'refused',
          ),
        other.url,
      );
    }
    expect(reach).toEqual({ 'remote/fetch': 'answered', 'assets/transform': 'refused', 'assets/infer': 'refused' });
  } finally {
    await context.close();
  }
});

test('nothing that the app itself does is stopped, and only its own host is asked: a run, every view, present, share, exports, the hub', async () => {
  const { page, context, problems, violations } = await visit(app.url);
  const asked: string[] = [];
  context.on('request', (request) => asked.push(request.url()));
  page.on('websocket', (socket) => asked.push(socket.url()));
  try {
    // Once more from the start, now that requests are noted.
    await page.reload();
    await page.getByRole('button', { name: /Voice activity/ }).click();
    await waitForRun(page);
    for (const key of ['2', '3', '4', '5', 'd', 'g', '1']) {
      await page.keyboard.press(key);
      await page.waitForTimeout(400);
    }
    await page.keyboard.press('p');
    const stage = page.getByRole('dialog', { name: /^Presentation of / });
    await stage.getByRole('button', { name: /^3 of 4/ }).click();
    await stage.getByRole('button', { name: 'End the presentation' }).click();
    await page.getByRole('button', { name: 'Share', exact: true }).click();
    await page.getByRole('dialog').getByRole('img', { name: /QR/ }).waitFor();
    await page.keyboard.press('Escape');
    const downloads: string[] = [];
    page.on('download', (download) => downloads.push(download.suggestedFilename()));
    const command = async (words: string) => {
      await page.keyboard.press('Control+k');
      await page.getByLabel('Find a command').fill(words);
      await page.keyboard.press('Enter');
      await page.getByRole('dialog', { name: 'All commands' }).waitFor({ state: 'detached' });
    };
    await command('download the report web page');
    await command('download the report markdown');
    // Drawn from a blob in an image.
    await page
      .getByRole('button', { name: /^Save chart/ })
      .first()
      .click();
    await page.getByRole('menuitem', { name: /PNG/ }).click();
    await expect
      .poll(() => downloads.map((name) => name.slice(name.lastIndexOf('.'))).sort())
      .toEqual(['.html', '.md', '.png']);
    // Nobody is told: so far the app's own host was asked, by its workers too, and nobody else.
    expect(asked.some((address) => address.endsWith('.wasm'))).toBe(true);
    const own = new URL(app.url).origin;
    expect(asked.filter((address) => new URL(address).origin !== own)).toEqual([]);
    await page.evaluate((address) => localStorage.setItem('whittle.hub-host', address), hub.url);
    await page.reload();
    await page.locator('article[data-variant]').first().waitFor();
    await command('hugging face');
    const dialog = page.getByRole('dialog', { name: 'From Hugging Face' });
    await dialog.getByLabel(/^Repository/).fill('acme/small');
    await dialog.getByRole('button', { name: 'List files' }).click();
    await dialog.getByRole('button', { name: /^Download .* and open$/ }).click();
    await page.getByRole('button', { name: /^small/ }).waitFor();
    expect(asked.some((address) => address.startsWith(hub.url))).toBe(true);
    expect(await violations()).toEqual([]);
    expect(problems).toEqual([]);
  } finally {
    await context.close();
  }
});

describe('about and privacy', () => {
  const about = (page: Page) => page.getByRole('dialog', { name: 'About and privacy' });
  const closed = async (page: Page) => {
    await page.keyboard.press('Escape');
    await about(page).waitFor({ state: 'detached' });
  };

  test('is one press away from anywhere, and says which policy applies and who was asked', async () => {
    const { page, context, problems, violations } = await visit(app.url);
    try {
      await page.keyboard.press('a');
      await about(page).getByText('sent with this page and written in it').waitFor();
      const shown = await about(page).locator('figure li').allTextContents();
      expect(shown.join('; ')).toBe((await fetch(app.url)).headers.get('content-security-policy'));
      await about(page).getByText('since you opened this page: none.').waitFor();
      await closed(page);
      await page.getByRole('button', { name: 'Your model never leaves this device.' }).click();
      await about(page).waitFor();
      await closed(page);
      await page.keyboard.press('?');
      await page.getByRole('button', { name: 'About and privacy' }).click();
      await about(page).waitFor();
      await closed(page);
      await page.getByLabel('Address of a model').fill(`${other.url}/small.onnx`);
      await page.getByRole('button', { name: 'Fetch', exact: true }).click();
      await page.locator('article[data-variant]').first().waitFor();
      await page.keyboard.press('Control+k');
      await page.getByLabel('Find a command').fill('telemetry');
      await page.keyboard.press('Enter');
      await about(page)
        .getByText(`since you opened this page: ${new URL(other.url).host}.`)
        .waitFor();
      expect(await violations()).toEqual([]);
      expect(problems).toEqual([]);
    } finally {
      await context.close();
    }
  });

  test('from a host without headers it shows what is written in the page', async () => {
    const { page, context } = await visit(bare.url);
    try {
      await page.keyboard.press('a');
      await about(page).getByText('of this page, written in it').waitFor();
      const shown = await about(page).locator('figure li').allTextContents();
      expect(shown.join('; ')).toBe(
        await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content'),
      );
    } finally {
      await context.close();
    }
  });

  test.each([
    [1280, false],
    [1280, true],
    [390, false],
    [390, true],
  ])('axe finds nothing at %i px, dark: %s', async (width, dark) => {
    const { page, context } = await app.open({ width, height: 800, dark });
    try {
      await page.keyboard.press('a');
      await about(page).locator('figure').waitFor();
      await expectAccessible(page, 'about and privacy');
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
    } finally {
      await context.close();
    }
  });
});
