import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeOptions {
  /** A menu is open: axe wants all content in landmarks; it spares dialogs, but not menus, which float above the page too. */
  readonly menu?: boolean;
}

/** What axe-core finds on the page as it is. */
export async function accessibilityProblems(page: Page, { menu = false }: AxeOptions = {}): Promise<string[]> {
  // Through the debugger, since the page's policy lets in neither inline scripts nor strings.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe);
  // Colours in the middle of a transition are nobody's colours.
  await page.waitForTimeout(300);
  return page.evaluate(async (isMenu) => {
    type Run = { violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] };
    const { axe: checker } = globalThis as unknown as {
      axe: { run(context: Document, options: object): Promise<Run> };
    };
    const { violations } = await checker.run(document, isMenu ? { rules: { region: { enabled: false } } } : {});
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html} ${nodes[0]!.failureSummary ?? ''}`);
  }, menu);
}

/** Fails for anything that axe-core finds. @param where what the page shows, for the failure */
export async function expectAccessible(page: Page, where: string, options: AxeOptions = {}): Promise<void> {
  expect(await accessibilityProblems(page, options), where).toEqual([]);
}
