/**
 * Levenshtein distance and the character error rate made from it: edits (insertions, deletions, substitutions, each
 * of cost 1) that turn the read text into the expected one, over the length of the expected one. Characters are code
 * points. It may pass 1 when much is read that is not there.
 */

/**
 * Wagner-Fischer with one row: O(|a| |b|) time, O(|b|) memory.
 * @returns number of edits, in code points
 */
export function editDistance(a: string, b: string): number {
  const left = Array.from(a);
  const right = Array.from(b);
  const row = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= right.length; j++) {
      const above = row[j]!;
      const substituted = diagonal + (left[i - 1] === right[j - 1] ? 0 : 1);
      row[j] = Math.min(substituted, above + 1, row[j - 1]! + 1);
      diagonal = above;
    }
  }
  return row[right.length]!;
}

/** Length in code points. */
export function characterCount(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** @returns edits over expected characters, over all pairs together (long lines weigh more than short ones) */
export function characterErrorRate(pairs: readonly { readonly expected: string; readonly got: string }[]): number {
  let edits = 0;
  let characters = 0;
  for (const { expected, got } of pairs) {
    edits += editDistance(got, expected);
    characters += characterCount(expected);
  }
  return edits / characters;
}
