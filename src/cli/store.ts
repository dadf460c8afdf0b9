import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteSource } from '../core/base/bytes.ts';
import { StudioError } from '../core/base/errors/index.ts';
import { checkRange } from '../core/base/memory-source.ts';
import type { TensorData } from '../core/ir/types.ts';
import type { TensorStore } from '../core/step/define.ts';

/** What may be held in memory before the file is used. */
const MEMORY_BUDGET_BYTES = 32 << 20;
/** Less than this is not worth a read from disk. */
const MIN_FILE_BYTES = 16 << 10;

/**
 * Keeps what steps make in memory up to a budget and beyond it in one temporary file, which goes away with the
 * process: what a step makes of a 2 GB model of many weights then costs disk, not memory, and one file descriptor.
 */
export function temporaryStore(): TensorStore {
  let heldBytes = 0;
  let file: ScratchFile | undefined;
  return {
    put: async (byteLength, chunks): Promise<TensorData> => {
      if (byteLength >= MIN_FILE_BYTES && heldBytes + byteLength > MEMORY_BUDGET_BYTES) {
        file ??= new ScratchFile();
        const offset = file.reserve(byteLength);
        let at = 0;
        for await (const chunk of chunks) {
          file.write(chunk, offset + at, byteLength);
          at += chunk.byteLength;
        }
        requireLength(byteLength, at);
        return { kind: 'range', range: { source: file, offset, byteLength } };
      }
      heldBytes += byteLength;
      const bytes = new Uint8Array(byteLength);
      let at = 0;
      for await (const chunk of chunks) {
        bytes.set(chunk, at);
        at += chunk.byteLength;
      }
      requireLength(byteLength, at);
      return { kind: 'bytes', bytes };
    },
  };
}

/** Every file of this process. One listener goes through all: Node warns of a leak at the eleventh. */
const opened: { readonly folder: string; readonly descriptor: number }[] = [];

function closeAll(): void {
  for (const { folder, descriptor } of opened) {
    closeSync(descriptor);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file that grows at its end; each tensor has a range of it. */
class ScratchFile implements ByteSource {
  readonly name = 'temporary file';
  #descriptor: number;
  #byteLength = 0;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'whittle-'));
    const descriptor = openSync(join(folder, 'tensors'), 'w+');
    this.#descriptor = descriptor;
    if (opened.length === 0) process.on('exit', closeAll);
    opened.push({ folder, descriptor });
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** @returns the offset of a range that nobody else gets */
  reserve(byteLength: number): number {
    const offset = this.#byteLength;
    this.#byteLength += byteLength;
    ftruncateSync(this.#descriptor, this.#byteLength);
    return offset;
  }

  write(chunk: Uint8Array, offset: number, needed: number): void {
    try {
      for (let at = 0; at < chunk.byteLength; )
        at += writeSync(this.#descriptor, chunk, at, chunk.byteLength - at, offset + at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw new StudioError('storage/full', { needed }, error);
      throw error;
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this.name, this.#byteLength, offset, length);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const got = readSync(this.#descriptor, bytes, at, length - at, offset + at);
      if (got === 0) throw new StudioError('file/unreadable', { name: this.name, reason: 'it ended early' });
      at += got;
    }
    return bytes;
  }
}

function requireLength(expected: number, got: number): void {
  if (got === expected) return;
  throw new StudioError('internal/unexpected', { message: `a step gave ${got} bytes of a tensor of ${expected}` });
}
