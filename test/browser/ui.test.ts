// The ways in and the controls of the built page that app.test.ts does not drive, and its accessibility.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concatParts } from '../../src/core/base/byte-parts.ts';
import { memorySource } from '../../src/core/base/memory-source.ts';
import { readModel } from '../../src/core/onnx/read.ts';
import { writeModel } from '../../src/core/onnx/write.ts';
import { expectAccessible } from './support/accessible.ts';
import { type App, type AppPage, dropFiles, startApp, tableRows, waitForRun } from './support/app.ts';
import { npyFloat32 } from './support/arrays.ts';
import { smallClassifier } from './support/models.ts';

const WIDTH = 64;
let app: App;
let model: Uint8Array;

beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier(WIDTH);
});
afterAll(() => app.close());

async function onPage(options: Parameters<App['open']>[0], body: (opened: AppPage) => Promise<void>): Promise<void> {
  const opened = await app.open(options);
  try {
    await body(opened);
    expect(opened.problems.filter((problem) => !problem.includes('CORS') && !problem.includes('net::'))).toEqual([]);
  } finally {
    await opened.context.close();
  }
}

const cards = (page: Page) =>
  page
    .locator('article[data-variant]')
    .evaluateAll((found) => found.map((card) => card.getAttribute('aria-label')?.replace(', baseline', '')));
const openModel = async (page: Page) => {
  await dropFiles(page, [{ name: 'classifier.onnx', bytes: model }]);
  await page.locator('article[data-variant]').nth(1).waitFor();
};
const chooseAction = async (page: Page, variant: string, action: string) => {
  await page.getByRole('button', { name: `Actions for ${variant}`, exact: true }).click();
  await page.getByRole('menuitem', { name: action }).click();
};

describe('ways in', () => {
  test('an address: fetched where the server allows it, else told why', async () => {
    const server: Server = createServer((request, response) => {
      const open = request.url!.startsWith('/open');
      response.writeHead(200, {
        'content-type': 'application/octet-stream',
        ...(open ? { 'access-control-allow-origin': '*' } : {}),
      });
      response.end(model);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await onPage({}, async ({ page }) => {
        const fetchFrom = async (path: string) => {
          await page.getByLabel('Address of a model').fill(base + path);
          await page.getByRole('button', { name: 'Fetch' }).click();
        };
        await fetchFrom('/closed/model.onnx');
        await page.getByText(/does not allow other pages to read from it \(CORS\)/).waitFor();
        await fetchFrom('/open/model.onnx');
        await page.locator('article[data-variant]').nth(1).waitFor();
        await page.getByRole('button', { name: 'Share', exact: true }).click();
        await page.getByRole('button', { name: 'Copy', exact: true }).click();
        await page.getByText(/copied/i).waitFor();
        const link = await page.evaluate(() => navigator.clipboard.readText());
        await onPage({ fragment: link.slice(link.indexOf('#')) }, async (fresh) => {
          await fresh.page.getByRole('button', { name: 'Fetch it' }).click();
          await fresh.page.locator('article[data-variant]').nth(1).waitFor();
          expect(await cards(fresh.page)).toEqual(await cards(page));
        });
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('weights in a file of their own: named when missing, found beside the graph', async () => {
    const read = await readModel(memorySource('classifier.onnx', model));
    const written = await writeModel(read, { externalData: { location: 'weights.bin', thresholdBytes: 0 } });
    const graph = { name: 'net.onnx', bytes: await concatParts(written.graph) };
    const weights = { name: 'weights.bin', bytes: await concatParts(written.external) };
    expect(graph.bytes.length).toBeLessThan(weights.bytes.length / 4);
    await onPage({}, async ({ page }) => {
      await dropFiles(page, [graph]);
      await page.getByText(/"weights\.bin", which was not given/).waitFor();
      await dropFiles(page, [graph, weights]);
      await page.locator('article[data-variant]').nth(1).waitFor();
      await page
        .getByText(/9,600 parameters/)
        .first()
        .waitFor();
    });
  });

  test('arrays and recipes without a model say that one is needed', async () => {
    await onPage({}, async ({ page }) => {
      await dropFiles(page, [{ name: 'x.npy', bytes: npyFloat32([1, WIDTH]) }]);
      await page.getByText('There is no model yet to feed these arrays to.').waitFor();
    });
  });
});

describe('the user’s own data', () => {
  test('is judged, survives a reload, and refuses what does not fit', async () => {
    await onPage({}, async ({ page }) => {
      await openModel(page);
      await dropFiles(page, [{ name: 'x.npy', bytes: npyFloat32([1, WIDTH + 1]) }]);
      await page.getByText(/expects float32 \[batch, 64\], but the data has float32 \[1, 65\]/).waitFor();
      const expected = npyFloat32([1, 10]);
      await dropFiles(page, [
        { name: 'x.npy', bytes: npyFloat32([1, WIDTH]) },
        { name: 'probabilities.npy', bytes: expected },
      ]);
      await page.getByRole('button', { name: 'Task: your data, 2 files' }).waitFor();
      await page.getByRole('button', { name: /^Run all/ }).click();
      await waitForRun(page);
      // Against expected outputs that are noise, the original itself is far off; without them it would agree wholly.
      const [original] = await tableRows(page);
      expect(original!.join(' ')).toMatch(/−?\d+\.\d dB/);
      expect(original!.join(' ')).not.toContain('∞');
      await page.waitForTimeout(800);
      await page.reload();
      await page.getByRole('button', { name: /^Run again/ }).waitFor();
      await page.getByRole('button', { name: /^Task: your data, 2 files/ }).waitFor();
    });
  });
});

describe('variants', () => {
  test('are added, renamed, moved, duplicated and deleted; Undo brings back what it names and nothing else', async () => {
    await onPage({}, async ({ page }) => {
      await openModel(page);
      const start = await cards(page);
      expect(start[0]).toBe('Original');
      await page.getByRole('button', { name: /Variant$/ }).click();
      await page.getByRole('menuitem', { name: /^FP16/ }).click();
      expect(await cards(page)).toEqual([...start, 'FP16']);

      await chooseAction(page, 'FP16', 'Rename');
      await page.getByLabel('Name of the variant').fill('Half');
      await page.keyboard.press('Enter');
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Half');
      await chooseAction(page, 'Half', 'Move left');
      const moved = [...start.slice(0, -1), 'Half', start.at(-1)];
      expect(await cards(page)).toEqual(moved);
      await chooseAction(page, 'Half', 'Duplicate');
      expect(await cards(page)).toEqual(moved.toSpliced(moved.indexOf('Half') + 1, 0, 'Half copy'));
      await page.keyboard.press('Control+z');
      expect(await cards(page)).toEqual(moved);

      await chooseAction(page, 'Half', 'Delete');
      const without = moved.filter((name) => name !== 'Half');
      expect(await cards(page)).toEqual(without);
      const undo = page.getByRole('button', { name: 'Undo' });
      await undo.waitFor();
      await page.keyboard.press('Control+z');
      expect(await cards(page)).toEqual(moved);
      await undo.click();
      expect(await cards(page)).toEqual(moved);
    });
  });
});

test('every editor: Ctrl+Z gives the old value back, Ctrl+Y the new one, wherever it was set', async () => {
  await onPage({ height: 900 }, async ({ page }) => {
    await openModel(page);
    const chip = (name: string) => page.getByRole('banner').getByRole('button', { name: new RegExp(`^${name}:`) });
    const inDialogOf = (name: string, change: () => Promise<unknown>) => async () => {
      await chip(name).click();
      await change();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    };
    const recipe = page.getByRole('region', { name: 'Recipe' });
    const field = (name: string) => recipe.getByLabel(name, { exact: true });
    const names = () => cards(page);
    await page.getByRole('button', { name: 'INT4 RTN', exact: true }).click();
    await recipe.locator('summary', { hasText: 'Runtime' }).click();
    const start = ['Original', 'Simplify only', 'INT8 dynamic, per channel', 'INT4 RTN'];
    const editors: readonly {
      readonly what: string;
      readonly read: () => Promise<unknown>;
      readonly edit: () => Promise<unknown>;
      readonly before: unknown;
      readonly after: unknown;
    }[] = [
      {
        what: 'gate',
        read: () => chip('Gate').textContent(),
        edit: inDialogOf('Gate', () => page.getByLabel('At most this much worse').fill('5')),
        before: 'Gate: at most 2\u202f% worse',
        after: 'Gate: at most 5\u202f% worse',
      },
      {
        what: 'targets',
        read: () => chip('On').textContent(),
        edit: inDialogOf('On', () => page.getByLabel('Threads').selectOption('1')),
        before: 'On: WASM',
        after: 'On: WASM, 1 thread',
      },
      {
        what: 'task',
        read: () => chip('Task').textContent(),
        edit: inDialogOf('Task', () => page.getByLabel('Samples', { exact: true }).fill('7')),
        before: 'Task: 16 random inputs',
        after: 'Task: 7 random inputs',
      },
      {
        what: 'step of a recipe',
        read: () => field('Weights').inputValue(),
        edit: () => field('Weights').selectOption('weight-only-bnb4'),
        before: 'weight-only-rtn',
        after: 'weight-only-bnb4',
      },
      {
        what: 'parameter of a step',
        read: () => field('Bits per weight').inputValue(),
        edit: () => field('Bits per weight').selectOption('8'),
        before: '4',
        after: '8',
      },
      {
        what: 'runtime setting',
        read: () => field('Graph optimization level').inputValue(),
        edit: () => field('Graph optimization level').selectOption('basic'),
        before: 'all',
        after: 'basic',
      },
      {
        what: 'name of a variant',
        read: names,
        edit: async () => {
          await chooseAction(page, 'INT4 RTN', 'Rename');
          await page.getByLabel('Name of the variant').fill('Four');
          await page.keyboard.press('Enter');
        },
        before: start,
        after: start.with(3, 'Four'),
      },
      {
        what: 'place of a variant',
        read: names,
        edit: () => chooseAction(page, 'INT4 RTN', 'Move left'),
        before: start,
        after: [start[0], start[1], start[3], start[2]],
      },
      {
        what: 'deleted variant',
        read: names,
        edit: () => chooseAction(page, 'Simplify only', 'Delete'),
        before: start,
        after: start.toSpliced(1, 1),
      },
    ];
    for (const { what, read, edit, before, after } of editors) {
      const press = async (keys: string, value: unknown) => {
        await page.keyboard.press(keys);
        await expect.poll(read, { message: `${what}, ${keys}` }).toEqual(value);
      };
      expect(await read(), what).toEqual(before);
      await edit();
      await expect.poll(read, { message: what }).toEqual(after);
      // Fields keep these keys for their own text.
      await page.getByRole('heading', { name: 'Whittle' }).click();
      await press('Control+z', before);
      await press('Control+y', after);
      await press('Control+z', before);
    }
    // Each of them was one step.
    await page.keyboard.press('Control+z');
    expect(await Promise.all(editors.map(({ read }) => read()))).toEqual(editors.map(({ before }) => before));
  });
});

test('the keyboard runs, cancels, switches views and opens the help', async () => {
  await onPage({}, async ({ page }) => {
    await openModel(page);
    await page.keyboard.press('r');
    await page.getByRole('button', { name: 'Cancel' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /^Run all/ }).waitFor();
    await page.keyboard.press('2');
    await page.getByText('Run to see the trade-off.').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Help' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });
});

test('on a phone the header takes two rows, and what does not fit is in a menu that the keyboard opens', async () => {
  await onPage({ width: 390 }, async ({ page }) => {
    await openModel(page);
    await page.getByRole('button', { name: /^Run all/ }).click();
    await waitForRun(page);
    for (const width of [360, 390]) {
      await page.setViewportSize({ width, height: 720 });
      const rows = await page
        .locator('header')
        .first()
        .evaluate((header) => {
          const shown = [...header.querySelectorAll('button')].filter((button) => button.checkVisibility());
          return new Set(shown.map((button) => Math.round(button.getBoundingClientRect().top))).size;
        });
      expect(rows).toBe(2);
    }
    for (const name of ['Present', 'All commands', 'Help'])
      expect(await page.getByRole('button', { name, exact: true }).count()).toBe(0);
    const more = page.getByRole('button', { name: 'More' });
    const choose = async (name: string) => {
      await more.focus();
      await page.keyboard.press('Enter');
      const item = page.getByRole('menuitem', { name });
      await item.waitFor();
      await expect
        .poll(async () => {
          if (await item.evaluate((element) => element === document.activeElement)) return true;
          await page.keyboard.press('ArrowDown');
          return false;
        })
        .toBe(true);
      await page.keyboard.press('Enter');
    };
    await choose('Help');
    await page.getByRole('dialog', { name: 'Help' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Help' }).waitFor({ state: 'detached' });
    await expect.poll(() => more.evaluate((button) => button === document.activeElement)).toBe(true);
    await choose('Dark');
    await expect.poll(() => page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
    await more.click();
    await expectAccessible(page, 'the menu', { menu: true });
    await page.keyboard.press('Escape');
    await choose('Present');
    await page.getByRole('dialog').waitFor();
  });
});

describe('axe finds nothing', () => {
  async function expectInBothThemes(page: Page, where: string, options: { menu?: boolean } = {}) {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await expectAccessible(page, `${where}, ${colorScheme}`, options);
    }
  }

  test('on the start page, the workbench and what opens above it, light and dark', async () => {
    await onPage({}, async ({ page }) => {
      await page.locator('[data-sample]').first().waitFor();
      await expectInBothThemes(page, 'start page');
      await openModel(page);
      await page.getByRole('button', { name: /^Run all/ }).click();
      await waitForRun(page);
      await expectInBothThemes(page, 'side by side');
      await page.keyboard.press('3');
      await expectInBothThemes(page, 'details');
      await page.locator('summary', { hasText: 'Runtime' }).click();
      for (const [name, menu] of [
        [/^Task:/, false],
        [/^On:/, false],
        [/^Gate:/, false],
        [/Variant$/, true],
      ] as const) {
        await page.getByRole('button', { name }).click();
        await expectInBothThemes(page, String(name), { menu });
        await page.keyboard.press('Escape');
        await page.waitForTimeout(150);
      }
    });
  });
});
