// A link with the sender's figures, from the Share dialog of one profile to the measurements of another.
import { readFileSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import jsQR from 'jsqr';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from '../../src/core/base/base64url.ts';
import { describeDevice } from '../../src/core/study/device.ts';
import { decodeLink, encodeStudy } from '../../src/core/study/link.ts';
import { reportSchema } from '../../src/core/study/results.ts';
import type { SharedFigures } from '../../src/core/study/shared-figures.ts';
import { expectAccessible } from './support/accessible.ts';
import { type App, type AppPage, dropFiles, startApp, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';

const WIDTH = 64;
let app: App;
let model: Uint8Array;
/** What the first test copies: the others open it. */
let shared: string;

beforeAll(async () => {
  app = await startApp();
  model = await smallClassifier(WIDTH);
});
afterAll(() => app.close());

async function onPage(options: Parameters<App['open']>[0], body: (opened: AppPage) => Promise<void>, from = app) {
  const opened = await from.open(options);
  try {
    await body(opened);
    expect(opened.problems.filter((problem) => !problem.includes('CORS') && !problem.includes('net::'))).toEqual([]);
  } finally {
    await opened.context.close();
  }
}

const openModel = async (page: Page, bytes = model) => {
  await dropFiles(page, [{ name: 'classifier.onnx', bytes }]);
  await page.locator('article[data-variant]').nth(1).waitFor();
};
const fragmentOf = (link: string) => link.slice(link.indexOf('#'));
const share = (page: Page) => page.getByRole('button', { name: 'Share', exact: true });
const linkField = (page: Page) => page.getByRole('textbox', { name: /^Link,/ });
const senderBar = (page: Page) => page.getByRole('region', { name: 'Sender’s figures' }).first();
const senderRows = (page: Page) => page.locator('tr[data-sender]');
const ownRows = (page: Page) => page.locator('[aria-label="Comparison table"] tbody tr:not([data-sender])');
const texts = async (rows: Locator) => (await rows.allTextContents()).map((text) => text.replace(/\s+/g, ' ').trim());

/** What the code on the screen says, by a decoder that is not ours, from the pixels of a screenshot. */
async function scan(page: Page, code: Locator): Promise<string | undefined> {
  const png = (await code.screenshot()).toString('base64');
  const blank = await page.context().newPage();
  const { width, height, pixels } = await blank.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    return { width: bitmap.width, height: bitmap.height, pixels: [...data] };
  }, png);
  await blank.close();
  return jsQR(Uint8ClampedArray.from(pixels), width, height)?.data;
}

test('share: the link, its length, the figures in it, and a QR code that says the same', async () => {
  await onPage({ height: 900 }, async ({ page }) => {
    await openModel(page);
    await share(page).click();
    const dialog = page.getByRole('dialog', { name: 'Share' });
    const withFigures = dialog.getByRole('checkbox', { name: 'With my figures' });
    await withFigures.waitFor();
    expect(await withFigures.isDisabled()).toBe(true);
    await dialog.getByText('Nothing is measured with the present settings.').waitFor();
    await dialog.getByText(/asked for classifier\.onnx/).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });

    await page.getByRole('button', { name: 'Run all' }).click();
    await waitForRun(page);
    await share(page).click();
    expect(await withFigures.isChecked()).toBe(true);
    await dialog.getByText(/4 variants measured on Chrome \d+ on Linux, \d+ logical cores/).waitFor();
    const full = await linkField(page).inputValue();
    await dialog.getByText(`Link, ${full.length.toLocaleString('en-US')} characters`).waitFor();
    expect(full.length).toBeLessThan(2000);
    expect(await scan(page, dialog.getByRole('img', { name: 'QR code of the link' }))).toBe(full);

    await withFigures.uncheck();
    const bare = await linkField(page).inputValue();
    expect(bare.length).toBeLessThan(full.length);
    expect(await scan(page, dialog.getByRole('img', { name: 'QR code of the link' }))).toBe(bare);
    const contents = decodeLink(fragmentOf(bare));
    expect(contents.ok && contents.value.figures).toBeNull();
    await withFigures.check();
    await dialog.getByRole('button', { name: 'Copy', exact: true }).click();
    await page.getByText(/Link copied.* and your figures/).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(full);
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await expectAccessible(page, `share dialog, ${scheme}`);
    }

    await page.keyboard.press('Escape');
    await page.evaluate(() => navigator.clipboard.writeText(''));
    await page.keyboard.press('Control+Shift+L');
    await page.waitForFunction(async () => (await navigator.clipboard.readText()) !== '');
    shared = await page.evaluate(() => navigator.clipboard.readText());
    expect(shared).toBe(full);
  });
});

test('opened cold: the sender’s figures first, then both beside each other, over a reload, until dismissed', async () => {
  const sent = decodeLink(fragmentOf(shared));
  if (!sent.ok) throw sent.error;
  const { figures } = sent.value;
  await onPage({ fragment: fragmentOf(shared), height: 900 }, async ({ page }) => {
    await page
      .getByText(/classifier\.onnx/)
      .first()
      .waitFor();
    await openModel(page);
    await senderBar(page).waitFor();
    const bar = (await senderBar(page).textContent())!;
    expect(bar).toContain(figures!.device);
    expect(bar).toContain('not measured yet');
    // Nothing was measured here: no figures, no verdicts, but theirs.
    expect(await senderRows(page).count()).toBe(4);
    for (const row of await texts(senderRows(page))) {
      expect(row).toMatch(/^Sender’s .*on Chrome \d+ on Linux/);
      expect(row).toMatch(/\d[\d.]* ms/);
    }
    for (const row of await texts(ownRows(page))) expect(row).not.toMatch(/ ms|Pass|Fail|Too few| kB| MB/);
    expect(await page.locator('[data-verdict]').count()).toBe(0);
    const cards = page.locator('article[data-variant]');
    for (const card of await texts(cards)) {
      expect(card).toContain('Not run here yet');
      expect(card).toMatch(/Sender’s \d/);
    }
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await expectAccessible(page, `sender's figures, ${scheme}`);
    }

    await page.getByRole('button', { name: 'Measure here' }).click();
    await waitForRun(page);
    const theirs = await texts(senderRows(page));
    expect(theirs).toHaveLength(4);
    for (const row of theirs) expect(row).toMatch(/same here.*here [−+±]/);
    for (const row of await texts(ownRows(page))) expect(row).toMatch(/\d[\d.]* ms/);
    expect(await page.locator('[data-verdict]').count()).toBeGreaterThan(0);
    expect(await page.getByRole('button', { name: 'Measure here' }).count()).toBe(0);
    // The sender's are still the sender's.
    const [first] = figures!.variants;
    expect(theirs[0]).toContain(`${first!.measurements[0]!.latency!.runs} runs`);
    await expectAccessible(page, 'both beside each other');
    await expectInReports(page, figures!);

    await page.waitForTimeout(800);
    await page.reload();
    await senderBar(page).waitFor();
    expect(await texts(senderRows(page))).toEqual(theirs);
    await senderBar(page).getByRole('button', { name: 'Dismiss' }).click();
    await page.waitForFunction(() => !document.querySelector('tr[data-sender]'));
    await page.getByRole('button', { name: 'Undo' }).click();
    await senderBar(page).waitFor();
    await senderBar(page).getByRole('button', { name: 'Dismiss' }).click();
    await page.waitForFunction(() => !document.querySelector('tr[data-sender]'));
    await page.waitForTimeout(800);
    await page.reload();
    await page.locator('article[data-variant]').nth(1).waitFor();
    expect(await senderRows(page).count()).toBe(0);
  });
});

/** Every form of the report has both devices' figures, each under whose they are. */
async function expectInReports(page: Page, figures: SharedFigures): Promise<void> {
  const save = async (entry: RegExp) => {
    await page.getByRole('button', { name: 'Download', exact: true }).click();
    const saved = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: entry }).click();
    return readFileSync(await (await saved).path(), 'utf8');
  };
  const report = reportSchema.parse(JSON.parse(await save(/^JSON/)));
  expect(report.sender).toMatchObject({ device: figures.device, runtime: figures.runtime });
  const sent = report.sender!.variants.map((variant) => variant!.measurements[0]!.latency!.medianMs);
  expect(sent).toEqual(figures.variants.map((variant) => variant!.measurements[0]!.latency!.medianMs));
  const here = describeDevice(report.environment);
  const markdown = (await save(/^Markdown/)).replaceAll('\\', '');
  expect(markdown).toContain(`measured on ${figures.device} (${figures.runtime}, ${figures.measuredOn})`);
  expect(markdown).toContain(`All other figures were measured on ${here}.`);
  expect(markdown.match(/^\| Sender’s .*\sms \|/gm)).toHaveLength(4);
  const rows = (await save(/^CSV/)).trim().split('\r\n').slice(1);
  expect(rows.filter((row) => row.includes(`here,"${here}"`))).toHaveLength(4);
  expect(rows.filter((row) => row.includes(`sender,"${figures.device}"`))).toHaveLength(4);
  const reader = await page.context().newPage();
  await reader.route('https://report.test/', async (route) => route.fulfill({ contentType: 'text/html', body: html }));
  const html = await save(/^Web page/);
  await reader.goto('https://report.test/');
  expect(await reader.locator('tr.sender').count()).toBe(4);
  for (const row of await texts(reader.locator('tr.sender'))) expect(row).toMatch(/^Sender’s .* ms/);
  for (const device of [figures.device, here]) await reader.getByText(device).first().waitFor();
  for (const scheme of ['light', 'dark'] as const) {
    await reader.emulateMedia({ colorScheme: scheme });
    await expectAccessible(reader, `HTML report, ${scheme}`);
  }
  const pdf = (await reader.pdf({ preferCSSPageSize: true })).toString('latin1');
  expect(pdf.match(/\/Type\s*\/Page[^s]/g)!.length).toBeLessThanOrEqual(2);
  await shot(reader, 'report');
  await reader.close();
}

/** For a look by eye: only where a folder is asked for. */
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.WHITTLE_SHOTS;
  if (folder) await page.screenshot({ path: `${folder}/links-${name}.png`, fullPage: true });
}

test('another file than the link’s: its recipes apply, the sender’s figures do not, and it is said', async () => {
  await onPage({ fragment: fragmentOf(shared) }, async ({ page }) => {
    await openModel(page, await smallClassifier(WIDTH * 2));
    await page.getByText(/This is not the model that the link was made with: classifier\.onnx has/).waitFor();
    await page.getByText(/The sender’s figures are left out/).waitFor();
    expect(await senderRows(page).count()).toBe(0);
  });
});

test('eight variants, gate, targets, task and view: a link of less than 2,000 characters, which brings all of them', async () => {
  const chip = (page: Page, name: RegExp) => page.getByRole('banner').getByRole('button', { name });
  const cards = (page: Page) => page.locator('article[data-variant] button[aria-pressed]');
  const linkOf = async (page: Page) => {
    await share(page).click();
    const link = await linkField(page).inputValue();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Share' }).waitFor({ state: 'detached' });
    return link;
  };
  let link = '';
  let names: string[] = [];
  await onPage({ height: 900 }, async ({ page }) => {
    const closed = async () => {
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    };
    await page.getByRole('button', { name: /Text direction/ }).click();
    await cards(page).nth(1).waitFor();
    // Nothing needs to be measured for this.
    await page.getByRole('button', { name: 'Cancel' }).click();
    for (let preset = 0; (await cards(page).count()) < 8; preset += 1) {
      const before = await cards(page).count();
      await page.getByRole('button', { name: /Variant$/ }).click();
      await page.getByRole('menuitem').nth(preset).click();
      await expect.poll(() => cards(page).count()).toBe(before + 1);
    }
    await chip(page, /^Gate:/).click();
    await page.getByLabel('At most this much worse').fill('5');
    await page.getByLabel('Confidence').selectOption('0.9');
    await closed();
    await chip(page, /^On:/).click();
    await page.getByLabel('Threads').selectOption('1');
    await page.getByRole('checkbox', { name: /^WebGPU/ }).check();
    await closed();
    await chip(page, /^Task:/).click();
    await page.getByLabel(/^Samples to evaluate/).fill('24');
    await closed();
    await page.keyboard.press('2');
    names = await cards(page).allTextContents();
    link = await linkOf(page);
    expect(link.length).toBeLessThan(2000);
    console.log(`a link of 8 variants has ${link.length} characters`);
  });
  await onPage({ fragment: fragmentOf(link), height: 900 }, async ({ page }) => {
    await cards(page).nth(7).waitFor();
    expect(await cards(page).allTextContents()).toEqual(names);
    expect(await chip(page, /^Gate:/).textContent()).toBe('Gate: at most 5\u202f% worse');
    expect(await chip(page, /^On:/).textContent()).toBe('On: WASM, 1 thread, WebGPU');
    expect(await chip(page, /^Task:/).textContent()).toMatch(/, 24 samples$/);
    await page.getByRole('button', { name: 'Pareto', exact: true, pressed: true }).waitFor();
    await chip(page, /^Gate:/).click();
    expect(await page.getByLabel('Confidence').inputValue()).toBe('0.9');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    // What has no place on this screen, as the steps of every recipe, is the same too.
    expect(await linkOf(page)).toBe(link);
  });
});

describe('links that are not as they should be', () => {
  const study = () => {
    const sent = decodeLink(fragmentOf(shared));
    if (!sent.ok) throw sent.error;
    return sent.value;
  };
  test('markup in the sender’s words is text', async () => {
    const { study: of, figures } = study();
    const device = '<img src=x onerror="document.title=1"> "&amp;';
    const fragment = `#${encodeStudy(of, { ...figures!, device })}`;
    await onPage({ fragment }, async ({ page }) => {
      await openModel(page);
      await senderBar(page).getByText(device).waitFor();
      expect(await page.title()).not.toBe('1');
    });
  });
  test('too long for a QR code: said, and the link is there', async () => {
    const { study: of } = study();
    let noise = 7;
    const longName = () =>
      Array.from({ length: 118 }, () => {
        noise = (noise * 48_271) % 2_147_483_647;
        return String.fromCodePoint(0x4e00 + (noise % 20_000));
      }).join('');
    const variants = Array.from({ length: 8 }, (_, index) => ({ ...of.variants[index % 4]!, name: longName() }));
    const fragment = `#${encodeStudy({ ...of, variants })}`;
    expect(fragment.length).toBeGreaterThan(2953);
    await onPage({ fragment }, async ({ page }) => {
      await openModel(page);
      await share(page).click();
      await page.getByText(/This link is too long for a QR code: it has 3,\d{3} characters/).waitFor();
      await page.getByRole('button', { name: 'Copy', exact: true }).click();
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      expect(fragmentOf(copied)).toBe(fragment);
    });
  });
  test('a bomb: stopped at the limit, said, and the page works', async () => {
    const bomb = `#w1.${toBase64Url(deflateRawSync(Buffer.alloc(40_000_000, 32)))}`;
    await onPage({ fragment: bomb }, async ({ page }) => {
      await page.getByText(/The link holds 1\d{6} bytes; the limit is 1000000\./).waitFor();
      await openModel(page);
    });
  });
  test('figures that are none: said by the field, and the study is there without them', async () => {
    const { study: of } = study();
    const packed = fromBase64Url(fragmentOf(shared).slice('#w1.'.length))!;
    const contents = JSON.parse(inflateRawSync(packed).toString());
    contents.f.d = 'x'.repeat(1000);
    await onPage({ fragment: `#w1.${toBase64Url(deflateRawSync(JSON.stringify(contents)))}` }, async ({ page }) => {
      await page.getByText(/The sender’s figures in the link cannot be read \(device: /).waitFor();
      await openModel(page);
      expect(await page.locator('article[data-variant]').count()).toBe(of.variants.length);
      expect(await senderRows(page).count()).toBe(0);
      await page.getByRole('button', { name: 'Run all' }).waitFor();
    });
  });
  test('from the future: refused by name, and the page works', async () => {
    await onPage({ fragment: '#w7.abc' }, async ({ page }) => {
      await page.getByText('The link has format version 7').waitFor();
      await openModel(page);
    });
  });
});

test('one build runs under any path: the same link opens there and is measured', async () => {
  const deep = await startApp({ base: '/some/deep/path/' });
  try {
    expect(new URL(deep.url).pathname).toBe('/some/deep/path/');
    const beside: string[] = [];
    await onPage(
      {},
      async ({ page, context }) => {
        context.on('request', (request) => {
          const { protocol, pathname } = new URL(request.url());
          if (protocol === 'http:' && !pathname.startsWith('/some/deep/path/')) beside.push(pathname);
        });
        await page.goto(`${deep.url}${fragmentOf(shared)}`);
        await openModel(page);
        await senderBar(page).waitFor();
        await page.getByRole('button', { name: 'Measure here' }).click();
        await waitForRun(page);
        expect(await senderRows(page).count()).toBe(4);
        for (const row of await texts(ownRows(page))) expect(row).toMatch(/\d[\d.]* ms/);
        await share(page).click();
        const link = await linkField(page).inputValue();
        expect(link.startsWith(`${deep.url}#w1.`)).toBe(true);
      },
      deep,
    );
    expect(beside).toEqual([]);
  } finally {
    await deep.close();
  }
});
