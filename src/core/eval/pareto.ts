/** The choices worth making: those that no other choice beats. */

export type Direction = 'higher-is-better' | 'lower-is-better';

/**
 * Indices of the points that no other point dominates. A point dominates another when it is at least as good in every
 * objective and better in at least one; so of [1,1] and [2,1] (lower is better) only the first stays, and points that
 * are equal in everything stay together. Points with a value that is not a finite number take no part.
 * @param points one row a point, one value an objective
 */
export function nonDominated(
  points: readonly (readonly (number | null)[])[],
  directions: readonly Direction[],
): number[] {
  const usable = points.map((point) => point.every((value) => value !== null && Number.isFinite(value)));
  const kept: number[] = [];
  for (const [i, point] of points.entries()) {
    if (!usable[i]) continue;
    const beaten = points.some((other, j) => j !== i && usable[j] && dominates(other, point, directions));
    if (!beaten) kept.push(i);
  }
  return kept;
}

function dominates(
  a: readonly (number | null)[],
  b: readonly (number | null)[],
  directions: readonly Direction[],
): boolean {
  let better = false;
  for (const [k, direction] of directions.entries()) {
    const gain = direction === 'higher-is-better' ? a[k]! - b[k]! : b[k]! - a[k]!;
    if (gain < 0) return false;
    if (gain > 0) better = true;
  }
  return better;
}
