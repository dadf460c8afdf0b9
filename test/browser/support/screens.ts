/**
 * Every screen of the app and how to get there: screens.test.ts runs axe-core on each, in both themes and two widths, and
 * takes the pictures of docs/images. A new screen is one entry here.
 */
import type { Page } from 'playwright-core';
import { waitForRun } from './app.ts';

export interface Screen {
  /** Of its pictures: docs/images/NAME-THEME-WIDTH.webp. */
  readonly name: string;
  /** Its pictures are for a look only, since all of them lie in the repository: docs/images has none. */
  readonly minor?: true;
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
  {
    name: 'capabilities',
    minor: true,
    go: async (page) => {
      await page.getByRole('contentinfo').getByRole('button', { name: /WASM/ }).click();
      await page.getByRole('dialog', { name: 'What this browser can do' }).waitFor();
    },
  },
  { name: 'hub', go: dialog('From Hugging Face', (page) => command(page, 'open from hugging face')) },
  { name: 'projects', go: dialog('Projects', press('m')) },
];

/** With a sample that has been run; they follow one another. */
export const withModel: readonly Screen[] = [
  { name: 'workbench', go: press('1'), leave: stay },
  { name: 'model', go: dialog(/./, (page) => command(page, 'about this model')) },
  { name: 'recipe', go: recipe, leave: leaveRecipe },
  { name: 'palette', go: dialog('All commands', press('Control+k')) },
  { name: 'task', go: dialog('What judges the variants?', (page) => command(page, 'choose the task')) },
  { name: 'targets', go: dialog('Targets', (page) => command(page, 'choose targets')) },
  { name: 'gate', go: dialog('The gate', (page) => command(page, 'edit the gate')) },
  { name: 'search', go: dialog('Find the best recipe', press('b')) },
  { name: 'share', go: dialog('Share', (page) => page.getByRole('button', { name: 'Share', exact: true }).click()) },
  { name: 'handover', go: dialog(/^Hand over/, handOver) },
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
    name: 'details-steps',
    minor: true,
    go: async (page) => {
      await page.getByRole('button', { name: 'Measure what each step bought' }).click();
      await page.getByRole('button', { name: 'Measure the steps again' }).waitFor({ timeout: 180_000 });
      await page.getByRole('heading', { name: 'What each step bought' }).scrollIntoViewIfNeeded();
    },
    leave: stay,
  },
  {
    name: 'details-memory',
    minor: true,
    go: async (page) => {
      await page.getByRole('button', { name: 'Show the memory plan' }).click();
      await page.getByRole('button', { name: 'Hide the memory plan' }).scrollIntoViewIfNeeded();
      await page.getByText(/Loading …|Building/).waitFor({ state: 'detached', timeout: 60_000 });
    },
    leave: async (page) => page.getByRole('button', { name: 'Hide the memory plan' }).click(),
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
    name: 'graph-node',
    minor: true,
    go: async (page) => {
      await page.getByLabel('Find nodes, operators, tensors').fill('MatMul');
      await page.keyboard.press('Enter');
      await page.getByRole('complementary', { name: /^(Node|Group) / }).waitFor();
    },
    leave: async (page) => {
      await page.getByRole('button', { name: 'Clear search' }).click();
      await page.getByRole('button', { name: 'Close this panel' }).click();
    },
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
      await page.keyboard.press('7');
      await page.getByRole('button', { name: /^Profile (both|it|again)$/ }).click();
      await page.locator('button:enabled', { hasText: 'Profile again' }).waitFor({ timeout: 120_000 });
    },
    leave: stay,
  },
  {
    name: 'roofline',
    go: async (page) => {
      await page.getByRole('button', { name: 'Roofline', exact: true }).click();
      await page.getByRole('button', { name: 'Measure this device' }).click();
      await page.getByRole('button', { name: 'Measure again' }).waitFor({ timeout: 120_000 });
    },
    leave: stay,
  },
  {
    name: 'present',
    go: async (page) => {
      await page.keyboard.press('p');
      await page.getByRole('navigation', { name: 'Questions' }).waitFor();
    },
    leave: stay,
  },
  ...['present-faster', 'present-lost', 'present-ship'].map(
    (name): Screen => ({ name, minor: true, go: press('ArrowRight'), leave: stay }),
  ),
  {
    name: 'layers-calibration',
    go: async (page) => {
      await page.keyboard.press('Escape');
      await page.getByRole('navigation', { name: 'Questions' }).waitFor({ state: 'detached' });
      await command(page, 'add variant int8 static, calibrated');
      await page.keyboard.press('4');
      await page.getByRole('button', { name: 'Calibration', exact: true }).click();
      await page.getByText('Run it once to see their ranges').waitFor();
      await page.keyboard.press('r');
      await waitForRun(page);
      await page.getByRole('slider', { name: 'Upper end of the range' }).waitFor();
    },
    leave: stay,
  },
];

/** Beside the charts, or a sheet on a phone; with the words on what it does and why. */
async function recipe(page: Page): Promise<void> {
  await page.keyboard.press('1');
  const sheet = page.getByRole('button', { name: 'Recipe', exact: true });
  if (await sheet.isVisible()) await sheet.click();
  const about = page.getByRole('button', { name: /^About / }).first();
  await about.click();
}
async function leaveRecipe(page: Page): Promise<void> {
  await page
    .getByRole('button', { name: /^About / })
    .first()
    .click();
  if (await page.getByRole('dialog', { name: 'Recipe' }).isVisible()) await closed(page);
}

/** Opens a sample as a visitor does, and waits for its figures. */
export async function openSampleAndRun(page: Page, id: string, timeout?: number): Promise<void> {
  await page.locator(`[data-sample="${id}"]`).click();
  await waitForRun(page, timeout);
}

export const leave = (screen: Screen, page: Page): Promise<void> => (screen.leave ?? closed)(page);
