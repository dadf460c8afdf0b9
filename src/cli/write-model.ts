import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BytePart } from '../core/base/bytes.ts';
import { partsByteLength } from '../core/base/bytes.ts';
import { throwIfCancelled } from '../core/base/cancel.ts';
import { type JobContext, quietJob } from '../core/base/progress.ts';
import type { ModelFiles } from '../core/study/ports.ts';

const SLAB_BYTES = 8 << 20;

/**
 * Writes the files of a model; weights stream from their source. A file appears under its name only when it is whole.
 * @returns the paths written
 */
export async function writeModelFiles(path: string, files: ModelFiles, job: JobContext = quietJob): Promise<string[]> {
  const written = [path];
  for (const { path: location, parts } of files.externalData) {
    const target = join(dirname(path), location);
    await writeParts(target, parts, job);
    written.push(target);
  }
  await writeParts(path, files.graph, job);
  return written;
}

async function writeParts(path: string, parts: readonly BytePart[], job: JobContext): Promise<void> {
  const total = partsByteLength(parts);
  const partial = `${path}.partial`;
  const file = await open(partial, 'w');
  let done = 0;
  try {
    for await (const chunk of chunksOf(parts)) {
      throwIfCancelled(job.signal);
      await file.writeFile(chunk);
      done += chunk.byteLength;
      job.onProgress({ stage: 'writing', done, total, unit: 'bytes' });
    }
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(partial, { force: true });
    throw error;
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
