/** What tells one model from another: results and stored bytes are filed under it. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { ModelFileSet } from './files.ts';

export interface ModelIdentity {
  readonly key: string;
  /** Of the graph file; only where hashing all of it is quick and it holds its weights itself. */
  readonly sha256: string | null;
}

/** Above this a full hash would make opening slow, which must take under a second whatever the size. */
const FULL_HASH_LIMIT_BYTES = 64_000_000;
const PROBE_BYTES = 65_536;
const PROBES = 32;
const PROBE_PREFIX = 'probe-';
const PROBE_DIGITS = 16;

export async function identifyModel({ graph, others }: ModelFileSet): Promise<ModelIdentity> {
  if (others.length === 0 && graph.file.size <= FULL_HASH_LIMIT_BYTES) {
    const digest = await hashFile(graph.file);
    return { key: digest, sha256: digest };
  }
  const probe = sha256.create();
  // What the graph's own file is called says nothing of the model; its other files are named in it.
  for (const [path, file] of [['', graph.file] as const, ...others.map((other) => [other.path, other.file] as const)]) {
    probe.update(new TextEncoder().encode(`${path}\0${file.size}\0`));
    for (const slice of probeSlices(file)) probe.update(new Uint8Array(await slice.arrayBuffer()));
  }
  return { key: `${PROBE_PREFIX}${bytesToHex(probe.digest())}`, sha256: null };
}

/** What a link tells a model by that was too large to hash: of slices of its files. Undefined where it was not. */
export function probeOf(key: string): string | undefined {
  return key.startsWith(PROBE_PREFIX) ? key.slice(PROBE_PREFIX.length).slice(0, PROBE_DIGITS) : undefined;
}

async function hashFile(file: Blob): Promise<string> {
  const bytes = await file.arrayBuffer();
  // crypto.subtle is absent on pages that are not secure contexts.
  if (globalThis.crypto?.subtle) return bytesToHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
  return bytesToHex(sha256(new Uint8Array(bytes)));
}

/** Evenly spread slices, first and last included. */
function probeSlices(file: Blob): Blob[] {
  const span = Math.max(0, file.size - PROBE_BYTES);
  const starts = new Set(Array.from({ length: PROBES }, (_, index) => Math.floor((span * index) / (PROBES - 1))));
  return [...starts].map((start) => file.slice(start, start + PROBE_BYTES));
}
