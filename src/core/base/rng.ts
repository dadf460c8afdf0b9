/**
 * A seeded random number generator: the same seed gives the same numbers on every machine and for ever, because
 * evaluation data, calibration samples and reports depend on it. xoshiro128** 1.1 (Blackman and Vigna 2018), its
 * state filled from the seed by splitmix32. Not for secrets.
 */
export interface Rng {
  /** Uniform in [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** Standard normal (mean 0, variance 1), by Box and Muller. */
  normal(): number;
  /** Uniform integer in [0, n), unbiased. `n` from 1 to 2^32. */
  int(n: number): number;
  /** Fills with what so many calls of `int(n)` would give, in a fraction of their time. */
  fillInts(into: Uint32Array, n: number): void;
  /** Shuffles in place (Fisher and Yates) and returns the same array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T;
}

/** @param seed an integer (its low 32 bits count) or any text */
export function createRng(seed: number | string): Rng {
  const next = xoshiro128(typeof seed === 'string' ? hashText(seed) : seed >>> 0);
  let spare: number | undefined;

  const uniform = (): number => next() / 4294967296;
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  const remainder = (n: number, limit: number): number => {
    let draw = next();
    while (draw >= limit) draw = next();
    return draw % n;
  };
  const int = (n: number): number => remainder(n, drawLimit(n));
  const fillInts = (into: Uint32Array, n: number): void => {
    const limit = drawLimit(n);
    for (let i = 0; i < into.length; i += 1) into[i] = remainder(n, limit);
  };
  const shuffle = <T extends { length: number; [index: number]: unknown }>(items: T): T => {
    for (let i = items.length - 1; i > 0; i -= 1) {
      const j = int(i + 1);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
    return items;
  };
  return { uniform, normal, int, fillInts, shuffle };
}

/** Draws from the largest multiple of n up are thrown away, so that every result has the same chance. */
function drawLimit(n: number): number {
  if (!Number.isInteger(n) || n < 1 || n > 4294967296) throw new RangeError(`int(${n}): n must be from 1 to 2^32`);
  return 4294967296 - (4294967296 % n);
}

/** xoshiro128**: unsigned 32-bit integers. */
function xoshiro128(seed: number): () => number {
  const fill = splitmix32(seed);
  let [a, b, c, d] = [fill(), fill(), fill(), fill()];
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return z ^ (z >>> 16);
  };
}

const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/** FNV-1a over UTF-16 code units. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
