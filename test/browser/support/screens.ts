/**
 * Every screen of the app and how to get there: screens.test.ts runs axe-core on each, in both themes and two widths, and
 * takes the pictures of docs/images. A new screen is one entry here.
 */
import type { Page } from 'playwright-core';
import { waitForRun } from './app.ts';

export interface Screen {
  /** Of its pictures: docs/images/NAME-THEME-WIDTH.webp. */
  readonly name: string;
  go(page: Page): Promise<void>;
  /** Back to where the next one begins; by default Escape closes what was opened. */
  leave?(page: Page): Promise<void>;
}

const press = (key: string) => async (page: Page) => page.keyboard.press(key);
const stay = async () => {};
/** What has no key is found in the palette, as a user finds it. */
export async function command(page: Page, words: string): Promise<void> {
  await page.keyboard.press('Control+k');
  await page.getByLabel('Find a command').fill(words);
  await page.keyboard.press('Enter');
}
const dialog = (title: string | RegExp, open: (page: Page) => Promise<void>) => async (page: Page) => {
  await open(page);
  await page.getByRole('dialog', { name: title }).waitFor();
};
async function closed(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').first().waitFor({ state: 'detached' });
}

async function handOver(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Download', exact: true }).click();
  await page.getByRole('menuitem', { name: /^Hand over/ }).click();
}

/** Before a model is open. */
export const withoutModel: readonly Screen[] = [
  {
    name: 'start',
    go: async (page) => page.locator('[data-sample]').first().waitFor(),
    leave: stay,
  },
  { name: 'help', go: dialog('Help', press('?')) },
  {
    name: 'about',
    go: async (page) => {
      await page.keyboard.press('a');
      await page.getByRole('dialog', { name: 'About and privacy' }).locator('figure').waitFor();
    },
  },
  { name: 'hub', go: dialog('From Hugging Face', (page) => command(page, 'open from hugging face')) },
  { name: 'projects', go: dialog('Projects', press('m')) },
];

/** With a sample that has been run; they follow one another. */
export const withModel: readonly Screen[] = [
  { name: 'workbench', go: press('1'), leave: stay },
  { name: 'pareto', go: press('2'), leave: stay },
  {
    name: 'details',
    go: async (page) => {
      await page.keyboard.press('3');
      await page.getByRole('heading', { name: 'What each step did' }).waitFor();
    },
    leave: stay,
  },
  {
    name: 'layers-error',
    go: async (page) => {
      await page.keyboard.press('4');
      await page.getByRole('button', { name: 'Where does the error come from?' }).click();
      await page.getByRole('button', { name: 'Look again' }).waitFor({ timeout: 120_000 });
    },
    leave: stay,
  },
  {
    name: 'layers-sensitivity',
    go: async (page) => {
      await page.getByRole('button', { name: 'Sensitivity', exact: true }).click();
      await page.getByRole('button', { name: 'Measure each layer' }).click();
      await page.getByRole('button', { name: 'Measure again' }).waitFor({ timeout: 180_000 });
    },
    leave: stay,
  },
  {
    name: 'graph',
    go: async (page) => {
      await page.keyboard.press('g');
      await page.getByRole('application').waitFor({ timeout: 60_000 });
    },
    leave: stay,
  },
  {
    name: 'diff',
    go: async (page) => {
      await page.keyboard.press('d');
      await page.getByText(/nodes became \d+/).waitFor({ timeout: 60_000 });
    },
    leave: stay,
  },
  {
    name: 'profile',
    go: async (page) => {
      await page.keyboard.press('5');
      await page.getByRole('button', { name: /^Profile (both|it|again)$/ }).click();
      await page.locator('button:enabled', { hasText: 'Profile again' }).waitFor({ timeout: 120_000 });
    },
    leave: stay,
  },
  { name: 'palette', go: dialog('All commands', press('Control+k')) },
  { name: 'task', go: dialog('What judges the variants?', (page) => command(page, 'choose the task')) },
  { name: 'targets', go: dialog('Targets', (page) => command(page, 'choose targets')) },
  { name: 'gate', go: dialog('The gate', (page) => command(page, 'edit the gate')) },
  { name: 'search', go: dialog('Find the best recipe', press('b')) },
  { name: 'share', go: dialog('Share', (page) => page.getByRole('button', { name: 'Share', exact: true }).click()) },
  { name: 'handover', go: dialog(/^Hand over/, handOver) },
  {
    name: 'present',
    go: async (page) => {
      await page.keyboard.press('p');
      await page.getByRole('navigation', { name: 'Questions' }).waitFor();
    },
    leave: async (page) => {
      await page.keyboard.press('Escape');
      await page.getByRole('navigation', { name: 'Questions' }).waitFor({ state: 'detached' });
    },
  },
];

/** Opens a sample as a visitor does, and waits for its figures. */
export async function openSampleAndRun(page: Page, id: string): Promise<void> {
  await page.locator(`[data-sample="${id}"]`).click();
  await waitForRun(page);
}

export const leave = (screen: Screen, page: Page): Promise<void> => (screen.leave ?? closed)(page);
