import { createHash } from 'node:crypto';
import { createReadStream, realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import type { Model } from '../core/ir/types.ts';
import { validateModel } from '../core/ir/validate.ts';
import { expandHalfWeights } from '../core/onnx/half-weights.ts';
import { readModel } from '../core/onnx/read.ts';
import { openFileSource } from '../runtime/node-file-source.ts';

export interface OpenedFile {
  readonly path: string;
  readonly name: string;
  /** Of the graph file alone. */
  readonly graphBytes: number;
  /** With its data files. */
  readonly fileBytes: number;
  readonly model: Model;
  /** Of the graph file alone; external data is not in it. */
  sha256(): Promise<string>;
  /** Whether this path is the graph or one of its data files, under whatever name. */
  reads(path: string): boolean;
}

/** Opens a model with the external data that lies beside it. @throws StudioError file/*, model/* */
export async function openModelFile(path: string, job: JobContext): Promise<OpenedFile> {
  const name = basename(path);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new StudioError('file/unreadable', { name: path, reason }, error);
  });
  if (!found.isFile()) throw new StudioError('file/unreadable', { name: path, reason: 'it is not a file' });
  const opened = new Map([[realPath(path), found.size]]);
  const model = await readModel(openFileSource(path), {
    resolveExternal: (location) => {
      const data = join(dirname(path), location);
      try {
        const source = openFileSource(data);
        opened.set(realPath(data), source.byteLength);
        return source;
      } catch {
        return undefined;
      }
    },
    signal: job.signal,
    onProgress: job.onProgress,
  });
  const [problem] = validateModel(model);
  if (problem) throw problem;
  await expandHalfWeights(model);
  let digest: Promise<string> | undefined;
  return {
    path,
    name,
    graphBytes: found.size,
    fileBytes: [...opened.values()].reduce((sum, bytes) => sum + bytes, 0),
    model,
    sha256: () => (digest ??= hashFile(path)),
    reads: (candidate) => opened.has(realPath(candidate)),
  };
}

/** Links resolved; for a file that is not there yet, its folder's. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    try {
      return join(realpathSync(dirname(path)), basename(path));
    } catch {
      return resolve(path);
    }
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
