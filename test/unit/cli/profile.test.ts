// `whittle profile` and `whittle roofline`, as the built command line tool prints them.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ceilings } from '../../../src/core/profile/ceilings.ts';
import type { Roofline } from '../../../src/core/profile/roofline.ts';
import type { ProfileRun } from '../../../src/core/study/profile-run.ts';
import { smallClassifier } from '../../browser/support/models.ts';

const tool = join(fileURLToPath(new URL('../../..', import.meta.url)), 'dist-node/whittle.js');
let folder: string;

beforeAll(async () => {
  if (!existsSync(tool)) throw new Error('dist-node/whittle.js is missing: run `npm run build:node` first.');
  folder = mkdtempSync(join(tmpdir(), 'whittle-test-'));
  writeFileSync(join(folder, 'small.onnx'), await smallClassifier());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const whittle = async (...args: string[]) => {
  const { stdout } = await promisify(execFile)(process.execPath, [tool, ...args], { cwd: folder });
  return stdout;
};

describe('whittle profile', () => {
  test('shows the original beside a variant, by operator and by node, and writes all of it as JSON', async () => {
    const text = await whittle('profile', 'small.onnx', '--preset', 'int8-dynamic', '--runs', '5', '--json', 'p.json');
    expect(text).toMatch(/^Original: onnxruntime-\w+ [\d.]+, \d+ threads?, level all, 5 runs$/m);
    expect(text).toMatch(/without the profiler, .* with it \([+-]\d+ %\); all nodes together/);
    expect(text).toMatch(/^operator +Original +INT8 dynamic, per channel +difference$/m);
    expect(text).toMatch(/only in the variant$/m);
    const run = JSON.parse(readFileSync(join(folder, 'p.json'), 'utf8')) as ProfileRun;
    expect(run.outcomes).toHaveLength(2);
    for (const { value } of run.outcomes) {
      expect(value!.profile.nodes.every(({ samplesUs }) => samplesUs.length === 5)).toBe(true);
      expect(value!.profile.nodes.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    }
  });

  test('at level disabled every node is one of the file', async () => {
    const text = await whittle('profile', 'small.onnx', '--level', 'disabled', '--runs', '3');
    expect(text).toContain('level disabled: the graph as in the file');
    expect(text).not.toContain('made by onnxruntime from');
    expect(text).toContain('0 of them made by onnxruntime');
  });

  test.each([
    [['--level', 'half'], '--level is deployed or disabled.'],
    [['--preset', 'fp16', '--recipe', 'x.json'], 'give one of --recipe and --preset.'],
    [['--runs', '2'], '--runs must be a whole number from 3'],
  ])('refuses %j', async (args, message) => {
    await expect(whittle('profile', 'small.onnx', ...args)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(message),
    });
  });
});

describe('whittle roofline', () => {
  test('measures the device, and predicts every node that it measured', async () => {
    const json = await whittle('roofline', 'small.onnx', '--preset', 'int8-dynamic', '--runs', '5', '--json', '-');
    const { ceilings, variants } = JSON.parse(json) as {
      ceilings: Ceilings;
      variants: (Roofline & { name: string })[];
    };
    expect(ceilings.float32.length).toBeGreaterThan(1);
    expect(variants.map(({ name }) => name)).toEqual(['Original', 'INT8 dynamic, per channel']);
    for (const { nodes, predictedUs, measuredUs } of variants) {
      expect(nodes.length).toBeGreaterThan(1);
      expect(predictedUs).toBeGreaterThan(0);
      expect(measuredUs).toBeGreaterThan(0);
    }
    expect(variants[1]!.nodes.some(({ isInteger, bound }) => isInteger && bound !== 'unknown')).toBe(true);
  });
});
