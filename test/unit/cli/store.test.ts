import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { temporaryStore } from '../../../src/cli/store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-test-'));
  for (const name of ['TMPDIR', 'TEMP', 'TMP']) vi.stubEnv(name, folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

test('stores have one listener for the end of the process, which removes all files', async () => {
  const before = process.listeners('exit');
  const bytes = new Uint8Array(20 << 20);
  for (let index = 0; index < 3; index += 1) {
    const store = temporaryStore();
    await store.put(bytes.length, [bytes]);
    // Beyond what is held in memory.
    const data = await store.put(bytes.length, [bytes.fill(index)]);
    if (data.kind !== 'range') throw new Error(data.kind);
    const { source, offset, byteLength } = data.range;
    expect(await source.read(offset + byteLength - 1, 1)).toEqual(Uint8Array.of(index));
  }
  expect(readdirSync(folder)).toHaveLength(3);

  const added = process.listeners('exit').filter((listener) => !before.includes(listener));
  expect(added).toHaveLength(1);
  // As Node does when the process ends; the files of this test are all that this copy of the module has.
  process.off('exit', added[0]!);
  added[0]!(0);
  expect(readdirSync(folder)).toEqual([]);
});
