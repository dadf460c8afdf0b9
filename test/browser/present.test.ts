// Presenting to a room: on the built page, with a sample that is really measured.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { presets } from '../../src/core/recipe/presets.ts';
import { encodeStudy } from '../../src/core/study/link.ts';
import { studySchema } from '../../src/core/study/schema.ts';
import { expectAccessible } from './support/accessible.ts';
import { type App, type AppPage, dropFiles, startApp, tableRows, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';

/** Of the sample's file, as its index says. */
const ORIGINAL_BYTES = 578_966;
const QUESTIONS = ['How much smaller?', 'How much faster?', 'What did we lose?', 'May we ship it?'];

/** As the footer writes it. */
const day = () => new Date().toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

let app: App;
let opened: AppPage;
let page: Page;

beforeAll(async () => {
  app = await startApp();
  opened = await app.open();
  ({ page } = opened);
  page.setDefaultTimeout(15_000);
  await page.getByRole('button', { name: /Text direction/ }).click();
  await page.locator('article[data-variant]').nth(1).waitFor();
});
afterAll(async () => {
  expect(opened.problems).toEqual([]);
  await app.close();
});

const stage = () => page.getByRole('dialog', { name: /^Presentation of / });
const question = () => stage().getByRole('heading', { name: /\?/ });
const headline = async () => (await stage().locator('h2 + p').textContent())!.trim();
const start = async () => {
  const button = page.getByRole('button', { name: 'Present', exact: true });
  if (await button.isVisible()) await button.click();
  else {
    // On phones it is in a menu.
    await page.getByRole('button', { name: 'More', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Present' }).click();
  }
  await question().waitFor();
};
const end = async () => {
  await stage().getByRole('button', { name: 'End the presentation' }).click();
  await stage().waitFor({ state: 'detached' });
};
const asked = async () => {
  const text = (await question().textContent())!;
  return QUESTIONS.findIndex((one) => text.startsWith(one));
};
/** Figure and unit stand apart by a gap that is no character everywhere. */
const tight = (text: string | null) => (text ?? '').replace(/\s/g, '');
/** Presses a key and tells which question is asked then, from 0. */
const press = async (key: string) => {
  await page.keyboard.press(key);
  await page.waitForTimeout(60);
  return asked();
};

test('before anything is measured it is disabled and says why', async () => {
  const fresh = await app.open();
  try {
    await fresh.page.locator('[data-sample]').first().waitFor();
    expect(await fresh.page.getByRole('button', { name: 'Present', exact: true }).count()).toBe(0);
    await dropFiles(fresh.page, [{ name: 'classifier.onnx', bytes: await smallClassifier() }]);
    const button = fresh.page.getByRole('button', { name: 'Present', exact: true });
    await button.waitFor();
    expect(await button.getAttribute('aria-disabled')).toBe('true');
    await button.focus();
    await fresh.page.getByText('Nothing is measured yet: run first, then present.').waitFor();
    await fresh.page.keyboard.press('p');
    await fresh.page.waitForTimeout(200);
    expect(await fresh.page.getByRole('dialog').count()).toBe(0);
  } finally {
    await fresh.context.close();
  }
});

test('two targets: a button and T switch between them, each with its own figures and conditions', async () => {
  const variants = [
    { name: 'Original' },
    ...presets.filter(({ recipe }) => recipe.name === 'FP16').map(({ recipe }) => recipe),
  ];
  const study = studySchema.parse({
    model: { kind: 'sample', id: 'ocr-cls' },
    variants,
    plan: { warmupRuns: 1, latencyRuns: 5 },
    targets: [1, 2].map((threads) => ({ provider: 'wasm', threads })),
    task: { kind: 'sample-task', id: 'ocr-direction', limit: 12 },
  });
  const other = await app.open({ fragment: `#${encodeStudy(study)}` });
  const on = other.page;
  try {
    const dayBefore = day();
    await on.getByRole('button', { name: 'Run all' }).click();
    await waitForRun(on);
    // By target: what the table has as the median of FP16.
    const rows = (await tableRows(on)).filter(([variant]) => variant === 'A FP16');
    const medians = new Map(rows.map((row) => [row[1]!, /^[\d.]+\s?ms/.exec(row[6]!)![0]]));
    expect([...medians.keys()]).toEqual(['WASM, 1 thread', 'WASM, 2 threads']);
    await on.keyboard.press('p');
    const shown = on.getByRole('dialog', { name: /^Presentation of / });
    const targets = shown.getByRole('group', { name: 'Runs on' });
    await shown.getByRole('button', { name: /FP16/ }).click();
    await shown.getByRole('button', { name: /^2 of 4/ }).click();
    const expectOn = async (target: string) => {
      await expect.poll(() => targets.locator('[aria-pressed=true]').allTextContents()).toEqual([target]);
      // The figure glides there.
      await expect
        .poll(async () => tight(await shown.locator('main').textContent()))
        .toContain(tight(medians.get(target)!));
      const conditions = (await shown.getByRole('contentinfo').textContent())!.split(' · ');
      expect(conditions).toEqual([
        expect.stringMatching(/^Measured on Chrome \d+ on Linux, \d+ logical cores?$/),
        target,
        expect.stringMatching(/^onnxruntime-web \d+\.\d+\.\d+/),
        '5 timed runs',
        'Tell upright text from upside down, 12 samples',
        expect.stringMatching(new RegExp(`^(${dayBefore}|${day()})$`)),
      ]);
    };
    await expectOn('WASM, 1 thread');
    await targets.getByRole('button', { name: 'WASM, 2 threads' }).click();
    await expectOn('WASM, 2 threads');
    await on.keyboard.press('t');
    await expectOn('WASM, 1 thread');
    await on.keyboard.press('t');
    await expectOn('WASM, 2 threads');
    expect(other.problems).toEqual([]);
  } finally {
    await other.context.close();
  }
});

describe('with figures', () => {
  beforeAll(() => waitForRun(page));

  test('keys, clickers and the mouse lead through four questions, and Esc gives the page back', async () => {
    await page.keyboard.press('p');
    await question().waitFor();
    expect(await asked()).toBe(0);
    const path = ['ArrowRight', 'PageDown', ' ', 'ArrowRight', 'PageUp', 'ArrowLeft', 'End', 'Home', 'ArrowDown'];
    const seen: number[] = [];
    for (const key of path) seen.push(await press(key === ' ' ? 'Space' : key));
    // At the last question the next key stays there.
    expect(seen).toEqual([1, 2, 3, 3, 2, 1, 3, 0, 1]);
    await stage().getByRole('button', { name: '3 of 4, Lost: What did we lose?' }).click();
    expect(await question().textContent()).toContain(QUESTIONS[2]);
    expect(await stage().locator('[aria-current=step]').textContent()).toBe('Lost');
    // Keys of the page beneath do nothing here.
    for (const key of ['r', 'd', 'o', '?']) await page.keyboard.press(key);
    await page.waitForTimeout(200);
    expect(await page.getByRole('dialog').count()).toBe(1);
    expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0);
    await page.keyboard.press('Escape');
    await stage().waitFor({ state: 'detached' });
    await start();
    await page.keyboard.press('Escape');
    await stage().waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Present');
  });

  test('figures are those of the table, and variants switch at once', async () => {
    const rows = await tableRows(page);
    await start();
    const pressed = () => stage().locator('fieldset button[aria-pressed=true]');
    for (const [index, row] of rows.entries()) {
      await page.keyboard.press(String(index));
      const name = row[0]!.replace(/^[A-H] /, '');
      expect(await pressed().textContent()).toContain(name);
      expect(await question().textContent()).toContain(name);
      const file = row[2]!;
      const bytes = Number.parseFloat(file) * 1000;
      expect(file).toMatch(/^[\d.]+\s?kB/);
      const ratio = ORIGINAL_BYTES / bytes;
      if (index > 0 && ratio > 1.15) expect(await headline()).toBe(`${ratio.toFixed(1)}× smaller`);
      expect(tight(await stage().textContent())).toContain(tight(/^[\d.]+\s?kB/.exec(file)![0]));
      await page.keyboard.press('ArrowRight');
      expect(tight(await stage().textContent())).toContain(tight(/^[\d.]+\s?ms/.exec(row[6]!)![0]));
      await page.keyboard.press('End');
      const verdict = /Pass|Fail|Too few samples|Baseline/.exec(row.at(-1)!)![0];
      const words = {
        Pass: 'Yes',
        Fail: 'No',
        'Too few samples': 'Too few samples to say',
        Baseline: 'This is the original',
      };
      expect(await headline()).toBe(words[verdict as keyof typeof words]);
      // The verdict is a word, a shape and a reason: colour comes on top.
      expect(await stage().locator('h2 + p svg').count()).toBe(1);
      await page.keyboard.press('Home');
    }
    await stage().getByRole('button', { name: /FP16/ }).click();
    expect(await question().textContent()).toContain('FP16');
    await end();
  });

  test('a figure glides between two measured states only, and not for who wants less motion', async () => {
    const watched = async (action: () => Promise<void>) => {
      await page.evaluate(() => {
        const seen: string[] = [];
        const look = () => {
          const value = [...document.querySelectorAll('[role=dialog] [data-value]')].at(-1);
          if (value && seen.at(-1) !== value.textContent) seen.push(value.textContent ?? '');
          (globalThis as unknown as { watching: number }).watching = requestAnimationFrame(look);
        };
        (globalThis as unknown as { seen: string[] }).seen = seen;
        look();
      });
      await action();
      await page.waitForTimeout(900);
      return page.evaluate(() => {
        const { seen, watching } = globalThis as unknown as { seen: string[]; watching: number };
        cancelAnimationFrame(watching);
        return seen;
      });
    };
    const opening = await watched(start);
    expect(opening).toHaveLength(1);
    await page.keyboard.press('1');
    await page.waitForTimeout(700);
    const gliding = await watched(() => page.keyboard.press('3'));
    expect(gliding.length).toBeGreaterThan(2);
    const values = gliding.map((text) => Number.parseFloat(text));
    const [from, to] = [values[0]!, values.at(-1)!];
    for (const value of values) {
      expect(value).toBeGreaterThanOrEqual(Math.min(from, to));
      expect(value).toBeLessThanOrEqual(Math.max(from, to));
    }
    // Another question is another quantity.
    expect(await watched(() => page.keyboard.press('PageDown'))).toHaveLength(2);
    await page.keyboard.press('Home');
    await page.emulateMedia({ reducedMotion: 'reduce' });
    expect(await watched(() => page.keyboard.press('1'))).toEqual([`${gliding.at(-1)}`, gliding[0]]);
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    await end();
  });

  test('takes the whole screen where it may, and one Esc leaves both', async () => {
    await start();
    await page.waitForFunction(() => document.fullscreenElement === document.documentElement);
    // Our own button leaves the full screen alone.
    await page.keyboard.press('f');
    await page.waitForFunction(() => document.fullscreenElement === null);
    expect(await stage().count()).toBe(1);
    await page.keyboard.press('f');
    await page.waitForFunction(() => document.fullscreenElement !== null);
    // What the browser does with Esc there.
    await page.evaluate(() => document.exitFullscreen());
    await stage().waitFor({ state: 'detached' });
  });

  test('is read from the back row: sizes, contrast, no scrolling, nothing that axe objects to', async () => {
    for (const [width, height, least] of [
      [1280, 720, 24],
      [1920, 1080, 24],
      [390, 844, 16],
    ] as const) {
      await page.setViewportSize({ width, height });
      await withoutFullscreen();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await start();
        for (const [index, text] of QUESTIONS.entries()) {
          const where = `${text} ${width} ${colorScheme}`;
          await page.waitForTimeout(200);
          const texts = await textsOnStage(page);
          expect(texts.length, where).toBeGreaterThan(8);
          expect(
            texts.filter(({ size }) => size < least),
            where,
          ).toEqual([]);
          expect(
            texts.filter(({ contrast }) => contrast < 7),
            where,
          ).toEqual([]);
          if (width > 390) {
            expect(
              texts.filter(({ isOutside }) => isOutside),
              where,
            ).toEqual([]);
            expect(await scrolls(page), where).toEqual([]);
          }
          if (width === 1280 || index === 3) {
            await expectAccessible(page, where);
            expect(await enhancedContrast(page), where).toEqual([]);
          }
          await page.keyboard.press('PageDown');
        }
        await end();
      }
    }
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.emulateMedia({ colorScheme: 'light' });
  });

  test('an inconclusive gate and a variant without figures are said as what they are', async () => {
    await page.getByRole('button', { name: /^Gate:/ }).click();
    await page.getByLabel('At most this much worse').fill('0.01');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /Variant$/ }).click();
    await page
      .getByRole('menuitem', { name: /INT8 weights/ })
      .first()
      .click();
    await start();
    await page.keyboard.press('End');
    const toggles = await stage().locator('fieldset button').allTextContents();
    const open = toggles.findIndex((text) => text.includes('Too few samples'));
    expect(open).toBeGreaterThan(0);
    await page.keyboard.press(String(open));
    expect(await headline()).toBe('Too few samples to say');
    expect(await stage().textContent()).toMatch(/samples? would|samples/);
    const last = toggles.length - 1;
    expect(toggles[last]).toContain('Not judged');
    await page.keyboard.press(String(last));
    for (const key of ['Home', 'ArrowRight', 'ArrowRight', 'ArrowRight']) {
      await page.keyboard.press(key);
      expect(await headline()).toBe('Not measured yet');
      expect(await stage().textContent()).toContain('It has not been run with its present settings.');
    }
    await end();
    await page.keyboard.press('Control+z');
    await page.keyboard.press('Control+z');
  });
});

/** As where the browser denies it: the sizes under test stay the window's, and nothing may depend on it. */
const withoutFullscreen = () =>
  page.evaluate(() => {
    Element.prototype.requestFullscreen = () => Promise.reject(new TypeError('denied'));
  });

/** Every piece of text that can be seen: its size, its contrast by WCAG 2.2's formula, whether the window cuts it. */
function textsOnStage(on: Page) {
  return on.evaluate(() => {
    const parse = (text: string) => text.match(/[\d.]+/g)!.map(Number);
    const luminance = ([red = 0, green = 0, blue = 0]: number[]) => {
      const [r, g, b] = [red, green, blue].map((channel) => {
        const part = channel / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const background = (element: Element): number[] => {
      for (let at: Element | null = element; at; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        if (colour.length === 3 || colour[3] === 1) return colour;
      }
      return [255, 255, 255];
    };
    const dialog = document.querySelector('[role=dialog]')!;
    const walker = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement!;
      if (!node.textContent!.trim() || element.closest('.visually-hidden')) continue;
      const style = getComputedStyle(element);
      const [a, b] = [luminance(parse(style.color)), luminance(background(element))];
      const range = document.createRange();
      range.selectNodeContents(node);
      const { top, bottom, left, width } = range.getBoundingClientRect();
      if (width === 0) continue;
      const main = element.closest('main')?.getBoundingClientRect();
      found.push({
        text: node.textContent!.trim().slice(0, 40),
        size: Number.parseFloat(style.fontSize),
        contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
        isOutside:
          top < (main?.top ?? 0) - 1 || bottom > (main?.bottom ?? innerHeight) + 1 || left < 0 || left > innerWidth,
      });
    }
    return found;
  });
}

function scrolls(on: Page): Promise<string[]> {
  return on.evaluate(() =>
    [document.documentElement, document.body, ...document.querySelectorAll('[role=dialog], [data-question]')]
      .filter(({ scrollHeight, clientHeight }) => scrollHeight > clientHeight + 1)
      .map(({ tagName, scrollHeight, clientHeight }) => `${tagName} ${scrollHeight} > ${clientHeight}`),
  );
}

/** WCAG 2.2, 1.4.6 (AAA), by axe. */
function enhancedContrast(on: Page): Promise<string[]> {
  return on.evaluate(async () => {
    type Run = { violations: { nodes: { html: string; failureSummary?: string }[] }[] };
    const { axe } = globalThis as unknown as { axe: { run(context: object, options: object): Promise<Run> } };
    const { violations } = await axe.run(document.querySelector('[role=dialog]')!, {
      runOnly: { type: 'rule', values: ['color-contrast-enhanced'] },
      rules: { 'color-contrast-enhanced': { enabled: true } },
    });
    return violations.flatMap(({ nodes }) =>
      nodes.map(({ html, failureSummary }) => `${html} ${failureSummary ?? ''}`),
    );
  });
}
