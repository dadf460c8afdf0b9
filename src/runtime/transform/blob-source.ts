/** ByteSource over a Blob or File, and the way back: a serialized model as Blobs, without copying what is in one. */
import type { BytePart, ByteSource } from '../../core/base/bytes.ts';
import { StudioError } from '../../core/base/errors/index.ts';
import { checkRange } from '../../core/base/memory-source.ts';

/** A source whose bytes lie in a Blob, from the same offsets on; undefined while they do not. */
export interface BlobBackedSource extends ByteSource {
  readonly blob: Blob | undefined;
}

const blobBehind = (source: ByteSource): Blob | undefined => (source as Partial<BlobBackedSource>).blob;

export class BlobSource implements BlobBackedSource {
  readonly name: string;
  readonly byteLength: number;
  readonly blob: Blob;

  constructor(name: string, blob: Blob) {
    this.name = name;
    this.blob = blob;
    this.byteLength = blob.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this.name, this.byteLength, offset, length);
    try {
      return new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
    } catch (error) {
      // Files that changed on disk since they were chosen end here.
      const reason = error instanceof Error ? error.message : String(error);
      throw new StudioError('file/unreadable', { name: this.name, reason }, error);
    }
  }
}

/** Pieces in which ranges of other sources are read. */
const COPY_BYTES = 64 * 2 ** 20;

/**
 * Ranges of a Blob become slices of it, which cost nothing; other bytes are copied into the Blob (where the browser may
 * keep them on disk).
 */
export async function blobOf(parts: readonly BytePart[]): Promise<Blob> {
  const pieces: BlobPart[] = [];
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      pieces.push(part as Uint8Array<ArrayBuffer>);
      continue;
    }
    const { source, offset, byteLength } = part;
    const blob = blobBehind(source);
    if (blob) {
      pieces.push(blob.slice(offset, offset + byteLength));
      continue;
    }
    for (let done = 0; done < byteLength; done += COPY_BYTES) {
      const bytes = await source.read(offset + done, Math.min(COPY_BYTES, byteLength - done));
      // A Blob of each piece, so that not all of them are in this heap at once.
      pieces.push(new Blob([bytes as Uint8Array<ArrayBuffer>]));
    }
  }
  return new Blob(pieces);
}
