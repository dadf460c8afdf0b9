// `whittle waterfall`, as the built command line tool prints it.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LedgerStep } from '../../../src/core/study/results.ts';
import type { StepLatency } from '../../../src/core/study/step-latency.ts';
import { smallClassifier } from '../../browser/support/models.ts';

const tool = join(fileURLToPath(new URL('../../..', import.meta.url)), 'dist-node/whittle.js');
let folder: string;

beforeAll(async () => {
  if (!existsSync(tool)) throw new Error('dist-node/whittle.js is missing: run `npm run build:node` first.');
  folder = mkdtempSync(join(tmpdir(), 'whittle-test-'));
  writeFileSync(join(folder, 'small.onnx'), await smallClassifier());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const whittle = async (...args: string[]) =>
  (await promisify(execFile)(process.execPath, [tool, ...args], { cwd: folder })).stdout;

test('shows every step cumulated and alone, beside the ledger, and writes all of it as JSON', async () => {
  const text = await whittle('waterfall', 'small.onnx', '--preset', 'int8-dynamic', '--runs', '5', '--json', 'w.json');
  expect(text).toMatch(/Step +Changes +Nodes +File +MACs/);
  expect(text).toMatch(/^INT8 dynamic, per channel on \w+: onnxruntime-\w+ [\d.]+, \d+ threads?$/m);
  expect(text).toMatch(/^ {2}Original +[\d.]+ ms \([\d.]+ ms to [\d.]+ ms\), n 5$/m);
  expect(text).toMatch(/All steps: [+-][\d.]+ ms/);
  expect(text).toContain('depends on the steps before it');
  const { files, steps, total, ledger } = JSON.parse(readFileSync(join(folder, 'w.json'), 'utf8')) as StepLatency & {
    ledger: LedgerStep[];
  };
  expect(steps.map(({ step }) => step).sort()).toEqual(
    ledger
      .filter(({ fired }) => fired > 0)
      .map(({ step }) => step)
      .sort(),
  );
  for (const { title, cumulated } of steps) {
    expect(text).toContain(`+ ${title}`);
    expect(files[cumulated.file]!.latency!.samplesMs).toHaveLength(5);
  }
  expect(total!.file).toBe(steps.at(-1)!.cumulated.file);
});

test('a recipe of no steps is only the original', async () => {
  expect(await whittle('waterfall', 'small.onnx', '--preset', 'original', '--runs', '3')).toContain(
    'No step changed anything.',
  );
});

test.each([
  [['small.onnx'], 'give one of --recipe, --preset and --link.'],
  [['--preset', 'fp16'], 'waterfall takes one model'],
  [['small.onnx', '--preset', 'fp16', '--runs', '1'], '--runs must be a whole number from 3'],
])('refuses %j', async (args, message) => {
  await expect(whittle('waterfall', ...args)).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(message),
  });
});
