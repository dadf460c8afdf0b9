// The built page without a pointer and without eyes: every step of the main job by keys alone, and what is said of it.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type App, startApp, waitForRun } from './support/app.ts';

let app: App;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

interface Focus {
  readonly name: string;
  readonly role: string;
  /** Seen where it is: it has an outline, and lies in the window. */
  readonly shows: boolean;
}

const focus = (page: Page): Promise<Focus> =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return { name: '', role: 'body', shows: true };
    // A drawing that takes the focus has no labels.
    const labels = (element as HTMLInputElement).labels ?? [];
    const name = element.getAttribute('aria-label') ?? (labels[0] ?? element).textContent;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const { top, bottom, left, right } = element.getBoundingClientRect();
    const inWindow = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
    return {
      name: (name ?? '').replace(/\s+/g, ' ').trim().slice(0, 80),
      role: element.getAttribute('role') ?? element.localName,
      shows: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1 && inWindow,
    };
  });

/** Goes on by Tab to what has this name. Each stop on the way must show that it has the focus. */
async function tabTo(page: Page, name: RegExp, key = 'Tab'): Promise<void> {
  const passed: string[] = [];
  for (let step = 0; step < 150; step += 1) {
    await page.keyboard.press(key);
    const stop = await focus(page);
    expect(stop.shows, `the focus shows on ${stop.role} “${stop.name}”`).toBe(true);
    if (name.test(stop.name)) return;
    passed.push(`${stop.role} ${stop.name}`);
  }
  throw new Error(`${name} was not reached by ${key}. Passed: ${passed.join(' | ')}`);
}

/** Figures are printed, not judged: on a busy machine the first took more than half a minute. */
const LONG_MS = 120_000;

/** What the live region has said so far. */
const said = (page: Page) => page.evaluate(() => (globalThis as unknown as { said: string[] }).said);

async function listen(page: Page): Promise<void> {
  await page.evaluate(() => {
    const texts: string[] = [];
    Object.assign(globalThis, { said: texts });
    new MutationObserver(() => {
      for (const region of document.querySelectorAll('output[aria-live]')) {
        const text = region.textContent?.trim();
        if (text && texts.at(-1) !== text) texts.push(text);
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
}

test('a sample is opened, run, changed, judged and shared by keys alone, and a screen reader hears of it', async () => {
  const { page, context, problems } = await app.open();
  await page.locator('[data-sample]').first().waitFor();
  await listen(page);
  await tabTo(page, /^See it at work$/);
  const pressed = Date.now();
  await page.keyboard.press('Enter');
  await page
    .locator('article[data-variant]')
    .getByText(/\d\sms/)
    .first()
    .waitFor({ timeout: LONG_MS });
  const firstFigures = Date.now() - pressed;
  await page
    .locator('article[data-variant]')
    .getByText(/^(Pass|Fail)\b/)
    .first()
    .waitFor({ timeout: LONG_MS });
  console.log(`from the press: first latency ${firstFigures} ms, first verdict ${Date.now() - pressed} ms`);
  await waitForRun(page);
  const heard = await said(page);
  expect(heard[0]).toBe('Run started.');
  expect(heard.at(-1)).toMatch(/^Run finished\. .+/);
  // A sentence at most every 15 seconds between them.
  expect(heard.length).toBeLessThanOrEqual(2 + (Date.now() - pressed) / 15_000);

  // What a screen reader reads of a card: figures with their units, and the verdict in words.
  const card = await page.getByRole('article', { name: 'INT8 weights' }).ariaSnapshot();
  expect(card).toMatch(/\d\s(kB|MB)/);
  expect(card).toMatch(/%\ssmaller/);
  expect(card).toMatch(/\d\sms/);
  expect(card).toMatch(/Word accuracy/);
  expect(card).toMatch(/\b(Pass|Fail)\b/);
  const table = await page.getByRole('region', { name: 'Comparison table' }).ariaSnapshot();
  expect(table).toMatch(/columnheader "Latency/);
  expect(table).toMatch(/rowheader "B INT8 weights"/);

  await tabTo(page, /^INT8 weights$/);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'INT8 weights', exact: true, pressed: true }).waitFor();
  await tabTo(page, /^Details$/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'What each step did' }).waitFor();

  await tabTo(page, /^Symmetric/);
  await page.keyboard.press('Space');
  await page.getByText('changed since it was run').waitFor();
  await page.keyboard.press('r');
  await page.getByRole('progressbar').waitFor();
  await waitForRun(page);
  const judged = await page.getByRole('article', { name: 'INT8 weights' }).ariaSnapshot();
  expect(judged).toMatch(/\b(Pass|Fail|Too few samples)\b/i);

  await tabTo(page, /^Gate:/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'The gate' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await expect.poll(async () => (await focus(page)).name).toMatch(/^Gate:/);

  await tabTo(page, /^Share$/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Share' }).waitFor();
  await tabTo(page, /^Copy$/);
  await page.keyboard.press('Enter');
  await page
    .getByText(/copied/i)
    .first()
    .waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/#w1\./);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').first().waitFor({ state: 'detached' });
  await expect.poll(async () => (await focus(page)).name).toBe('Share');
  expect(problems).toEqual([]);
  await context.close();
});

/** Presses the key until the focus leaves the page. @returns where it was on the way */
async function stopsUntilOut(page: Page, key: string): Promise<string[]> {
  const stops: string[] = [];
  while (stops.length < 200) {
    await page.keyboard.press(key);
    const { role, name, shows } = await focus(page);
    if (role === 'body') return stops;
    expect(shows, `the focus shows on ${role} “${name}”`).toBe(true);
    stops.push(`${role} ${name}`);
  }
  throw new Error(`${key} never leaves the page: ${stops.slice(-20).join(' | ')}`);
}

test.each([1280, 390])(
  'at %i px Tab goes through the whole workbench and out again, and Shift+Tab back',
  async (width) => {
    const { page, context, problems } = await app.open({ width });
    await page.locator('[data-sample=tagger]').click();
    await waitForRun(page);
    for (const key of ['Tab', 'Shift+Tab']) {
      // To the end of the page first: from there on it is one whole round.
      await stopsUntilOut(page, key);
      const stops = await stopsUntilOut(page, key);
      for (const name of ['Run again', 'Share', 'INT8 weights', 'Variant', 'Details'])
        expect(stops, `${name} by ${key}`).toContain(`button ${name}`);
    }
    expect(problems).toEqual([]);
    await context.close();
  },
);
