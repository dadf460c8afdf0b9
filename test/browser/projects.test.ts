// Projects on the built page: kept side by side, over reloads and crashes, on a full disk, in two tabs, and as zip files.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, unzipSync, zipSync } from 'fflate';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible } from './support/accessible.ts';
import { type App, type AppPage, dropFiles, startApp, tableRows, waitForRun } from './support/app.ts';
import { npyFloat32 } from './support/arrays.ts';
import { smallClassifier } from './support/models.ts';

/** After this an edit is kept whatever happens to the tab: the delay of SAVE_DELAY_MS, and the write. */
const KEPT_MS = 900;
let app: App;
let first: Uint8Array;
let second: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  first = await smallClassifier(64);
  second = await smallClassifier(32);
});
afterAll(() => app.close());

async function onPage(
  body: (opened: AppPage) => Promise<void>,
  options: Parameters<App['open']>[0] = {},
): Promise<void> {
  const opened = await app.open(options);
  try {
    await body(opened);
    expect(opened.problems).toEqual([]);
  } finally {
    await opened.context.close();
  }
}

const cards = (page: Page) =>
  page
    .locator('article[data-variant]')
    .evaluateAll((found) => found.map((card) => card.getAttribute('aria-label')?.replace(', baseline', '')));
const drop = async (page: Page, name: string, bytes: Uint8Array) => {
  await dropFiles(page, [{ name, bytes }]);
  await page.getByRole('button', { name: new RegExp(name) }).waitFor();
  await page.locator('article[data-variant]').nth(1).waitFor();
};
const addVariant = async (page: Page, preset = /^FP16/) => {
  await page.getByRole('button', { name: /Variant$/ }).click();
  await page.getByRole('menuitem', { name: preset }).click();
};
const openDialog = async (page: Page) => {
  await page.keyboard.press('m');
  await page.getByRole('dialog', { name: 'Projects' }).waitFor();
};
const closeDialog = async (page: Page) => {
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
};
const listed = async (page: Page) => {
  const rows = page.getByRole('dialog').locator('[data-project]');
  await rows.first().waitFor();
  return rows.evaluateAll((found) => found.map((row) => row.querySelector('button')?.textContent));
};
const act = async (page: Page, project: string, action: string) => {
  await page.getByRole('button', { name: `Actions for project ${project}`, exact: true }).click();
  await page.getByRole('menuitem', { name: action }).click();
};
const goHome = async (page: Page, model: string) => {
  await page.getByRole('button', { name: new RegExp(model) }).click();
  await page.getByRole('menuitem', { name: 'Sample gallery' }).click();
  await page.getByRole('region', { name: 'Continue' }).waitFor();
};
const storedModels = (page: Page) =>
  page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('models', { create: true });
    const names: string[] = [];
    for await (const name of folder.keys()) names.push(name);
    return names.length;
  });

describe('several projects', () => {
  test('stay side by side; each opens with its own variants, also after a reload', async () => {
    await onPage(async ({ page }) => {
      await drop(page, 'first.onnx', first);
      await addVariant(page);
      const ofFirst = await cards(page);
      await drop(page, 'second.onnx', second);
      const ofSecond = await cards(page);
      expect(ofSecond).not.toEqual(ofFirst);
      await openDialog(page);
      expect(await listed(page)).toEqual(['second.onnx', 'first.onnx']);
      await page.getByRole('dialog').getByRole('button', { name: 'first.onnx', exact: true }).click();
      await expect.poll(() => cards(page)).toEqual(ofFirst);
      await page.reload();
      await expect.poll(() => cards(page)).toEqual(ofFirst);
      await goHome(page, 'first.onnx');
      await page.reload();
      await page.getByRole('region', { name: 'Continue' }).getByRole('button', { name: 'second.onnx' }).first().click();
      await expect.poll(() => cards(page)).toEqual(ofSecond);
    });
  });

  test('are renamed and taken back, duplicated at no cost, deleted and brought back; the last one frees the bytes', async () => {
    await onPage(async ({ page }) => {
      await drop(page, 'first.onnx', first);
      await addVariant(page);
      await openDialog(page);
      await act(page, 'first.onnx', 'Rename');
      await page.getByLabel('Name of the project').fill('Mine');
      await page.keyboard.press('Enter');
      await expect.poll(() => listed(page)).toEqual(['Mine']);
      await closeDialog(page);
      await page.keyboard.press('Control+z');
      await openDialog(page);
      await expect.poll(() => listed(page)).toEqual(['first.onnx']);
      await closeDialog(page);
      await page.keyboard.press('Control+y');
      await openDialog(page);
      await expect.poll(() => listed(page)).toEqual(['Mine']);

      await act(page, 'Mine', 'Duplicate');
      await expect.poll(() => listed(page)).toEqual(['Mine copy', 'Mine']);
      await page
        .getByRole('dialog')
        .getByText(/model shared with another/)
        .first()
        .waitFor();
      expect(await storedModels(page)).toBe(1);

      await act(page, 'Mine', 'Delete');
      await page.getByText('Deleted Mine.').waitFor();
      await page.getByRole('region', { name: 'Continue' }).waitFor();
      await page.getByRole('button', { name: 'Undo' }).click();
      await page.locator('article[data-variant]').nth(1).waitFor();
      await openDialog(page);
      await expect.poll(async () => (await listed(page)).sort()).toEqual(['Mine', 'Mine copy']);
      await act(page, 'Mine copy', 'Delete');
      await page.getByText('Deleted Mine copy.').waitFor();
      await expect.poll(() => listed(page)).toEqual(['Mine']);
      await act(page, 'Mine', 'Delete');
      await page.getByText('Deleted Mine.').last().waitFor();
      expect(await storedModels(page)).toBe(1);
      // Until then both could be brought back.
      await expect.poll(() => storedModels(page), { timeout: 45_000, interval: 1000 }).toBe(0);
    });
  });

  test('are cleared only after a second, deliberate press; the use of storage is shown', async () => {
    await onPage(async ({ page }) => {
      await drop(page, 'first.onnx', first);
      await openDialog(page);
      await page.getByText(/used of .* that this browser gives/).waitFor();
      await page.getByRole('button', { name: 'Ask the browser to keep it' }).click();
      await page.getByText(/The browser (has promised|did not promise)/).waitFor();
      await page.getByRole('button', { name: 'Clear everything' }).click();
      await page.getByRole('button', { name: 'Keep', exact: true }).click();
      expect(await listed(page)).toEqual(['first.onnx']);
      await page.getByRole('button', { name: 'Clear everything' }).click();
      await page.getByRole('button', { name: 'Yes, delete 1 project' }).click();
      await page.getByText('Cleared.').waitFor();
      expect(await storedModels(page)).toBe(0);
      await page.reload();
      await page.locator('[data-sample]').first().waitFor();
      expect(await page.getByRole('region', { name: 'Continue' }).count()).toBe(0);
    });
  });
});

describe('nothing is lost', () => {
  test('when the tab is closed right after an edit, or its renderer crashes', async () => {
    await onPage(async ({ page, context }) => {
      await drop(page, 'first.onnx', first);
      await page.waitForTimeout(KEPT_MS);
      await addVariant(page);
      const edited = await cards(page);
      await page.close({ runBeforeUnload: true });
      const next = await context.newPage();
      await next.goto(app.url);
      await expect.poll(() => cards(next)).toEqual(edited);

      await addVariant(next, /^INT4 RTN/);
      const more = await cards(next);
      expect(more.length).toBe(edited.length + 1);
      await next.waitForTimeout(KEPT_MS);
      const crashed = new Promise((resolve) => next.once('crash', resolve));
      const session = await context.newCDPSession(next);
      void session.send('Page.crash').catch(() => {});
      await crashed;
      const after = await context.newPage();
      await after.goto(app.url);
      await expect.poll(() => cards(after)).toEqual(more);
    });
  });

  test('what earlier versions kept as the one session becomes a project', async () => {
    await onPage(async ({ page, context }) => {
      await drop(page, 'first.onnx', first);
      await addVariant(page);
      const before = await cards(page);
      await page.waitForTimeout(KEPT_MS);
      await page.evaluate(async () => {
        const request = indexedDB.open('whittle');
        await new Promise((resolve) => {
          request.onsuccess = resolve;
        });
        const store = request.result.transaction('records', 'readwrite').objectStore('records');
        const all = <T>(found: IDBRequest<T>) =>
          new Promise<T>((resolve) => {
            found.onsuccess = () => resolve(found.result);
          });
        const names = (await all(store.getAllKeys())) as string[];
        const state = await all(store.get(names.find((name) => name.startsWith('state/'))!));
        store.clear();
        store.put({ ...state, model: { ...state.model, card: {} } }, 'session');
        await new Promise((resolve) => {
          store.transaction.oncomplete = resolve;
        });
      });
      const next = await context.newPage();
      await next.goto(app.url);
      await expect.poll(() => cards(next)).toEqual(before);
    });
  });

  test('a model for which the disk has no room is told at once and stays in sight; the page goes on', async () => {
    await onPage(async ({ page, context }) => {
      await drop(page, 'first.onnx', first);
      await page.waitForTimeout(KEPT_MS);
      const session = await context.newCDPSession(page);
      const origin = new URL(app.url).origin;
      await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1000 });
      await dropFiles(page, [{ name: 'second.onnx', bytes: second }]);
      await page.getByRole('button', { name: /second\.onnx/ }).waitFor();
      await page
        .getByText(/The model is not kept over a reload/)
        .first()
        .waitFor();
      await addVariant(page);
      expect((await cards(page)).length).toBeGreaterThan(1);
      await session.send('Storage.overrideQuotaForOrigin', { origin });
    });
  });

  test('of the user’s data when a change of the task is undone', async () => {
    await onPage(async ({ page }) => {
      await drop(page, 'first.onnx', first);
      const task = (files: number) => page.getByRole('button', { name: `Task: your data, ${files} file` });
      await dropFiles(page, [{ name: 'x.npy', bytes: npyFloat32([1, 64]) }]);
      await task(1).waitFor();
      await page.waitForTimeout(KEPT_MS);
      await dropFiles(page, [
        { name: 'x.npy', bytes: npyFloat32([2, 64]) },
        { name: 'probabilities.npy', bytes: npyFloat32([2, 10]) },
      ]);
      await task(2).waitFor();
      await page.keyboard.press('Control+z');
      await task(1).waitFor();
      await page.waitForTimeout(KEPT_MS);
      await page.reload();
      await task(1).waitFor();
      await page.getByRole('button', { name: /^Run all/ }).click();
      await waitForRun(page);
      expect((await tableRows(page))[0]!.join(' ')).toContain('Baseline');
    });
  });
});

test('a second tab on the same project says so, overwrites nothing, and can take over or keep a copy', async () => {
  await onPage(async ({ page, context }) => {
    await drop(page, 'first.onnx', first);
    await page.waitForTimeout(KEPT_MS);
    const other = await context.newPage();
    await other.goto(app.url);
    // It does not begin with what the first is at.
    const offered = other.getByRole('region', { name: 'Continue' });
    await offered.getByRole('button', { name: 'first.onnx', exact: true }).click();
    await other.locator('article[data-variant]').nth(1).waitFor();
    await other.getByText('This project is open in another tab.').first().waitFor();
    await addVariant(other);
    await other.waitForTimeout(KEPT_MS);
    await addVariant(page, /^INT4 RTN/);
    const kept = await cards(page);
    await other.getByRole('button', { name: /^Not saved: This project is open/ }).click();
    const mine = await cards(other);
    await other.getByRole('button', { name: 'Edit it here' }).click();
    await expect.poll(() => cards(other)).toEqual(kept);
    await page.getByRole('button', { name: /^Not saved: This project is open/ }).waitFor();
    // What the second tab had changed is a project of its own.
    await openDialog(other);
    await other.getByRole('dialog').getByRole('button', { name: 'first.onnx copy', exact: true }).click();
    await expect.poll(() => cards(other)).toEqual(mine);
  });
});

describe('a zip file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'whittle-projects-'));
  const zip = join(folder, 'project.zip');

  const exportTo = async (page: Page, project: string, path: string) => {
    await openDialog(page);
    const download = page.waitForEvent('download');
    await act(page, project, 'Export as zip');
    await (await download).saveAs(path);
    await closeDialog(page);
  };
  const report = async (page: Page, name: string, bytes: Uint8Array) => {
    await dropFiles(page, [{ name, bytes }]);
  };

  test('holds everything: other programs read it, and a fresh profile opens it as it was', async () => {
    let rows: string[][] = [];
    let names: unknown[] = [];
    await onPage(async ({ page }) => {
      await drop(page, 'first.onnx', first);
      await dropFiles(page, [{ name: 'x.npy', bytes: npyFloat32([1, 64]) }]);
      await page.getByRole('button', { name: 'Task: your data, 1 file' }).waitFor();
      await page.getByRole('button', { name: /^Run all/ }).click();
      await waitForRun(page);
      rows = await tableRows(page);
      names = await cards(page);
      await exportTo(page, 'first.onnx', zip);
    });
    expect(execFileSync('unzip', ['-t', zip], { encoding: 'utf8' })).toContain('No errors detected');
    const script =
      'import sys,zipfile,json;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;print(json.dumps(z.namelist()))';
    const parts = JSON.parse(execFileSync('python3', ['-c', script, zip], { encoding: 'utf8' }));
    expect(parts).toEqual(['model/first.onnx', 'task/x.npy', 'report.json', 'results.json', 'project.json']);
    expect(unzipSync(readFileSync(zip))['model/first.onnx']).toEqual(first);
    await onPage(async ({ page }) => {
      await report(page, 'project.zip', readFileSync(zip));
      await page.getByText('Imported first.onnx.').waitFor();
      await expect.poll(() => cards(page)).toEqual(names);
      await page.getByRole('button', { name: /^Run again/ }).waitFor();
      expect(await tableRows(page)).toEqual(rows);
      await page.waitForTimeout(KEPT_MS);
      await page.reload();
      await page.getByRole('button', { name: /^Task: your data, 1 file/ }).waitFor();
      await expect.poll(() => tableRows(page)).toEqual(rows);
      // Once more: beside the first, not over it.
      await report(page, 'project.zip', readFileSync(zip));
      await page.getByText(/^Imported first\.onnx 2/).waitFor();
      await openDialog(page);
      await expect.poll(() => listed(page)).toEqual(['first.onnx 2', 'first.onnx']);
      expect(await storedModels(page)).toBe(1);
    });
  });

  test('that is hostile or broken is refused by what is wrong with it, and leaves nothing behind', async () => {
    const good = unzipSync(readFileSync(zip));
    const json = JSON.parse(new TextDecoder().decode(good['project.json']!));
    const changed = (change: object) => ({ ...good, 'project.json': strToU8(JSON.stringify({ ...json, ...change })) });
    const { 'model/first.onnx': model, ...withoutModel } = good;
    const flipped = model!.slice();
    flipped[flipped.length - 5]! ^= 1;
    await onPage(async ({ page }) => {
      const refuse = async (files: Record<string, Uint8Array>, words: RegExp) => {
        await report(page, 'bad.zip', zipSync(files));
        await page.getByText(words).first().waitFor();
      };
      await refuse({ 'a.txt': strToU8('x') }, /bad\.zip holds no Whittle project/);
      await refuse(changed({ version: 99 }), /project has format version 99; this version of Whittle reads up to 1/);
      await refuse(withoutModel, /lists model\/first\.onnx, which is not in the zip file/);
      await refuse({ ...good, '../evil.onnx': model! }, /leads out of its folder/);
      await refuse({ ...good, 'model/first.onnx': flipped }, /SHA-256 is not the listed one/);
      await refuse(changed({ name: '' }), /project\.json of the project is not valid at name/);
      await report(page, 'cut.zip', readFileSync(zip).subarray(0, 5000));
      await page.getByText(/cut\.zip is not a zip file that can be read/).waitFor();
      await page.locator('[data-sample]').first().waitFor();
      await expect.poll(() => storedModels(page)).toBe(0);
    });
  });
});

for (const [width, dark] of [
  [1280, false],
  [390, true],
] as const)
  test(`axe finds nothing at ${width} px, ${dark ? 'dark' : 'light'}`, async () => {
    await onPage(
      async ({ page }) => {
        await drop(page, 'first.onnx', first);
        await page.waitForTimeout(KEPT_MS);
        await openDialog(page);
        await page.getByText(/model \+/).waitFor();
        await expectAccessible(page, 'dialog');
        await shot(page, `dialog-${width}`);
        await page.getByRole('button', { name: 'Clear everything' }).click();
        await expectAccessible(page, 'dialog, asking');
        await page.evaluate(() => document.querySelector('[role=dialog]')?.scrollTo(0, 9999));
        await shot(page, `clear-${width}`);
        await closeDialog(page);
        await goHome(page, 'first.onnx');
        await expectAccessible(page, 'start page');
        await shot(page, `start-${width}`);
      },
      { width, height: 800, dark },
    );
  });

/** For a look by eye: only where a folder is asked for. */
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.WHITTLE_SHOTS;
  if (folder) await page.screenshot({ path: join(folder, `projects-${name}.png`) });
}
