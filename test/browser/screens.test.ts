// Every screen of the built page: axe-core finds nothing in either theme, at the width of a laptop and of a phone; nothing
// is wider than the window. With WHITTLE_PICTURES=FOLDER it also takes pictures: FOLDER is what docs/images holds, but for
// FOLDER/minor.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accessibilityProblems } from './support/accessible.ts';
import { type App, startApp } from './support/app.ts';
import { leave, openSampleAndRun, type Screen, withModel, withoutModel } from './support/screens.ts';

const pictures = process.env.WHITTLE_PICTURES;
const themes = ['light', 'dark'] as const;
/** About forty screens, some of which measure, in two themes, on a machine that does other things besides. */
const WALK_MS = 900_000;
const sizes = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
] as const;

let app: App;
beforeAll(async () => {
  app = await startApp();
  if (pictures) mkdirSync(join(pictures, 'minor'), { recursive: true });
});
afterAll(() => app.close());

interface PictureSize {
  readonly scale: number;
  /** Of 100, as WebP counts it. */
  readonly quality: number;
}

/** Small, since all of them together lie in the repository: 100 pictures take about 1 MB. */
const sizeFor = (width: number): PictureSize => ({ scale: width > 1000 ? 0.5 : 0.62, quality: 20 });

async function takePicture(page: Page, path: string, { scale, quality }: PictureSize): Promise<void> {
  const { width, height } = page.viewportSize()!;
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'webp',
    quality,
    clip: { x: 0, y: 0, width, height, scale },
  });
  await session.detach();
  writeFileSync(path, Buffer.from(data, 'base64'));
}

/** The picture of the README, in full size: a quantizer that loses everything beside two that lose nothing. */
async function takeCover(path: string): Promise<void> {
  const { page, context } = await app.open({ width: 1280, height: 720 });
  await openSampleAndRun(page, 'ocr-rec', WALK_MS / 2);
  await takePicture(page, path, { scale: 1, quality: 35 });
  await context.close();
}

/** @returns what is wrong with the screen, in both themes */
async function look(page: Page, { name, minor }: Screen, width: number): Promise<string[]> {
  const wrong: string[] = [];
  for (const colorScheme of themes) {
    await page.emulateMedia({ colorScheme });
    const where = `${name}, ${colorScheme}, ${width} px`;
    for (const problem of await accessibilityProblems(page)) wrong.push(`${where}: ${problem}`);
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (beyond > 0) wrong.push(`${where}: ${beyond} px wider than the window`);
    if (pictures)
      await takePicture(
        page,
        join(pictures, minor ? 'minor' : '', `${name}-${colorScheme}-${width}.webp`),
        sizeFor(width),
      );
  }
  return wrong;
}

describe.each(sizes)('at $width px', ({ width, height }) => {
  test(
    'every screen is accessible',
    async () => {
      const { page, context, problems } = await app.open({ width, height });
      const wrong: string[] = [];
      for (const screen of withoutModel) {
        await screen.go(page);
        wrong.push(...(await look(page, screen, width)));
        await leave(screen, page);
      }
      await openSampleAndRun(page, 'tagger');
      for (const screen of withModel) {
        await screen.go(page);
        wrong.push(...(await look(page, screen, width)));
        await leave(screen, page);
      }
      expect(wrong).toEqual([]);
      expect(problems).toEqual([]);
      await context.close();
      if (pictures && width > 1000) await takeCover(join(pictures, 'cover.webp'));
    },
    WALK_MS,
  );
});
