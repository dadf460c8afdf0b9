import type { ByteRange } from '../base/bytes.ts';
import type { Cursor } from './cursor.ts';

/** What the readers of one file share. */
export interface ReadContext {
  readonly cursor: Cursor;
  /** How many graphs the parse is inside of. */
  graphDepth: number;
  /** External data that nobody could give. */
  readonly missing: { readonly tensor: string; readonly location: string }[];
  /** Small payloads in external files, to be copied into memory after the structure has been read. */
  readonly pendingCopies: { readonly range: ByteRange; readonly target: Uint8Array }[];
}

/** Payloads up to this size are read into memory with the structure, so that passes may look at them without waiting. */
export const smallPayloadBytes = 4096;
