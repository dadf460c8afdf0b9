/**
 * Random access to bytes that may be far larger than memory: a Blob, an OPFS file, a Node file handle, or an array.
 * Implementations for hosts live in runtime/ and services/; `memorySource` is the only one in the core.
 */
export interface ByteSource {
  /** For messages: a file name, or what the bytes are. */
  readonly name: string;
  readonly byteLength: number;
  /**
   * Reads exactly `length` bytes. Rejects with `file/truncated` when the range passes the end and `file/unreadable`
   * when the host fails. The result may share memory with the source: treat it as read-only.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** The same without waiting, where the bytes are in memory already. */
  readonly readSync?: (offset: number, length: number) => Uint8Array;
  /** Of the open file, where other threads of the process can read it by this number while the source is reachable. */
  readonly fileDescriptor?: number;
}

/** Bytes of an open file, for a thread that reads them itself. */
export interface FilePart {
  /** For messages. */
  readonly name: string;
  readonly fileDescriptor: number;
  readonly offset: number;
  readonly byteLength: number;
}

/** A run of bytes inside a source. */
export interface ByteRange {
  readonly source: ByteSource;
  readonly offset: number;
  readonly byteLength: number;
}

/** What a serialized file is made of: bytes at hand, and ranges that nobody needs to load to copy. */
export type BytePart = Uint8Array | ByteRange;

/** Sum of the parts' lengths in bytes. */
export function partsByteLength(parts: readonly BytePart[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}
