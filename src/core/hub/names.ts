/** What may be a repository, a revision or a path: these become parts of addresses and names of stored files. */

const MAX_PART_CHARACTERS = 96;
const MAX_PATH_CHARACTERS = 500;
const MAX_REVISION_CHARACTERS = 200;
/** First segments of the hub's addresses that are no organization: data sets, demos, pages of its own. */
const RESERVED = new Set([
  'api',
  'datasets',
  'spaces',
  'docs',
  'models',
  'settings',
  'join',
  'login',
  'blog',
  'papers',
]);

/** The hub's rule: letters, digits, `-`, `_`, `.`; no `--` or `..`; begins and ends with neither `-` nor `.`. */
function isNamePart(part: string): boolean {
  return (
    part.length <= MAX_PART_CHARACTERS &&
    /^[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/.test(part) &&
    !part.includes('--') &&
    !part.includes('..')
  );
}

/** `organization/name` or `name`. */
export function isRepoName(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every(isNamePart) && !RESERVED.has(parts[0]!.toLowerCase());
}

/** Relative, with `/`, and without steps that lead up or nowhere. */
export function isFilePath(text: string): boolean {
  if (text.length === 0 || text.length > MAX_PATH_CHARACTERS || hasControlCharacter(text) || text.includes('\\'))
    return false;
  return text.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** A branch, tag, commit or `refs/pr/1`: what git allows, as far as it matters in an address. */
export function isRevision(text: string): boolean {
  return (
    text.length > 0 &&
    text.length <= MAX_REVISION_CHARACTERS &&
    !/[\s~^:?*[\\]/.test(text) &&
    !hasControlCharacter(text) &&
    !text.includes('..') &&
    text.split('/').every((part) => part !== '' && part !== '.')
  );
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < ' ' || character === '\u007f');
}
