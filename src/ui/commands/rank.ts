/** Which commands a few typed letters mean, best first. */

export interface Rankable {
  readonly does: string;
  readonly group: string;
  readonly hint?: string | undefined;
  readonly words?: string;
}

/** Points a typed word gets where it is found. A match in the name outweighs any number of matches elsewhere. */
const POINTS = { start: 100, wordStart: 60, inside: 30, group: 12, elsewhere: 6, scattered: 3 } as const;

/**
 * Every typed word must be found somewhere. Equal scores keep the order of the list.
 * @param query as typed; when it is blank the list comes back as it is
 */
export function rank<Item extends Rankable>(items: readonly Item[], query: string): Item[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...items];
  return items
    .map((item) => ({ item, score: scoreOf(item, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ item }) => item);
}

function scoreOf(item: Rankable, words: readonly string[]): number {
  const name = item.does.toLowerCase();
  const rest = `${item.words ?? ''} ${item.hint ?? ''}`.toLowerCase();
  let total = 0;
  for (const word of words) {
    const points = pointsOf(word, name, item.group.toLowerCase(), rest);
    if (points === 0) return 0;
    total += points;
  }
  // Of two names that hold all words the shorter one is meant.
  return total + 1 / (1 + name.length);
}

function pointsOf(word: string, name: string, group: string, rest: string): number {
  if (name.startsWith(word)) return POINTS.start;
  if (startsAWord(name, word)) return POINTS.wordStart;
  if (name.includes(word)) return POINTS.inside;
  if (group.startsWith(word)) return POINTS.group;
  if (startsAWord(rest, word)) return POINTS.elsewhere;
  // One or two letters are scattered over almost every name.
  return word.length >= 3 && isScattered(word, name) ? POINTS.scattered : 0;
}

function startsAWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1]!)) return true;
  return false;
}

/** The letters in order, the first of them at the start of a word: "sbs" is "side by side". */
function isScattered(word: string, name: string): boolean {
  for (let start = 0; start < name.length; start++) {
    if (name[start] !== word[0] || (start > 0 && name[start - 1] !== ' ')) continue;
    let at = start;
    let found = 0;
    while (at < name.length && found < word.length) if (name[at++] === word[found]) found += 1;
    if (found === word.length) return true;
  }
  return false;
}
