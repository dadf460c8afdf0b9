/** Going on with a file of which a part is here: which answer of the server carries on where it stopped. */

export interface PartState {
  /** What the listing called the file when its first byte came. */
  readonly oid: string;
  /** What the answer's ETag was; null where the page could not read it. */
  readonly etag: string | null;
  readonly size: number;
}

/** Weak and strong names of the same bytes count as one: only identity is asked, never a merge of encodings. */
export function sameEtag(a: string | null, b: string | null): boolean {
  const bare = (etag: string) => etag.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
  // Unreadable: nothing speaks against it, and the hash is checked at the end.
  return a === null || b === null || bare(a) === bare(b);
}

export type RangeVerdict =
  /** The body is what was asked for. */
  | { readonly kind: 'go-on' }
  /** The body is the whole file: what is here is thrown away. */
  | { readonly kind: 'start-over'; readonly reason: string }
  /** The body is of no use; ask again without a range. */
  | { readonly kind: 'ask-anew'; readonly reason: string };

export interface RangeAnswer {
  readonly status: number;
  /** The headers; null where absent or not readable. */
  readonly contentRange: string | null;
  readonly etag: string | null;
}

/** @param from bytes that are here; 0 asks for all */
export function judgeRange(part: PartState, from: number, answer: RangeAnswer): RangeVerdict {
  const changed = !sameEtag(part.etag, answer.etag);
  if (answer.status === 416) return { kind: 'ask-anew', reason: 'the server has fewer bytes than are here' };
  if (answer.status === 200) {
    if (from === 0) return { kind: 'go-on' };
    return { kind: 'start-over', reason: changed ? 'the file changed' : 'the server cannot send a part of a file' };
  }
  if (changed) return { kind: 'ask-anew', reason: 'the file changed' };
  // Without the header to read, the hash at the end is what tells.
  if (answer.contentRange === null) return { kind: 'go-on' };
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.contentRange.trim());
  if (!match || Number(match[1]) !== from) return { kind: 'ask-anew', reason: 'the server sent another part' };
  if (match[3] !== '*' && Number(match[3]) !== part.size) return { kind: 'ask-anew', reason: 'the file changed' };
  return { kind: 'go-on' };
}
