// Models from a hub, on the built page, against a server on this machine that speaks the hub's addresses.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { concatParts } from '../../src/core/base/byte-parts.ts';
import { memorySource } from '../../src/core/base/memory-source.ts';
import { readModel } from '../../src/core/onnx/read.ts';
import { writeModel } from '../../src/core/onnx/write.ts';
import { decodeStudy, encodeStudy } from '../../src/core/study/link.ts';
import { studySchema } from '../../src/core/study/schema.ts';
import { expectAccessible } from './support/accessible.ts';
import { type App, startApp, waitForRun } from './support/app.ts';
import { type HubServer, startHub } from './support/hub-server.ts';
import { smallClassifier } from './support/models.ts';

const TOKEN = 'hf_testtokenthatmustnotleak';
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

let app: App;
let hub: HubServer;
let large: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  hub = await startHub();
  const { samples } = JSON.parse(await readFile('dist/samples/index.json', 'utf8'));
  const sample = samples.find(({ title }: { title: string }) => /Text direction/.test(title));
  const plain = new Uint8Array(await readFile(`dist/samples/${sample.model}`));
  const model = await readModel(memorySource('sample', plain));
  const apart = await writeModel(model, { externalData: { location: 'model_fp16.onnx_data', thresholdBytes: 1024 } });
  large = await smallClassifier(20_000);
  const config = text({ model_type: 'pp-lcnet', architectures: ['TextLineOrientation'] });
  hub.repositories.set('acme/text-direction.v2', {
    files: new Map([
      ['README.md', text('a model')],
      ['config.json', config],
      ['tokenizer.json', text({ version: '1.0' })],
      ['onnx/model.onnx', plain],
      ['onnx/model_fp16.onnx', await concatParts(apart.graph)],
      ['onnx/model_fp16.onnx_data', await concatParts(apart.external)],
    ]),
  });
  hub.repositories.set('acme/large', { files: new Map([['model.onnx', large]]) });
  hub.repositories.set('acme/gated', { gated: TOKEN, files: new Map([['model.onnx', await smallClassifier()]]) });
  hub.repositories.set('acme/small', { files: new Map([['model.onnx', await smallClassifier()]]) });
  hub.repositories.set('acme/incomplete', {
    files: new Map([['onnx/model_fp16.onnx', await concatParts(apart.graph)]]),
  });
  hub.repositories.set('acme/torch-only', { files: new Map([['weights.safetensors', text('x')]]) });
});
afterAll(async () => {
  await app.close();
  await hub.close();
});
beforeEach(() => {
  hub.seen.length = 0;
  Object.assign(hub.mood, {
    bytesPerSecond: Number.POSITIVE_INFINITY,
    busy: 0,
    breakAfter: [],
    version: '1',
    down: false,
    damaged: false,
  });
});

/** A page that asks the server of this test. What the browser itself says of refused requests is no fault of the page. */
async function onPage(body: (page: Page) => Promise<void>, options: Parameters<App['open']>[0] = {}): Promise<void> {
  const { page, context, problems } = await app.open({ ...options, fragment: '' });
  try {
    await page.evaluate((url) => localStorage.setItem('whittle.hub-host', url), hub.url);
    if (options.fragment) await page.goto(app.url + options.fragment);
    await body(page);
    expect(problems.filter((problem) => !/Failed to load resource|net::ERR/.test(problem))).toEqual([]);
  } finally {
    await context.close();
  }
}

async function list(page: Page, name: string): Promise<void> {
  await page.getByLabel('From Hugging Face').fill(name);
  await page.getByRole('button', { name: /^List files …/ }).click();
}
const dialog = (page: Page) => page.getByRole('dialog', { name: 'From Hugging Face' });
const download = (page: Page) =>
  dialog(page)
    .getByRole('button', { name: /^Download .* and open$/ })
    .click();
const opened = (page: Page) => page.locator('article[data-variant]').first().waitFor();
const rangeStart = (range: string | undefined) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')![1]);
const sent = () => hub.downloads().reduce((sum, entry) => sum + entry.sent, 0);
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (condition()) return;
    await new Promise((go) => setTimeout(go, 50));
  }
  throw new Error(`waited in vain until ${what}`);
}

describe('a repository by name', () => {
  test('the server is typed, a variant with external data is picked, downloaded, opened and run; the second time nothing is fetched', async () => {
    const { page, context } = await app.open();
    try {
      await page.getByRole('button', { name: /^List files …/ }).click();
      expect(hub.seen).toEqual([]);
      await dialog(page).getByText('Access token, other server').click();
      await dialog(page).getByLabel('Server').fill(hub.url);
      await dialog(page)
        .getByLabel(/^Repository/)
        .fill('acme/text-direction.v2');
      await dialog(page).getByRole('button', { name: 'List files' }).click();
      const rows = dialog(page).locator('tbody tr');
      await rows.first().waitFor();
      // The listing comes in two pages: the second has the data file.
      expect((await rows.allInnerTexts()).map((row) => row.replace(/\s+/g, ' '))).toEqual([
        expect.stringMatching(/^onnx\/model_fp16\.onnx fp16 .*1 file/),
        expect.stringMatching(/^onnx\/model\.onnx fp32 .*none/),
      ]);
      await dialog(page).getByRole('radio', { name: 'onnx/model_fp16.onnx' }).check();
      hub.mood.busy = 1;
      await download(page);
      await opened(page);
      const fetched = hub.downloads().map(({ path }) => decodeURIComponent(path).replace(/^.*\||\?.*$/g, ''));
      expect(fetched).toEqual(['onnx/model_fp16.onnx', 'onnx/model_fp16.onnx_data']);
      // The small ones beside it come from the hub itself; what says nothing of the model stays there.
      const resolved = hub.seen.map(({ path }) => /\/resolve\/[0-9a-f]{40}\/(.+)$/.exec(path)?.[1]);
      expect(resolved).toEqual(expect.arrayContaining(['config.json', 'tokenizer.json']));
      expect(resolved).not.toContain('README.md');
      await page.getByRole('button', { name: /^text-direction\.v2, model_fp16/ }).click();
      await page.getByRole('menuitem', { name: /^About this model/ }).click();
      await page.getByText('pp-lcnet, TextLineOrientation').waitFor();
      await page.getByText(/acme\/text-direction\.v2, onnx\/model_fp16\.onnx, commit/).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: /^Run all/ }).click();
      await waitForRun(page);

      hub.seen.length = 0;
      await page.getByRole('button', { name: /^text-direction\.v2, model_fp16/ }).click();
      await page.getByRole('menuitem', { name: /Hugging Face/ }).click();
      await dialog(page)
        .getByLabel(/^Repository/)
        .fill(`${hub.url}/acme/text-direction.v2/blob/main/onnx/model_fp16.onnx`);
      await dialog(page).getByRole('button', { name: 'List files' }).click();
      await dialog(page).getByText('It is on this device already.').waitFor();
      await dialog(page).getByRole('button', { name: 'Open', exact: true }).click();
      await dialog(page).waitFor({ state: 'hidden' });
      await opened(page);
      expect(hub.downloads()).toEqual([]);
    } finally {
      await context.close();
    }
  });

  test('what is not there, has no model, or is misspelt is said in words', async () => {
    await onPage(async (page) => {
      await list(page, 'acme/nothing');
      await dialog(page)
        .getByText(/has no repository acme\/nothing that this page may see/)
        .waitFor();
      const ask = async (name: string, revision: string, answer: RegExp) => {
        await dialog(page)
          .getByLabel(/^Repository/)
          .fill(name);
        await dialog(page).getByLabel('Revision').fill(revision);
        await dialog(page).getByRole('button', { name: 'List files' }).click();
        await dialog(page).getByText(answer).first().waitFor();
      };
      await ask('acme/torch-only', '', /has no \.onnx file among its 1 files/);
      await ask('acme/large', 'v9', /has no revision “v9”/);
      await ask('https://example.com/acme/large', '', /it is on example\.com/);
    });
  });
});

describe('a download that is interrupted', () => {
  test('by Cancel: the rest alone is fetched the next time', async () => {
    await onPage(async (page) => {
      hub.mood.bytesPerSecond = 2_000_000;
      await list(page, 'acme/large');
      await download(page);
      await page.getByText(/MB\/s, .* left/).waitFor();
      await until(() => sent() > 5_000_000, 'half of it is sent');
      await page.getByRole('button', { name: 'Cancel' }).click();
      hub.mood.bytesPerSecond = Number.POSITIVE_INFINITY;
      await until(() => hub.downloads().length === 1, 'one request');
      await list(page, 'acme/large');
      await dialog(page)
        .getByText(/are here already/)
        .waitFor();
      await download(page);
      await opened(page);
      const [, second, ...more] = hub.downloads();
      expect(more).toEqual([]);
      const from = rangeStart(second!.range);
      console.log(`resumed at ${from} of ${large.length} bytes, ${second!.sent} bytes sent then`);
      expect(from).toBeGreaterThan(2_000_000);
      expect(second!.sent).toBe(large.length - from);
    });
  });

  test('by a reload: it goes on from the last part that was written', async () => {
    await onPage(async (page) => {
      hub.mood.bytesPerSecond = 2_000_000;
      await list(page, 'acme/large');
      await download(page);
      await until(() => sent() > 7_000_000, 'most of it is sent');
      await page.reload();
      hub.mood.bytesPerSecond = Number.POSITIVE_INFINITY;
      hub.seen.length = 0;
      await list(page, 'acme/large');
      await download(page);
      await opened(page);
      const [only] = hub.downloads();
      expect(rangeStart(only!.range)).toBeGreaterThan(1_000_000);
      expect(only!.sent).toBe(large.length - rangeStart(only!.range));
    });
  });

  test('by the connection: it goes on by itself, and starts over when the file is another by then', async () => {
    await onPage(async (page) => {
      hub.mood.breakAfter = [3_000_000, 2_000_000];
      await list(page, 'acme/large');
      await download(page);
      await opened(page);
      const starts = hub.downloads().map(({ range }) => rangeStart(range));
      expect(starts.length).toBe(3);
      expect(starts[0]).toBe(0);
      expect(starts[1]).toBeGreaterThan(1_000_000);
      expect(starts[2]).toBeGreaterThan(starts[1]!);
    });
    hub.seen.length = 0;
    await onPage(async (page) => {
      hub.mood.bytesPerSecond = 2_000_000;
      await list(page, 'acme/large');
      await download(page);
      await until(() => sent() > 5_000_000, 'half of it is sent');
      await page.getByRole('button', { name: 'Cancel' }).click();
      Object.assign(hub.mood, { bytesPerSecond: Number.POSITIVE_INFINITY, version: '2' });
      await list(page, 'acme/large');
      await dialog(page)
        .getByText(/are here already/)
        .waitFor();
      await download(page);
      await opened(page);
      await page.getByText(/Started over with model\.onnx: the file changed/).waitFor();
      const last = hub.downloads().at(-1)!;
      expect([last.range, last.sent]).toEqual([undefined, large.length]);
    });
  });
});

describe('files that are not what they should be', () => {
  test('damaged on the way: said by name, nothing of it is kept, and the next download is whole', async () => {
    await onPage(async (page) => {
      hub.mood.damaged = true;
      await list(page, 'acme/small');
      await download(page);
      await page
        .getByText(/model\.onnx arrived damaged: its hash is [0-9a-f]{12}, and it should be [0-9a-f]{12}\./)
        .first()
        .waitFor();
      expect(await page.locator('article[data-variant]').count()).toBe(0);
      hub.mood.damaged = false;
      await list(page, 'acme/small');
      await dialog(page)
        .getByRole('button', { name: /^Download .* and open$/ })
        .waitFor();
      expect(await dialog(page).textContent()).not.toMatch(/here already|On this device: /);
      await download(page);
      await opened(page);
      expect(hub.downloads().map(({ range }) => range)).toEqual([undefined, undefined]);
    });
  });

  test('a graph whose weights the repository does not have: the file that is missing is named', async () => {
    await onPage(async (page) => {
      await list(page, 'acme/incomplete');
      await download(page);
      await page
        .getByText('onnx/model_fp16.onnx keeps weights in model_fp16.onnx_data, which acme/incomplete does not have.')
        .first()
        .waitFor();
      expect(await page.locator('article[data-variant]').count()).toBe(0);
    });
  });

  test('another file than the link’s, by its hash: nothing of it is fetched', async () => {
    const repo = 'acme/small';
    const model = { kind: 'hub', repo, revision: hub.commitOf(repo), path: 'model.onnx', byteLength: 100_000 };
    const link = (sha256: string) =>
      `#${encodeStudy(studySchema.parse({ model: { ...model, sha256 }, variants: [{}], task: { kind: 'random' } }))}`;
    const fetched = async (page: Page) => page.getByRole('button', { name: /^Download 100(\.0)?\skB/ }).click();
    await onPage(
      async (page) => {
        await fetched(page);
        await page.getByText('model.onnx of acme/small is not the file that the link was made with.').first().waitFor();
        expect(hub.downloads()).toEqual([]);
        // The same link with the file's own hash opens it.
        await page.goto('about:blank');
        await page.goto(app.url + link(sha256(hub.repositories.get(repo)!.files.get('model.onnx')!)));
        await fetched(page);
        await opened(page);
      },
      { fragment: link('0'.repeat(64)) },
    );
  });
});

test('downloads are deleted a repository at a time, and what is left opens without asking anybody', async () => {
  await onPage(async (page) => {
    const kept = dialog(page).locator('details', { hasText: /^On this device: / });
    const again = async (name: string) => {
      await page.getByRole('button', { name: /^(small|text-direction\.v2)/ }).click();
      await page.getByRole('menuitem', { name: /Hugging Face/ }).click();
      await dialog(page)
        .getByLabel(/^Repository/)
        .fill(name);
      await dialog(page).getByRole('button', { name: 'List files' }).click();
    };
    await list(page, 'acme/small');
    await download(page);
    await opened(page);
    await again('acme/text-direction.v2');
    await dialog(page).getByRole('radio', { name: 'onnx/model_fp16.onnx' }).check();
    await download(page);
    await page.getByRole('button', { name: /^text-direction\.v2/ }).waitFor();
    await again('acme/small');
    await dialog(page).getByText('It is on this device already.').waitFor();
    await kept.locator('summary').click();
    const rows = kept.locator('li');
    expect(await rows.allTextContents()).toEqual([
      expect.stringContaining('acme/small'),
      expect.stringContaining('acme/text-direction.v2'),
    ]);
    const folders = () =>
      page.evaluate(async () => {
        const cache = await (await navigator.storage.getDirectory()).getDirectoryHandle('hub');
        let count = 0;
        for await (const _ of cache.keys()) count += 1;
        return count;
      });
    const before = await folders();
    await kept.getByRole('button', { name: 'Delete the files of acme/small' }).click();
    await expect.poll(() => rows.count()).toBe(1);
    expect(await folders()).toBe(before - 1);
    // The table above does not go on saying that it is here.
    await dialog(page)
      .getByRole('button', { name: /^Download .* and open$/ })
      .waitFor();

    hub.seen.length = 0;
    await kept.getByRole('button', { name: 'Open onnx/model_fp16.onnx' }).click();
    await dialog(page).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /^text-direction\.v2/ }).waitFor();
    await opened(page);
    expect(hub.seen).toEqual([]);
  });
});

describe('a gated repository', () => {
  test('says so, takes a token, sends it to the hub alone and keeps it nowhere', async () => {
    await onPage(async (page) => {
      await list(page, 'acme/gated');
      await dialog(page)
        .getByText(/This repository is gated/)
        .waitFor();
      await download(page);
      await dialog(page)
        .getByText(/acme\/gated is gated/)
        .first()
        .waitFor();
      expect(hub.downloads()).toEqual([]);
      await dialog(page).getByLabel('Access token').fill('hf_wrong');
      await dialog(page).getByRole('button', { name: 'List files' }).click();
      await dialog(page)
        .getByText(/did not accept the access token/)
        .waitFor();
      await dialog(page).getByLabel('Access token').fill(TOKEN);
      await dialog(page).getByRole('button', { name: 'List files' }).click();
      await download(page);
      await opened(page);
      const withToken = hub.seen.filter(({ authorization }) => authorization?.includes(TOKEN));
      expect(withToken.length).toBeGreaterThan(2);
      expect(withToken.every(({ origin }) => origin === 'hub')).toBe(true);
      expect(hub.downloads().map(({ authorization }) => authorization)).toEqual([undefined]);
      await page.waitForTimeout(1000);
      const kept = await page.evaluate(async () => {
        const found: string[] = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), location.href];
        const walk = async (folder: FileSystemDirectoryHandle): Promise<void> => {
          for await (const handle of folder.values())
            if (handle.kind === 'directory') await walk(handle as FileSystemDirectoryHandle);
            else found.push(await (await (handle as FileSystemFileHandle).getFile()).text());
        };
        await walk(await navigator.storage.getDirectory());
        for (const { name } of await indexedDB.databases()) {
          const db = await new Promise<IDBDatabase>((resolve, reject) => {
            const request = indexedDB.open(name!);
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
          });
          for (const store of db.objectStoreNames) {
            const all = await new Promise<unknown[]>((resolve, reject) => {
              const request = db.transaction(store).objectStore(store).getAll();
              request.onsuccess = () => resolve(request.result);
              request.onerror = () => reject(request.error);
            });
            found.push(JSON.stringify(all));
          }
          db.close();
        }
        return found.join('\n');
      });
      // The search did look where things are kept.
      expect(kept).toContain('acme/gated');
      expect(kept).not.toContain(TOKEN);
    });
  });
});

describe('a link to a model of the hub', () => {
  test('asks first, then downloads that very file at that very commit, and works offline afterwards', async () => {
    let fragment = '';
    await onPage(async (page) => {
      await list(page, 'acme/large');
      await download(page);
      await opened(page);
      await page.keyboard.press('Control+Shift+L');
      await until(() => true, 'copied');
      await page.getByText(/Link copied/).waitFor();
      fragment = new URL(await page.evaluate(() => navigator.clipboard.readText())).hash;
      const study = decodeStudy(fragment);
      expect(study.ok && study.value.model).toMatchObject({
        kind: 'hub',
        repo: 'acme/large',
        revision: hub.commitOf('acme/large'),
        path: 'model.onnx',
        byteLength: large.length,
        sha256: sha256(large),
      });
    });
    hub.seen.length = 0;
    await onPage(
      async (page) => {
        await page.getByText(/for a model that is not here yet: model\.onnx of acme\/large/).waitFor();
        await page.waitForTimeout(500);
        expect(hub.seen).toEqual([]);
        await page.getByRole('button', { name: /^Download 1\d(\.\d)? MB/ }).click();
        await opened(page);
        expect(hub.downloads().map((entry) => entry.sent)).toEqual([large.length]);
        hub.mood.down = true;
        hub.seen.length = 0;
        await page.goto('about:blank');
        await page.goto(app.url + fragment);
        await page.getByRole('button', { name: /^Download 1\d(\.\d)? MB/ }).click();
        await opened(page);
        expect(hub.seen).toEqual([]);
      },
      { fragment },
    );
  });
});

describe('the dialog', () => {
  for (const dark of [false, true])
    for (const width of [1280, 390])
      test(`is accessible, ${dark ? 'dark' : 'light'}, ${width} px`, async () => {
        await onPage(
          async (page) => {
            await expectAccessible(page, 'the start page');
            await list(page, 'acme/text-direction.v2');
            await dialog(page).locator('tbody tr').first().waitFor();
            await dialog(page).getByText('Access token, other server').click();
            await expectAccessible(page, 'the dialog');
            const folder = process.env.WHITTLE_SCREENSHOTS;
            if (folder) await page.screenshot({ path: `${folder}/hub-${dark ? 'dark' : 'light'}-${width}.png` });
            await page.keyboard.press('Escape');
            if (folder) await page.screenshot({ path: `${folder}/start-${dark ? 'dark' : 'light'}-${width}.png` });
          },
          { dark, width },
        );
      });
});
