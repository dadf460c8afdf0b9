/**
 * Finds the first blocks of a repeat, which are no stretch of their own: what all layers share (masks, rotary tables) is
 * made where it is first read, in the midst of the first layer. They are found by following the wiring backwards.
 */

import { isConvex } from './convex.ts';

type Producers = readonly (readonly number[])[];

/** @param taken positions that belong to other repeats */
export function extendBackwards(
  instances: readonly (readonly number[])[],
  tokens: readonly number[],
  producers: Producers,
  taken: Uint8Array,
): (readonly number[])[] {
  const all = [...instances];
  // Twice at most: layers beyond the first are like each other, or the run would have found them.
  for (let turn = 0; turn < 2; turn += 1) {
    const before = blockBefore(all[0]!, all[1]!, tokens, producers, taken);
    if (!before || !isConvex(before, producers)) break;
    all.unshift(before);
  }
  return all;
}

/** The block that stands to `first` as `first` stands to `second`. @returns its positions, in the order of the blocks */
function blockBefore(
  first: readonly number[],
  second: readonly number[],
  tokens: readonly number[],
  producers: Producers,
  taken: Uint8Array,
): number[] | undefined {
  const place = new Map(first.map((position, at) => [position, at]));
  const found = new Array<number>(first.length).fill(-1);
  const used = new Set<number>();
  /** @returns false where the two cannot be the same */
  const match = (at: number, position: number): boolean => {
    if (found[at] === position) return true;
    if (found[at]! >= 0 || position < 0 || taken[position] === 1 || used.has(position) || place.has(position))
      return false;
    if (tokens[position] !== tokens[first[at]!]) return false;
    found[at] = position;
    used.add(position);
    return true;
  };
  for (const [at, position] of second.entries())
    for (const [slot, producer] of producers[position]!.entries()) {
      const from = place.get(producer);
      if (from !== undefined && !match(from, producers[first[at]!]![slot] ?? -1)) return undefined;
    }
  for (let at = first.length - 1; at >= 0; at -= 1) {
    if (found[at]! < 0) continue;
    for (const [slot, producer] of producers[first[at]!]!.entries()) {
      const from = place.get(producer);
      if (from !== undefined && !match(from, producers[found[at]!]![slot] ?? -1)) return undefined;
    }
  }
  return matchReaders(first, found, match, place, producers) ? found : undefined;
}

/** Nodes that lead out of the block (caches, outputs) are found from what they read. */
function matchReaders(
  first: readonly number[],
  found: readonly number[],
  match: (at: number, position: number) => boolean,
  place: ReadonlyMap<number, number>,
  producers: Producers,
): boolean {
  if (found.every((position) => position >= 0)) return true;
  if (found.every((position) => position < 0)) return false;
  const readers = new Map<number, number[]>();
  for (const [reader, reads] of producers.entries())
    for (const producer of reads) {
      const list = readers.get(producer);
      if (list) list.push(reader);
      else readers.set(producer, [reader]);
    }
  for (const [at, position] of first.entries()) {
    if (found[at]! >= 0) continue;
    const source = producers[position]!.map((producer) => place.get(producer)).find((from) => from !== undefined);
    if (source === undefined || found[source]! < 0) return false;
    if (!(readers.get(found[source]!) ?? []).some((reader) => match(at, reader))) return false;
  }
  return true;
}
