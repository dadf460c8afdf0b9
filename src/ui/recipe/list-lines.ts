/** The lines of a list that is being edited, and which of them may go into the recipe. */

/** Pasted text: one entry a line, or separated by a comma and a space. */
export function splitEntries(text: string): string[] {
  return text
    .split(/\r?\n|[,;]\s+/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** Entries of the lines that are right: trimmed, each once, in order. */
export function goodEntries(lines: readonly string[], problems: ReadonlyMap<number, string>): string[] {
  const good = lines.map((line) => line.trim()).filter((line, index) => line !== '' && !problems.has(index));
  return [...new Set(good)];
}

export function sameEntries(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((entry, index) => entry === b[index]);
}

/** One empty line at the end is where the next entry goes. */
export function withEmptyLine(lines: readonly string[]): string[] {
  return lines.at(-1)?.trim() === '' ? [...lines] : [...lines, ''];
}
