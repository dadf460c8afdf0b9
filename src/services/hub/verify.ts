/** Whether bytes are those that the hub listed: by SHA-256 for files in its large storage, by git's own hash for others. */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { HubFile } from '../../core/hub/api.ts';

export interface Verifier {
  update(bytes: Uint8Array): void;
  /** Ends it. */
  hex(): string;
}

/** Its result is the file's `oid` when all is well. */
export function verifierOf({ oid, sha256: contents, size }: Pick<HubFile, 'oid' | 'sha256' | 'size'>): Verifier {
  const hash = oid.length === 64 ? sha256.create() : sha1.create();
  // A git object is hashed with a header before its contents (git-hash-object).
  if (contents === null) hash.update(new TextEncoder().encode(`blob ${size}\0`));
  return { update: (bytes) => void hash.update(bytes), hex: () => bytesToHex(hash.digest()) };
}
