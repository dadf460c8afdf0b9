// The graph view of the built page: what it shows, and how one gets about in it.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attrInt } from '../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../src/core/ir/build.ts';
import { tensorFromNumbers } from '../../src/core/ir/tensor.ts';
import { modelToBytes } from '../../src/core/onnx/write.ts';
import { transformer } from '../unit/core/graph-view/support.ts';
import { expectAccessible } from './support/accessible.ts';
import { type App, startApp } from './support/app.ts';
import { listCount, onGraph, panel, press, said } from './support/graph.ts';

let app: App;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

async function find(page: Page, text: string): Promise<void> {
  const field = page.getByRole('combobox', { name: 'Find nodes, operators, tensors' });
  await field.fill(text);
  await page.getByRole('listbox', { name: 'Matches' }).getByRole('option').first().waitFor();
  await field.press('Enter');
  await field.press('Escape');
}

/** What the overview says is in sight, in its pixels; null where all is, and there is no overview. */
const viewFrame = (page: Page) =>
  page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const overview = document.querySelectorAll<HTMLCanvasElement>('[role=application] canvas')[1];
    if (!overview) return null;
    const probe = document.createElement('canvas').getContext('2d')!;
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
    probe.fillRect(0, 0, 1, 1);
    const accent = probe.getImageData(0, 0, 1, 1).data;
    const { data } = overview.getContext('2d')!.getImageData(0, 0, overview.width, overview.height);
    const columns: number[] = [];
    const rows: number[] = [];
    for (let at = 0; at < data.length; at += 4)
      if ([0, 1, 2].every((part) => Math.abs(data[at + part]! - accent[part]!) < 24)) {
        columns.push((at / 4) % overview.width);
        rows.push(Math.floor(at / 4 / overview.width));
      }
    const [left, top] = [Math.min(...columns), Math.min(...rows)];
    return { left, top, width: Math.max(...columns) - left, height: Math.max(...rows) - top };
  });

/** Share of the picture that is not of its background's colour. */
const inkShare = (page: Page) =>
  page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('[role=application] canvas')!;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(data.buffer);
    const counts = new Map<number, number>();
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
    return 1 - Math.max(...counts.values()) / pixels.length;
  });

describe('a transformer', () => {
  test('equal layers are one box; it opens and closes by keys, and what is selected is told in words', async () => {
    await onGraph(app, await modelToBytes(transformer({ layers: 32, named: true })), {}, async ({ page, canvas }) => {
      await canvas.focus();
      await press(page, 'ArrowDown');
      expect(await said(page)).toMatch(/^Input ids\./);
      await find(page, 'Gather');
      await canvas.focus();
      await press(page, 'ArrowDown');
      expect(await said(page)).toMatch(/^32 equal blocks layers\.0 to 31, 480 nodes: MatMul ×224.*Closed\.$/);
      const repeat = panel(page, 'Group layers.0 to 31');
      expect(await repeat.textContent()).toContain('32 of 15 nodes each');
      const before = await inkShare(page);

      await press(page, 'Enter');
      await repeat.getByRole('button', { name: 'Close the group' }).waitFor();
      await expect.poll(() => inkShare(page)).toBeGreaterThan(before + 0.02);
      // Down into the group, into its first layer, and on along the edges.
      await press(page, 'ArrowDown');
      expect(await said(page)).toMatch(/^Group layers\.0, 15 nodes.*Open\.$/);
      await press(page, 'ArrowDown');
      expect(await said(page)).toMatch(/^LayerNormalization .*In layers\.0 to 31 \/ layers\.0\.$/);
      await press(page, 'ArrowUp');
      expect(await said(page)).toMatch(/^Gather /);
      await press(page, 'Escape');
      expect(await page.getByRole('complementary', { name: /^(Node|Group)/ }).count()).toBe(0);

      await page.getByRole('button', { name: 'Close all groups' }).click();
      await expect.poll(() => inkShare(page)).toBeLessThan(before + 0.02);
    });
  });

  test('search finds by name, operator and weight, steps through what it found, and brings it into sight', async () => {
    await onGraph(app, await modelToBytes(transformer({ layers: 8, named: true })), {}, async ({ page, canvas }) => {
      await canvas.focus();
      await page.keyboard.press('/');
      const field = page.getByRole('combobox', { name: 'Find nodes, operators, tensors' });
      await expect.poll(() => field.evaluate((element) => element === document.activeElement)).toBe(true);
      await field.fill('softmax');
      await page.getByText('8 found').waitFor();
      expect(await page.getByRole('listbox', { name: 'Matches' }).getByRole('option').count()).toBe(8);
      expect(await listCount(page)).toContain('8 of 126 nodes');
      await press(page, 'Enter', 'Enter');
      await page.getByText('2 of 8').waitFor();
      const found = panel(page, /^Node \/model\/layers\.1\/attn\/Softmax/);
      await found.waitFor();
      expect(await found.textContent()).toContain('in layers.0 to 7 / layers.1 / attn');
      // The button of the panel leads along the edge.
      await found.getByRole('button', { name: 'MatMul' }).click();
      await panel(page, /^Node \/model\/layers\.1\/attn\/MatMul/).waitFor();
      await field.fill('w3');
      await page.getByText(/^weight w3$/).waitFor();
    });
  });

  test('the panel shows a weight: statistics as they are, a histogram, values by the page', async () => {
    const weight = Array.from({ length: 600 }, (_, index) => (index % 4 === 0 ? 0 : (index - 300) / 100));
    const graph = makeGraph({
      nodes: [
        makeNode({
          opType: 'Gemm',
          name: 'dense',
          inputs: ['x', 'w'],
          outputs: ['y'],
          attributes: { transB: attrInt(1) },
        }),
      ],
      inputs: [valueInfo('x', 'float32', ['batch', 20])],
      outputs: [valueInfo('y', 'float32', ['batch', 30])],
      initializers: [tensorFromNumbers('w', 'float32', [30, 20], weight)],
    });
    await onGraph(app, await modelToBytes(makeModel({ graph, opset: 17 })), {}, async ({ page, canvas }) => {
      await canvas.focus();
      await press(page, 'ArrowDown', 'ArrowDown');
      const node = panel(page, 'Node dense');
      await node.getByText('transB').waitFor();
      const text = async () => (await node.textContent())!;
      expect(await text()).toContain('float32[batch, 30]');
      await node.locator('summary', { hasText: 'w' }).click();
      await node.getByRole('img', { name: /^Histogram of 48 bins from -2\.99 to 2\.99/ }).waitFor();
      const known = weight.map(Math.fround);
      const mean = known.reduce((a, b) => a + b) / 600;
      const deviation = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 600);
      for (const part of [
        'Elements600',
        'Zeros150 (25',
        'NaN0',
        `Mean${Number(mean.toPrecision(5))}`,
        `Standard deviation${Number(deviation.toPrecision(5))}`,
      ])
        expect(await text()).toContain(part);
      const values = node.getByRole('region', { name: 'Values of w' });
      await expect.poll(() => values.textContent()).toMatch(/^0 {2}-2\.99 {2}-2\.98 {2}-2\.97 {2}0 {2}/);
      await node.getByRole('button', { name: 'Last' }).click();
      await node.getByText('Values 577 to 600 of 600, from [28, 16]').waitFor();
      await expect.poll(() => values.textContent()).toMatch(/2\.99$/);
      await page.keyboard.press('Tab');
      await expectAccessible(page, 'node panel');
    });
  });

  test('a node’s colour is told by the legend, the panel and the list; the list selects what it names', async () => {
    await onGraph(app, await modelToBytes(transformer({ layers: 2, named: true })), {}, async ({ page }) => {
      await page.getByLabel('Colour by').selectOption({ label: 'Bytes of weights' });
      await page.getByText('Bytes of weights:').waitFor();
      expect(await page.locator('[class*=legend]').first().textContent()).toMatch(/16\s?B.*256\s?B/);
      await page.locator('summary', { hasText: 'List of nodes' }).click();
      const table = page.getByRole('table', { name: /^All \d+ nodes/ });
      expect(await table.locator('thead th').allTextContents()).toContain('Bytes of weights');
      await page.getByRole('combobox', { name: 'Find nodes, operators, tensors' }).fill('layers.1/mlp/MatMul');
      const row = page.getByRole('row', { name: /layers\.1\/mlp\/MatMul/ }).first();
      await row.getByRole('button').click();
      const node = panel(page, /^Node \/model\/layers\.1\/mlp\/MatMul/);
      await node.waitFor();
      expect(await node.textContent()).toMatch(/Bytes of weights128\s?B/);
      expect(await row.getAttribute('data-selected')).toBe('true');
      await expectAccessible(page, 'list and legend');
    });
  });
});

test('keys, the wheel and the overview move the view', async () => {
  const OPS = ['Abs', 'Exp', 'Neg', 'Tanh', 'Relu', 'Sqrt', 'Floor'];
  const branch = (at: number) =>
    OPS.map((opType, step) =>
      makeNode({
        opType,
        name: `${opType}${at}`,
        inputs: [step === 0 ? 'x' : `${at} ${step}`],
        outputs: [`${at} ${step + 1}`],
      }),
    );
  const branches = Array.from({ length: 8 }, (_, at) => branch(at));
  const graph = makeGraph({
    nodes: branches.flat(),
    inputs: [valueInfo('x', 'float32', [4])],
    outputs: branches.map((nodes) => valueInfo(nodes.at(-1)!.outputs[0]!, 'float32', [4])),
  });
  await onGraph(app, await modelToBytes(makeModel({ graph, opset: 17 })), {}, async ({ page, canvas }) => {
    await canvas.focus();
    await press(page, '0');
    expect(await viewFrame(page)).toBeNull();
    await press(page, '+', '+', '+', '+');
    const before = (await viewFrame(page))!;
    const expectFrame = async (expected: Partial<NonNullable<typeof before>>) => {
      const frame = (await viewFrame(page))!;
      // Lines between pixels are a pixel wider or narrower.
      for (const [part, value] of Object.entries(expected))
        expect(Math.abs(frame[part as keyof typeof frame] - value), part).toBeLessThanOrEqual(2);
    };
    const { width, height, left, top } = before;
    await press(page, '+');
    await expectFrame({ width: width / 1.3, height: height / 1.3 });
    await press(page, '-');
    await expectFrame(before);

    // By a third of the height, in either direction.
    const size = (await canvas.boundingBox())!;
    await press(page, 'Shift+ArrowDown');
    await expectFrame({ ...before, top: top + height / 3 });
    await press(page, 'Shift+ArrowRight');
    const right = left + (width * size.height) / 3 / size.width;
    await expectFrame({ ...before, left: right, top: top + height / 3 });
    await press(page, 'Shift+ArrowUp');
    await expectFrame({ ...before, left: right });
    await press(page, 'Shift+ArrowLeft');
    await expectFrame(before);
    expect(await page.getByRole('complementary', { name: /^(Node|Group)/ }).count()).toBe(0);

    await page.mouse.move(size.x + size.width / 2, size.y + size.height / 2);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -120);
    await page.keyboard.up('Control');
    const factor = Math.exp(120 * 0.0022);
    await expectFrame({ width: width / factor, height: height / factor });

    await canvas
      .locator('canvas')
      .nth(1)
      .click({ position: { x: 30, y: 90 } });
    await expectFrame({ left: 30 - width / factor / 2, top: 90 - height / factor / 2 });
    expect(await page.getByRole('complementary', { name: /^(Node|Group)/ }).count()).toBe(0);
    await canvas.focus();
    await press(page, '0');
    expect(await viewFrame(page)).toBeNull();
  });
});

test('graphs inside nodes are entered, and the breadcrumb leads back to the node', async () => {
  const branch = (opType: string) =>
    makeGraph({
      nodes: [makeNode({ opType, name: `${opType} inside`, inputs: ['x', 'w'], outputs: [`${opType} y`] })],
      outputs: [valueInfo(`${opType} y`, 'float32', [4])],
    });
  const graph = makeGraph({
    nodes: [
      makeNode({
        opType: 'If',
        name: 'choice',
        inputs: ['flag'],
        outputs: ['y'],
        attributes: {
          then_branch: { type: 'graph', value: branch('Add') },
          else_branch: { type: 'graph', value: branch('Mul') },
        },
      }),
    ],
    inputs: [valueInfo('flag', 'bool', []), valueInfo('x', 'float32', [4])],
    outputs: [valueInfo('y', 'float32', [4])],
    initializers: [tensorFromNumbers('w', 'float32', [4], [1, 2, 3, 4])],
  });
  const bytes = await modelToBytes(makeModel({ graph, opset: 17 }));
  await onGraph(app, bytes, { width: 390, height: 844, dark: true }, async ({ page, canvas }) => {
    await canvas.focus();
    await press(page, 'ArrowDown', 'ArrowDown');
    expect(await said(page)).toMatch(/^If choice\..*Holds then_branch, else_branch: Enter goes in\./);
    await expectAccessible(page, 'dark, 390 px');
    await panel(page, 'Node choice')
      .getByRole('button', { name: /^Enter else_branch/ })
      .click();
    const way = page.getByRole('navigation', { name: 'Graph inside graphs' });
    await way.getByText('else_branch of choice').waitFor();
    await page.getByRole('application', { name: /else_branch of choice: 3 nodes/ }).waitFor();
    // One walks about in there as outside.
    await canvas.focus();
    await press(page, 'ArrowDown', 'ArrowDown');
    await panel(page, 'Node Mul inside').waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await way.getByRole('button', { name: 'graph' }).click();
    await panel(page, 'Node choice').waitFor();
    await page.getByRole('combobox', { name: 'Find nodes, operators, tensors' }).fill('mul inside');
    await page.keyboard.press('Enter');
    await panel(page, 'Node Mul inside').waitFor();
  });
});

test('a sample: another variant’s graph shows what its steps made, and keeps what is selected; fusions without own operators', async () => {
  const { page, context, problems } = await app.open({ height: 900 });
  try {
    await page.getByRole('button', { name: /^Fashion ViT/ }).click();
    await page.locator('article[data-variant] button[aria-pressed]').first().click({ timeout: 60_000 });
    // What the sample runs by itself is not waited for here.
    await press(page, 'Escape', 'g');
    await page.getByRole('application', { name: /^Graph of Original/ }).waitFor();
    await find(page, 'blocks.1/fc1/MatMul');
    const node = panel(page, 'Node /blocks/blocks.1/fc1/MatMul');
    await node.waitFor();
    expect(await node.textContent()).toContain('in blocks.0 to 5 / blocks.1');
    await page.getByLabel('Graph of', { exact: true }).selectOption({ label: 'C INT4 RTN' });
    await page.getByRole('application', { name: /^Graph of INT4 RTN/ }).waitFor({ timeout: 60_000 });
    const changed = page.getByRole('complementary', { name: /^Node .*blocks\.1\/fc1/ });
    await expect.poll(() => changed.locator('h3').textContent(), { timeout: 30_000 }).toContain('MatMulNBits');
    await expect.poll(() => changed.textContent(), { timeout: 30_000 }).toMatch(/bits4.*Made by.*blocks/);
    await page.getByLabel('Colour by').selectOption({ label: 'Storage of weights' });
    await page.getByText(/^4 bits, blocks of 32 \(/).waitFor();

    // Which operators fusions may make is one choice; the graph is built anew with each.
    await page.getByLabel('Graph of', { exact: true }).selectOption({ label: 'A Simplify only' });
    await page.getByRole('application', { name: /^Graph of Simplify only/ }).waitFor({ timeout: 60_000 });
    const recipe = page.getByRole('region', { name: 'Recipe' });
    await recipe.locator('summary', { hasText: 'Fusion' }).click();
    const operators = recipe.getByLabel('Operators of all fusions');
    const field = page.getByRole('combobox', { name: 'Find nodes, operators, tensors' });
    const counted = async () =>
      /\((\d+) of (\d+) nodes/
        .exec((await listCount(page))!)!
        .slice(1)
        .map(Number);
    expect(await operators.inputValue()).toBe('onnxruntime');
    await field.fill('com.microsoft');
    await expect.poll(async () => (await counted())[0]).toBeGreaterThan(0);
    const [, fused] = await counted();
    await operators.selectOption({ label: 'standard only' });
    await expect.poll(async () => (await counted())[0], { timeout: 30_000 }).toBe(0);
    const [, standard] = await counted();
    expect(standard).toBeGreaterThan(fused!);
    // The model is of an older opset, which has no Gelu: each of the six blocks gets one by raising it.
    await field.fill('Gelu');
    await page.getByText('Nothing found').waitFor();
    await operators.selectOption({ label: 'standard only, opset 20' });
    await page.getByText('6 found').waitFor();
    expect((await counted())[1]).toBeLessThan(standard!);
    // One step's own choice, undone; and back.
    await recipe.getByLabel('Operators', { exact: true }).first().selectOption('any');
    expect(await operators.locator('option:checked').textContent()).toBe('by each step');
    await recipe.getByRole('heading').click();
    await page.keyboard.press('Control+z');
    expect(await operators.inputValue()).toBe('portable-20');
    await operators.selectOption({ label: 'ONNX Runtime’s own too' });
    await field.fill('com.microsoft');
    await expect.poll(counted, { timeout: 30_000 }).toEqual([expect.any(Number), fused]);
    expect(problems).toEqual([]);
  } finally {
    await context.close();
  }
});
