import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeModelFiles } from '../../../src/cli/write-model.ts';
import { quietJob } from '../../../src/core/base/progress.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'whittle-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const files = {
  graph: [new Uint8Array([1]), new Uint8Array([2])],
  externalData: [{ path: 'm.onnx.data', parts: [new Uint8Array(10), new Uint8Array(20)] }],
};

test('writes all files, graph first in the list', async () => {
  const path = join(folder, 'm.onnx');
  expect(await writeModelFiles(path, files)).toEqual([path, `${path}.data`]);
  expect(readdirSync(folder).sort()).toEqual(['m.onnx', 'm.onnx.data']);
  expect([...readFileSync(path)]).toEqual([1, 2]);
});

test.each([1, 2, 3, 4])('cancelled after %i pieces: what was there stays, nothing else appears', async (pieces) => {
  const path = join(folder, 'm.onnx');
  writeFileSync(path, 'before');
  const controller = new AbortController();
  let seen = 0;
  const job = {
    ...quietJob,
    signal: controller.signal,
    onProgress: () => {
      seen += 1;
      if (seen === pieces) controller.abort();
    },
  };
  await expect(writeModelFiles(path, files, job)).rejects.toMatchObject({ code: 'job/cancelled' });
  expect(readdirSync(folder)).toEqual(['m.onnx']);
  expect(readFileSync(path, 'utf8')).toBe('before');
});

test('a folder that is not there is the user’s to mend', async () => {
  await expect(writeModelFiles(join(folder, 'no/m.onnx'), files)).rejects.toMatchObject({ code: 'storage/unwritable' });
});
