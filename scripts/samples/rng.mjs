// Seeded randomness for the sample scripts: mulberry32, whose integer arithmetic is the same on every machine.

/** @param {number} seed */
export function createRng(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    uniform,
    /** @param {number} low @param {number} high */
    between: (low, high) => low + (high - low) * uniform(),
    /** 0 <= result < n. @param {number} n */
    int: (n) => Math.floor(uniform() * n),
    /** Irwin-Hall: the sum of 12 uniforms, less 6; mean 0, variance 1, no transcendental function. */
    normal: () => {
      let sum = -6;
      for (let i = 0; i < 12; i++) sum += uniform();
      return sum;
    },
    /** @template T @param {readonly T[]} items @returns {T} */
    pick: (items) => items[Math.floor(uniform() * items.length)],
    /** In place. @template T @param {T[]} items @returns {T[]} */
    shuffle: (items) => {
      for (let i = items.length - 1; i > 0; i--) {
        const j = Math.floor(uniform() * (i + 1));
        [items[i], items[j]] = [items[j], items[i]];
      }
      return items;
    },
  };
}
