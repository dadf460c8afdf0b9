import type { ByteSource } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import { plainBytes } from '../base/memory-source.ts';

/** Hosts are not trusted to keep the contract: a file may change under us. */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = source.readSync ? source.readSync(offset, length) : await source.read(offset, length);
  } catch (error) {
    if (error instanceof StudioError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StudioError('file/unreadable', { name: source.name, reason }, error);
  }
  if (bytes.byteLength === length) return plainBytes(bytes);
  const reason = `${length} bytes were asked for at ${offset}, ${bytes.byteLength} came`;
  throw new StudioError('file/unreadable', { name: source.name, reason });
}
