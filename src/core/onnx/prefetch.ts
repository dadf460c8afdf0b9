import type { ByteSource } from '../base/bytes.ts';
import { readExactly } from './read-exactly.ts';

/** How many windows ahead are asked for at once. */
const windowsAhead = 8;
/** Names and lengths differ by a few digits from one layer to the next; so do the distances between their weights. */
const toleranceBytes = 64;
/** How much before the expected place a window begins, and how much longer it is than was asked. */
const slackBytes = 512;
/** Distances nearer than this are no jumps over weights. */
const shortestJumpBytes = 32 * 1024;

interface Ahead {
  readonly offset: number;
  readonly length: number;
  readonly bytes: Promise<Uint8Array>;
}

/**
 * Reads windows before they are asked for. Passing over the weights of a large model means hundreds of small reads far
 * apart, one after the other, and a Blob takes a millisecond or more for each, most of it waiting. But layers repeat,
 * and with them the distances: after some of them the next few places are known well enough to be read together. A
 * guess that is wrong costs one small read; what is answered never depends on it.
 */
export class Prefetcher {
  readonly #source: ByteSource;
  readonly #jumps: number[] = [];
  #last = 0;
  #ahead: Ahead[] = [];

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Bytes from `offset` on: at least `least` of them, at most `length`. */
  async read(offset: number, length: number, least: number): Promise<Uint8Array> {
    this.#ahead = this.#ahead.filter((entry) => entry.offset + entry.length > offset);
    const hit = this.#ahead.find((entry) => entry.offset <= offset && entry.offset + entry.length >= offset + least);
    const reading = hit?.bytes ?? readExactly(this.#source, offset, length);
    const jump = offset - this.#last;
    this.#last = offset;
    if (jump >= shortestJumpBytes) {
      this.#jumps.push(jump);
      this.#readAhead(offset, length);
    }
    const bytes = await reading;
    return hit ? bytes.subarray(offset - hit.offset, offset - hit.offset + length) : bytes;
  }

  #readAhead(from: number, length: number): void {
    let offset = from;
    for (const jump of this.#expectedJumps()) {
      offset += jump;
      const start = offset - slackBytes;
      const wanted = Math.min(length + 2 * slackBytes, this.#source.byteLength - start);
      if (wanted <= slackBytes) return;
      if (this.#ahead.some((entry) => Math.abs(entry.offset - start) < slackBytes)) continue;
      const bytes = readExactly(this.#source, start, wanted);
      // Whoever needs these bytes sees the failure; if nobody does, it is none.
      bytes.catch(() => {});
      this.#ahead.push({ offset: start, length: wanted, bytes });
    }
  }

  /** The jumps that followed the last time that the two latest ones came in a row; then the same again, and again. */
  #expectedJumps(): number[] {
    const jumps = this.#jumps;
    const last = jumps.length - 1;
    const same = (a: number, b: number): boolean => Math.abs(jumps[a]! - jumps[b]!) <= toleranceBytes;
    for (let before = last - 1; before >= 1 && before > last - 64; before -= 1) {
      if (!same(before, last) || !same(before - 1, last - 1)) continue;
      const period = last - before;
      return Array.from({ length: windowsAhead }, (_, i) => jumps[before + 1 + (i % period)]!);
    }
    return [];
  }
}
