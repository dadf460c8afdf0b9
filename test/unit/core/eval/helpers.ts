import type { SampleScores } from '../../../../src/core/eval/types.ts';

export const scoresOf = (numerators: number[], denominators?: number[]): SampleScores => ({
  numerators,
  denominators: denominators ?? numerators.map(() => 1),
});

/** A small deterministic generator of its own, so that tests do not lean on the one under test. */
export function lcg(seed: number): () => number {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}
