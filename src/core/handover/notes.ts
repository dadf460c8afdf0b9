/** Collects where the parts of a recipe went, and writes it as the header of the file. */
import type { HandoverContext, HandoverFit, MappingNotes } from './types.ts';

export class NoteTaker implements MappingNotes {
  readonly exact: string[] = [];
  readonly approximate: string[] = [];
  readonly missing: string[] = [];

  isExact(what: string): void {
    this.exact.push(what);
  }

  isClose(what: string): void {
    this.approximate.push(what);
  }

  isMissing(what: string): void {
    this.missing.push(what);
  }

  /** @param hasMethod whether the tool has the recipe's method at all */
  fit(hasMethod: boolean): HandoverFit {
    if (!hasMethod) {
      if (this.missing.length === 0) this.isMissing('The recipe has no step that this tool has.');
      return 'none';
    }
    return this.approximate.length + this.missing.length === 0 ? 'exact' : 'approximate';
  }

  get record(): MappingNotes {
    return { exact: [...this.exact], approximate: [...this.approximate], missing: [...this.missing] };
  }
}

const WIDTH = 116;

/**
 * The header as comment lines.
 * @param title e.g. "onnxruntime.quantization script"
 * @param comment what begins a comment, e.g. "#"
 */
export function headerLines(
  context: HandoverContext,
  title: string,
  writtenFor: string,
  notes: MappingNotes,
  comment = '#',
): string[] {
  const { recipe, modelFile, modelSha256, link } = context;
  const lines = [
    `${oneLine(recipe.name)}: ${title}`,
    `Made by Whittle for ${oneLine(modelFile)}${modelSha256 ? ` (SHA-256 ${modelSha256})` : ''}. Written for ${writtenFor}.`,
    ...section('Maps exactly', notes.exact),
    ...section('Only approximately', notes.approximate),
    ...section('Has no counterpart here, left out', notes.missing),
    ...(link ? ['', 'The study that this recipe was measured in:', `  ${oneLine(link)}`] : []),
  ];
  return lines.flatMap((line) => wrap(line)).map((line) => (line === '' ? comment : `${comment} ${line}`));
}

function section(title: string, sentences: readonly string[]): string[] {
  return sentences.length === 0 ? [] : ['', `${title}:`, ...sentences.map((sentence) => `- ${oneLine(sentence)}`)];
}

/** Names are the user's: a line break in one must not end the comment. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

function wrap(line: string): string[] {
  const indent = line.startsWith('- ') ? '  ' : '';
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > WIDTH) {
      lines.push(current);
      current = indent + word;
    } else current = current === '' && lines.length === 0 ? word : `${current} ${word}`;
  }
  return [...lines, current];
}
