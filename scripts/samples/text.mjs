// Lines of Jane Austen's "Persuasion" (public domain), the source of every rendered text among the samples.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/**
 * @param {string} path plain or gzipped UTF-8 text with Austen's novels one after the other (the Debian package
 *   r-cran-janeaustenr has them)
 * @returns {string[]} the words of "Persuasion", in order, ASCII only
 */
export function persuasionWords(path) {
  const bytes = readFileSync(path);
  const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('utf8');
  const start = text.search(/^Persuasion$/im);
  if (start < 0) throw new Error(`${path} has no "Persuasion"`);
  const rest = text.slice(start);
  const end = rest.search(/^PRIDE AND PREJUDICE$/m);
  return (end > 0 ? rest.slice(0, end) : rest)
    .replace(/--/g, ', ')
    .replace(/_/g, '')
    .split(/\s+/)
    .filter((word) => /^[\x21-\x7e]+$/.test(word) && !/^(CHAPTER|[IVXL]+\.?)$/i.test(word));
}

/**
 * Random stretches of the text, each of `minimum` to `maximum` characters.
 * @param {readonly string[]} words
 * @param {ReturnType<typeof import('./rng.mjs').createRng>} rng
 * @param {{ count: number, minimum: number, maximum: number }} options
 * @returns {string[]}
 */
export function textLines(words, rng, { count, minimum, maximum }) {
  const lines = new Set();
  while (lines.size < count) {
    let at = rng.int(words.length - 40);
    const target = minimum + rng.int(maximum - minimum + 1);
    let line = words[at++];
    while (line.length + 1 + words[at].length <= target) line += ` ${words[at++]}`;
    if (line.length >= minimum && line.length <= maximum) lines.add(line);
  }
  return [...lines];
}
