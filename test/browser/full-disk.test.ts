// A full disk on the built page: IndexedDB refuses what is written, as it does when a browser's quota is used up. It is told
// at once, nothing that was there is lost, and what found no room is written as soon as there is some.
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectAccessible } from './support/accessible.ts';
import { type App, dropFiles, startApp, tableRows, waitForRun } from './support/app.ts';
import { npyFloat32 } from './support/arrays.ts';
import { smallClassifier } from './support/models.ts';

/** After this an edit is kept if it can be. */
const KEPT_MS = 900;
/** The page tries again every five seconds. */
const RETRIED_MS = 20_000;
/** What the browser gives while there is room, in bytes. */
const ROOM = 20_000_000;

let app: App;
let model: Uint8Array;
beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier(64);
});
afterAll(() => app.close());

interface Disk {
  readonly page: Page;
  readonly context: BrowserContext;
  /** From now on there is no room. */
  fill(): Promise<void>;
  /** Gives the room back. */
  empty(): Promise<void>;
}

/** A page with a project that is kept. */
async function onDisk(body: (disk: Disk) => Promise<void>): Promise<void> {
  const { origin } = new URL(app.url);
  let setQuota = async (_bytes: number): Promise<void> => {};
  const { page, context, problems } = await app.open({
    prepare: async (opened) => {
      const session = await opened.context().newCDPSession(opened);
      setQuota = async (quotaSize) => {
        await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
      };
      await setQuota(ROOM);
    },
  });
  try {
    await dropFiles(page, [{ name: 'first.onnx', bytes: model }]);
    await page.locator('article[data-variant]').nth(1).waitFor();
    await page.waitForTimeout(KEPT_MS);
    await body({
      page,
      context,
      fill: async () => {
        await setQuota(1000);
        // Chromium counts on the room that it was last told of, until something does not fit.
        expect(await refusal(page, 2 * ROOM)).toBe('QuotaExceededError');
        expect(await refusal(page, 1)).toBe('QuotaExceededError');
      },
      empty: () => setQuota(ROOM),
    });
    expect(problems).toEqual([]);
  } finally {
    await context.close();
  }
}

interface Databases {
  indexedDB: IDBFactory;
}

/** Why a transaction on the page's own database is not committed; the request itself goes well. */
function refusal(page: Page, bytes: number): Promise<string | null> {
  return page.evaluate(async (size) => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = (globalThis as unknown as Databases).indexedDB.open('whittle');
      request.onsuccess = () => resolve(request.result);
    });
    const transaction = database.transaction('records', 'readwrite');
    transaction.objectStore('records').put(new Uint8Array(size), 'probe');
    const ended = await new Promise<string | null>((resolve) => {
      transaction.oncomplete = () => resolve(null);
      transaction.onabort = () => resolve(transaction.error?.name ?? 'aborted');
    });
    database.close();
    return ended;
  }, bytes);
}

/** Names of what is on the disk. */
function written(page: Page, database: string, store: string): Promise<string[]> {
  return page.evaluate(
    async ([name, objects]) => {
      const opened = await new Promise<IDBDatabase>((resolve) => {
        const request = (globalThis as unknown as Databases).indexedDB.open(name!);
        request.onsuccess = () => resolve(request.result);
      });
      const keys = await new Promise<IDBValidKey[]>((resolve) => {
        const request = opened.transaction(objects!).objectStore(objects!).getAllKeys();
        request.onsuccess = () => resolve(request.result);
      });
      opened.close();
      return keys.map(String);
    },
    [database, store],
  );
}

const cards = (page: Page) =>
  page
    .locator('article[data-variant]')
    .evaluateAll((found) => found.map((card) => card.getAttribute('aria-label')?.replace(', baseline', '')));
const addVariant = async (page: Page, preset = /^FP16/) => {
  await page.getByRole('button', { name: /Variant$/ }).click();
  await page.getByRole('menuitem', { name: preset }).click();
};
const goHome = async (page: Page) => {
  await page.getByRole('button', { name: /first\.onnx/ }).click();
  await page.getByRole('menuitem', { name: 'Sample gallery' }).click();
  await page.getByRole('region', { name: 'Continue' }).waitFor();
};
const notSaved = (page: Page) => page.getByRole('button', { name: /^Not saved: There is no storage left/ });

/** What another visit finds. */
async function seenLater(context: BrowserContext): Promise<unknown[]> {
  const later = await context.newPage();
  await later.goto(app.url);
  const row = later.getByRole('region', { name: 'Continue' }).getByRole('button', { name: 'first.onnx', exact: true });
  // It may be what the tab begins with.
  await expect
    .poll(async () => {
      if ((await row.isVisible()) && (await row.isEnabled())) await row.click({ timeout: 1000 }).catch(() => {});
      return later.locator('article[data-variant]').count();
    })
    .toBeGreaterThan(1);
  const found = await cards(later);
  await later.close();
  return found;
}

test('an edit is told at once to be not kept, stays, and is written once there is room', async () => {
  await onDisk(async ({ page, context, fill, empty }) => {
    const before = await cards(page);
    await fill();
    expect(await cards(page)).toEqual(before);
    await addVariant(page);
    const told = page.getByText(
      /There is no storage left in this browser\. Changes stay on this page and are written once/,
    );
    await told.first().waitFor({ timeout: 3000 });
    await page
      .getByText(/export projects that you no longer need and delete them/)
      .first()
      .waitFor();
    const edited = await cards(page);
    expect(edited.length).toBe(before.length + 1);
    // It is said for as long as it is so, with a way to make room.
    await notSaved(page).click();
    await page.getByRole('button', { name: 'Export or delete projects …' }).waitFor();
    await expectAccessible(page, 'what is not kept');
    await page.keyboard.press('Escape');
    // What is on the disk is what was there before.
    expect(await seenLater(context)).toEqual(before);
    await empty();
    await page.getByText('Changes are kept again.').waitFor({ timeout: RETRIED_MS });
    await notSaved(page).waitFor({ state: 'detached' });
    expect(await seenLater(context)).toEqual(edited);
  });
});

test('a project that is left with such an edit is opened with it, and written from the start page', async () => {
  await onDisk(async ({ page, context, fill, empty }) => {
    await fill();
    await addVariant(page);
    await notSaved(page).waitFor();
    const edited = await cards(page);
    await goHome(page);
    const again = page
      .getByRole('region', { name: 'Continue' })
      .getByRole('button', { name: 'first.onnx', exact: true });
    await again.click();
    await expect.poll(() => cards(page)).toEqual(edited);
    await goHome(page);
    await empty();
    await page.getByText('Changes are kept again.').waitFor({ timeout: RETRIED_MS });
    expect(await seenLater(context)).toEqual(edited);
  });
});

test('what another tab changed meanwhile is not overwritten: the held edit becomes a copy', async () => {
  await onDisk(async ({ page, context, fill, empty }) => {
    await fill();
    await addVariant(page);
    await notSaved(page).waitFor();
    const edited = await cards(page);
    await goHome(page);
    const other = await context.newPage();
    // That the first left the project could not be written down, so this begins with it.
    await other.goto(app.url);
    await other.locator('article[data-variant]').nth(1).waitFor();
    await empty();
    await addVariant(other, /^INT4 RTN/);
    const theirs = await cards(other);
    await page.getByText('Changes are kept again.').waitFor({ timeout: RETRIED_MS });
    await other.waitForTimeout(KEPT_MS);
    await other.close();
    await page.reload();
    const list = page.getByRole('region', { name: 'Continue' });
    await list.getByRole('button', { name: 'first.onnx copy', exact: true }).click();
    await expect.poll(() => cards(page)).toEqual(edited);
    await goHome(page);
    await list.getByRole('button', { name: 'first.onnx', exact: true }).click();
    await expect.poll(() => cards(page)).toEqual(theirs);
  });
});

test('projects can be deleted, brought back and cleared; none comes back by itself', async () => {
  await onDisk(async ({ page, fill, empty }) => {
    await fill();
    await addVariant(page);
    await notSaved(page).waitFor();
    const edited = await cards(page);
    const remove = async () => {
      await page.keyboard.press('m');
      await page.getByRole('button', { name: 'Actions for project first.onnx', exact: true }).click();
      await page.getByRole('menuitem', { name: 'Delete' }).click();
      await page.getByText('Deleted first.onnx.').last().waitFor();
    };
    await remove();
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(() => cards(page)).toEqual(edited);
    await remove();
    await expect
      .poll(() => written(page, 'whittle', 'records'), { timeout: 45_000, interval: 1000 })
      .not.toContainEqual(expect.stringMatching(/^(project|state)\//));
    await empty();
    await page.waitForTimeout(7000);
    expect((await written(page, 'whittle', 'records')).filter((name) => /^(project|state)\//.test(name))).toEqual([]);
    expect(await page.getByRole('region', { name: 'Continue' }).count()).toBe(0);
  });
});

test('the user’s data and measured figures are told and written as well', async () => {
  await onDisk(async ({ page, fill, empty }) => {
    await fill();
    await dropFiles(page, [{ name: 'x.npy', bytes: npyFloat32([2, 64]) }]);
    await page
      .getByText(/Your data are not kept over a reload\./)
      .first()
      .waitFor({ timeout: 3000 });
    await page.getByRole('button', { name: /^Run all/ }).click();
    await waitForRun(page);
    await page
      .getByText(/What was measured is shown, but has to be measured again/)
      .first()
      .waitFor();
    const rows = await tableRows(page);
    expect(await written(page, 'whittle-results', 'measurements')).toEqual([]);
    await empty();
    await page.getByText('Your data are kept now.').waitFor({ timeout: RETRIED_MS });
    await page.getByText('Measured figures are kept again.').waitFor({ timeout: RETRIED_MS });
    await page.getByText('Changes are kept again.').waitFor({ timeout: RETRIED_MS });
    expect((await written(page, 'whittle-results', 'measurements')).length).toBeGreaterThan(0);
    await page.waitForTimeout(KEPT_MS);
    await page.reload();
    await page.getByRole('button', { name: /^Task: your data, 1 file/ }).waitFor();
    await expect.poll(() => tableRows(page)).toEqual(rows);
  });
});
