/** Share of right answers. */

/** Index of the largest value of a row; the first one on a tie (numpy's rule), -1 for an empty row. NaN never wins. */
export function argmax(values: ArrayLike<number>, start = 0, end = values.length): number {
  let best = -1;
  let bestValue = -Infinity;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (value > bestValue || (best < 0 && !Number.isNaN(value))) {
      best = i;
      bestValue = value;
    }
  }
  return best < 0 ? -1 : best - start;
}

/** @returns right answers over all answers; NaN when there are none */
export function accuracy(correct: readonly boolean[]): number {
  let right = 0;
  for (const ok of correct) if (ok) right += 1;
  return right / correct.length;
}
