// The command palette of the built page, by keyboard alone.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectAccessible } from './support/accessible.ts';
import { type App, dropFiles, startApp } from './support/app.ts';
import { smallClassifier } from './support/models.ts';

let app: App;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

const palette = (page: Page) => page.getByRole('dialog', { name: 'All commands' });

async function command(page: Page, words: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByLabel('Find a command').fill(words);
  await page.keyboard.press('Enter');
  await palette(page).waitFor({ state: 'detached' });
}

const variants = (page: Page) =>
  page.locator('article[data-variant]').evaluateAll((found) => found.map((card) => card.getAttribute('aria-label')));

test('what is typed is found and done; what cannot be done says why', async () => {
  const { page, context, problems } = await app.open();
  await page.keyboard.press('Control+k');
  const finder = page.getByLabel('Find a command');
  await finder.waitFor();
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Find a command');
  // Keys of the page beneath do nothing while it is typed in.
  await page.keyboard.type('run all');
  const first = page.getByRole('option').first();
  await page.getByRole('option', { name: 'Run all variants' }).waitFor();
  expect(await first.getAttribute('aria-disabled')).toBe('true');
  expect(await first.textContent()).toContain('Open a model first.');
  await page.keyboard.press('Enter');
  await expectAccessible(page, 'palette');
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectAccessible(page, 'palette, dark');
  await finder.fill('no such thing at all');
  await page.getByText('No command has all these words.').waitFor();
  await page.keyboard.press('Escape');
  await palette(page).waitFor({ state: 'detached' });

  await command(page, 'theme dark');
  expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');

  await dropFiles(page, [{ name: 'classifier.onnx', bytes: await smallClassifier(64) }]);
  await page.locator('article[data-variant]').nth(1).waitFor();
  const before = await variants(page);
  await command(page, 'add fp16');
  expect(await variants(page)).toEqual([...before, 'FP16']);
  await command(page, 'select original');
  expect(await page.locator('article[data-selected=true]').getAttribute('aria-label')).toBe('Original, baseline');
  await command(page, 'undo');
  expect(await variants(page)).toEqual(before);
  // What was done last comes first.
  await page.keyboard.press('Control+k');
  expect(await page.getByRole('option').first().textContent()).not.toBe('');
  const top = await page.getByRole('option').evaluateAll((all) => all.slice(0, 4).map((one) => one.textContent ?? ''));
  expect(top.join(' ')).toContain('Add variant: FP16');
  await page.keyboard.press('Escape');
  await command(page, 'gate 5 %');
  await page.getByRole('button', { name: /^Gate: at most 5/ }).waitFor();
  // A command that opens a dialog of its own; the key then belongs to that dialog.
  await command(page, 'find the best recipe');
  await page.getByRole('dialog', { name: /best/i }).waitFor();
  await page.keyboard.press('2');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Side by side', pressed: true }).waitFor();
  await command(page, 'edit gate');
  await page.getByRole('dialog', { name: 'The gate' }).waitFor();
  await page.keyboard.press('Escape');
  const [saved] = await Promise.all([page.waitForEvent('download'), command(page, 'download recipe')]);
  expect(saved.suggestedFilename()).toMatch(/recipe\.json$/);
  expect(problems).toEqual([]);
  await context.close();
});
