// Static INT8 from end to end in the built app: calibration, quantization, measuring and the file that comes out.
import { readFile } from 'node:fs/promises';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memorySource } from '../../src/core/base/memory-source.ts';
import { createRng } from '../../src/core/base/rng.ts';
import { opName } from '../../src/core/ir/walk.ts';
import { readModel } from '../../src/core/onnx/read.ts';
import { type App, dropFiles, startApp, tableRows, waitForRun } from './support/app.ts';
import { smallClassifier } from './support/models.ts';

let app: App;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

async function probabilities(bytes: Uint8Array): Promise<number[]> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const rng = createRng('static');
  const x = new ort.Tensor(
    'float32',
    Float32Array.from({ length: 8 * 64 }, () => rng.normal()),
    [8, 64],
  );
  const { probabilities } = await session.run({ x });
  return Array.from(probabilities!.data as Float32Array);
}

test('a dropped model is calibrated, quantized, measured and saved', async () => {
  const { page, context, problems } = await app.open();
  try {
    const model = await smallClassifier();
    await dropFiles(page, [{ name: 'classifier.onnx', bytes: model }]);
    await page.getByRole('button', { name: /Variant$/ }).click();
    await page.getByRole('menuitem', { name: /INT8 static, calibrated/ }).click();
    await page.getByRole('button', { name: /^Run all/ }).click();
    await waitForRun(page);
    const row = (await tableRows(page)).find((cells) => cells.join(' ').includes('INT8 static, calibrated'))!;
    expect(row.join(' ')).toMatch(/\d+(\.\d+)? ms/);
    expect(row.join(' ')).not.toMatch(/error|failed/i);

    await page.getByRole('button', { name: 'INT8 static, calibrated', exact: true }).click();
    await page.getByRole('button', { name: 'Download' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('menuitem', { name: /^Model/ }).click(),
    ]);
    const bytes = new Uint8Array(await readFile((await download.path())!));
    expect(bytes.length).toBeLessThan(0.6 * model.length);
    const { graph } = await readModel(memorySource('saved', bytes));
    const count = (name: string) => graph.nodes.filter((node) => opName(node) === name).length;
    expect(count('QuantizeLinear')).toBe(2);
    const [reference, actual] = [await probabilities(model), await probabilities(bytes)];
    expect(Math.max(...reference.map((value, i) => Math.abs(value - actual[i]!)))).toBeLessThan(0.05);
    expect(actual).not.toEqual(reference);
    expect(problems).toEqual([]);
  } finally {
    await context.close();
  }
});
