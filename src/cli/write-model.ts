import { rmSync } from 'node:fs';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BytePart } from '../core/base/bytes.ts';
import { partsByteLength } from '../core/base/bytes.ts';
import { throwIfCancelled } from '../core/base/cancel.ts';
import { StudioError } from '../core/base/errors/index.ts';
import { type JobContext, quietJob } from '../core/base/progress.ts';
import type { ModelFiles } from '../core/study/ports.ts';

const SLAB_BYTES = 8 << 20;

/**
 * Writes the files of a model; weights stream from their source. Nothing appears under its name before all of it is
 * written, so that a cancel or a full disk leaves what was there before.
 * @returns the paths written
 * @throws StudioError storage/full, storage/unwritable, job/cancelled
 */
export async function writeModelFiles(path: string, files: ModelFiles, job: JobContext = quietJob): Promise<string[]> {
  const plan = [
    { path, parts: files.graph },
    ...files.externalData.map(({ path: location, parts }) => ({ path: join(dirname(path), location), parts })),
  ].map((entry) => ({ ...entry, partial: `${entry.path}.partial` }));
  const removeAll = () => {
    for (const { partial } of plan) rmSync(partial, { force: true });
  };
  // A second Ctrl+C ends the process in the middle of a write.
  process.once('exit', removeAll);
  try {
    for (const { partial, parts } of plan) await writeParts(partial, parts, job);
    throwIfCancelled(job.signal);
    for (const entry of plan) await rename(entry.partial, entry.path);
  } catch (error) {
    removeAll();
    throw unwritable(error, path, plan);
  } finally {
    process.off('exit', removeAll);
  }
  return plan.map((entry) => entry.path);
}

/**
 * @param intoFolder make the folder of the file where it is missing: for files that a folder was named for
 * @throws StudioError storage/unwritable
 */
export async function writeTextFile(path: string, text: string, { intoFolder = false } = {}): Promise<void> {
  try {
    if (intoFolder) await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    throw unwritable(error, path, []);
  }
}

function unwritable(error: unknown, name: string, plan: readonly { readonly parts: readonly BytePart[] }[]): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof StudioError || typeof code !== 'string') return error;
  const needed = plan.reduce((sum, { parts }) => sum + partsByteLength(parts), 0);
  return code === 'ENOSPC'
    ? new StudioError('storage/full', { needed }, error)
    : new StudioError('storage/unwritable', { name, reason: message }, error);
}

async function writeParts(path: string, parts: readonly BytePart[], job: JobContext): Promise<void> {
  const total = partsByteLength(parts);
  const file = await open(path, 'w');
  let done = 0;
  try {
    for await (const chunk of chunksOf(parts)) {
      throwIfCancelled(job.signal);
      await file.writeFile(chunk);
      done += chunk.byteLength;
      job.onProgress({ stage: 'writing', done, total, unit: 'bytes' });
    }
  } finally {
    await file.close();
  }
}

/** The parts' bytes in pieces small enough that no weight is in memory whole. */
export async function* chunksOf(parts: readonly BytePart[]): AsyncIterable<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      yield part;
      continue;
    }
    for (let at = 0; at < part.byteLength; at += SLAB_BYTES)
      yield await part.source.read(part.offset + at, Math.min(SLAB_BYTES, part.byteLength - at));
  }
}

/** All parts in one array, for small files. */
export async function gatherParts(parts: readonly BytePart[]): Promise<Uint8Array> {
  const bytes = new Uint8Array(partsByteLength(parts));
  let at = 0;
  for await (const chunk of chunksOf(parts)) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
