/** Getting one file into the cache, from wherever an earlier attempt stopped. */
import { StudioError } from '../../core/base/errors/index.ts';
import type { HubFile } from '../../core/hub/api.ts';
import type { FileState } from '../../core/hub/file-state.ts';
import { judgeRange } from '../../core/hub/ranges.ts';
import { MAX_ATTEMPTS, retryDelay } from '../../core/hub/retry.ts';
import { fileUrl } from '../../core/hub/urls.ts';
import { type HubAccess, hostName } from './access.ts';
import { type CacheEntry, cachedFile, type HubPlace, newState, openEntry } from './cache.ts';
import { askHub, type HubJob, pause } from './client.ts';
import { type Verifier, verifierOf } from './verify.ts';

/** A part is written when it is this large or this old: what a crash may cost. */
const PART_BYTES = 8_000_000;
const PART_AGE_MS = 2000;
/** A server whose file changes again and again is given up on. */
const MAX_RESTARTS = 3;
const REREAD_BYTES = 4_000_000;

export interface Downloaded {
  readonly file: File;
  /** Set when bytes of an earlier attempt were thrown away. */
  readonly restarted: string | null;
}

/**
 * @param onBytes bytes of this file that are here; may fall when it must start over
 * @throws StudioError hub/*, storage/*, job/cancelled
 */
export async function downloadFile(
  access: HubAccess,
  place: HubPlace,
  file: HubFile,
  job: HubJob,
  onBytes: (bytes: number) => void,
): Promise<Downloaded> {
  const work = () => new Download(access, place, file, job, onBytes).run();
  // Two tabs that want the same file must not write into each other's parts: the second finds it done.
  if (!navigator.locks) return work();
  const entry = await openEntry(place, file.path);
  try {
    return await navigator.locks.request(`whittle-hub-${entry.key}`, { signal: job.signal }, work);
  } catch (error) {
    if (job.signal.aborted) throw new StudioError('job/cancelled', {});
    throw error;
  }
}

class Download {
  readonly #access: HubAccess;
  readonly #place: HubPlace;
  readonly #file: HubFile;
  readonly #job: HubJob;
  readonly #onBytes: (bytes: number) => void;
  #entry!: CacheEntry;
  #state!: FileState;
  #verifier!: Verifier;
  #here = 0;
  #restarted: string | null = null;
  #restarts = 0;

  constructor(access: HubAccess, place: HubPlace, file: HubFile, job: HubJob, onBytes: (bytes: number) => void) {
    this.#access = access;
    this.#place = place;
    this.#file = file;
    this.#job = job;
    this.#onBytes = onBytes;
  }

  async run(): Promise<Downloaded> {
    await this.#resume();
    if (!this.#state.complete) {
      await this.#fetchRest();
      await this.#verify();
    }
    const done = await cachedFile(this.#place, this.#file.path);
    if (!done) throw new StudioError('storage/unavailable', { reason: `${this.#file.path} is gone from it` });
    return { file: done.file, restarted: this.#restarted };
  }

  async #resume(): Promise<void> {
    const { path, oid, size } = this.#file;
    this.#entry = await openEntry(this.#place, path);
    this.#verifier = verifierOf(this.#file);
    const state = await this.#entry.state();
    const parts = await this.#entry.parts();
    const bytes = parts.reduce((sum, part) => sum + part.size, 0);
    const fits = state !== null && state.oid === oid && state.size === size && bytes <= size;
    if (!fits || (state.complete && bytes !== size)) {
      await this.#startOver(state !== null && bytes > 0 && !fits ? 'the file changed' : null);
      return;
    }
    this.#state = state;
    this.#here = bytes;
    this.#onBytes(bytes);
    if (state.complete) return;
    // The hash's inner state is not kept: reading what is here anew takes a fraction of fetching it.
    for (const part of parts)
      for (let at = 0; at < part.size; at += REREAD_BYTES) {
        if (this.#job.signal.aborted) throw new StudioError('job/cancelled', {});
        this.#verifier.update(new Uint8Array(await part.slice(at, at + REREAD_BYTES).arrayBuffer()));
      }
  }

  async #startOver(reason: string | null, etag: string | null = null): Promise<void> {
    await this.#entry.clear();
    this.#state = { ...newState(this.#place, this.#file), etag };
    this.#verifier = verifierOf(this.#file);
    this.#here = 0;
    if (reason) this.#restarted = reason;
    this.#onBytes(0);
    await this.#entry.setState(this.#state);
  }

  async #fetchRest(): Promise<void> {
    const { path, size } = this.#file;
    for (let failures = 0; this.#here < size; ) {
      const before = this.#here;
      const response = await this.#ask();
      if (!response) continue;
      const whole = await this.#readBody(response);
      if (whole && this.#here < size) failures += 1;
      else if (!whole) failures = this.#here > before ? 1 : failures + 1;
      if (this.#here >= size) return;
      if (failures >= MAX_ATTEMPTS) throw new StudioError('hub/broken-off', { path, done: this.#here, total: size });
      const wait = retryDelay(failures - 1, null, Date.now(), Math.random()) ?? 0;
      await pause(wait, `the connection to ${hostName(this.#access.host)} broke off; trying again`, this.#job);
    }
  }

  /** @returns null when it must be asked anew */
  async #ask(): Promise<Response | null> {
    const { repo, commit } = this.#place;
    const { path } = this.#file;
    const url = fileUrl(this.#access.host, repo, commit, path);
    const asked = { repo, revision: commit, path };
    const from = this.#here;
    const response = await askHub(this.#access, url, asked, this.#job, { from, accept: [416] });
    const etag = response.headers.get('etag');
    const contentRange = response.headers.get('content-range');
    const verdict = judgeRange(this.#state, from, { status: response.status, contentRange, etag });
    if (verdict.kind === 'go-on') {
      if (this.#state.etag === null && etag !== null) {
        this.#state = { ...this.#state, etag };
        await this.#entry.setState(this.#state);
      }
      return response;
    }
    this.#restarts += 1;
    if (this.#restarts > MAX_RESTARTS)
      throw new StudioError('hub/bad-answer', { host: hostName(this.#access.host), reason: verdict.reason });
    await this.#startOver(verdict.reason, verdict.kind === 'start-over' ? etag : null);
    if (verdict.kind === 'start-over') return response;
    await response.body?.cancel().catch(() => {});
    return null;
  }

  /** @returns false when the connection broke off */
  async #readBody(response: Response): Promise<boolean> {
    const reader = response.body?.getReader();
    if (!reader) return true;
    let pending: Uint8Array<ArrayBuffer>[] = [];
    let pendingBytes = 0;
    let since = performance.now();
    const flush = async () => {
      if (pendingBytes === 0) return;
      await this.#entry.append(this.#here, new Blob(pending));
      for (const chunk of pending) this.#verifier.update(chunk);
      this.#here += pendingBytes;
      pending = [];
      pendingBytes = 0;
      since = performance.now();
    };
    let whole = true;
    try {
      for (;;) {
        const next = await reader.read();
        if (next.done) break;
        pending.push(next.value);
        pendingBytes += next.value.byteLength;
        if (this.#here + pendingBytes > this.#file.size) {
          await reader.cancel().catch(() => {});
          const reason = `it sends more of ${this.#file.path} than it listed`;
          throw new StudioError('hub/bad-answer', { host: hostName(this.#access.host), reason });
        }
        this.#onBytes(this.#here + pendingBytes);
        if (pendingBytes >= PART_BYTES || performance.now() - since >= PART_AGE_MS) await flush();
      }
    } catch (error) {
      if (error instanceof StudioError) throw error;
      whole = false;
    }
    await flush();
    if (this.#job.signal.aborted) throw new StudioError('job/cancelled', {});
    return whole;
  }

  async #verify(): Promise<void> {
    const { path, oid } = this.#file;
    const seen = this.#verifier.hex();
    if (seen !== oid) {
      await this.#entry.clear();
      throw new StudioError('hub/damaged', { path, seen: seen.slice(0, 12), expected: oid.slice(0, 12) });
    }
    this.#state = { ...this.#state, complete: true };
    await this.#entry.setState(this.#state);
  }
}
