/** The graph view as its users meet it. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { type App, type AppPage, dropFiles } from './app.ts';

export interface GraphPage extends AppPage {
  readonly canvas: ReturnType<Page['getByRole']>;
}

/** Opens the graph of the original. */
export async function onGraph(
  app: App,
  bytes: Uint8Array,
  options: Parameters<App['open']>[0],
  body: (opened: GraphPage) => Promise<void>,
): Promise<void> {
  const opened = await app.open({ height: 900, ...options });
  try {
    const { page } = opened;
    await dropFiles(page, [{ name: 'model.onnx', bytes }]);
    await page.locator('article[data-variant] button[aria-pressed]').first().click({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Graph', exact: true }).click();
    const canvas = page.getByRole('application');
    await canvas.waitFor({ timeout: 60_000 });
    await body({ ...opened, canvas });
    expect(opened.problems).toEqual([]);
  } finally {
    await opened.context.close();
  }
}

/** What is said of the selection to those who do not see the picture. */
export const said = (page: Page) =>
  page.locator('p[aria-live=polite].visually-hidden', { hasText: '.' }).first().textContent();
export const panel = (page: Page, name: RegExp | string) => page.getByRole('complementary', { name });
export const listCount = (page: Page) => page.locator('summary', { hasText: 'List of nodes' }).textContent();

export async function press(page: Page, ...keys: string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}
