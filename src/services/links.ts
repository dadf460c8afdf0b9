/** The page's address: everything sits after '#', so no server ever sees it. */
import type { Result } from '../core/base/result.ts';
import { decodeLink, encodeStudy, type LinkContents } from '../core/study/link.ts';
import type { Study } from '../core/study/schema.ts';
import type { SharedFigures } from '../core/study/shared-figures.ts';

/** @returns null when the address carries no study */
export function readLink(hash: string = location.hash): Result<LinkContents> | null {
  return hash.replace(/^#/, '') === '' ? null : decodeLink(hash);
}

/**
 * The address that reproduces the study: recipes, targets, task, gate and view; the model only by reference.
 * @param figures what was measured of it here, to be shown to whoever opens the link
 */
export function linkTo(study: Study, figures: SharedFigures | null = null): string {
  const address = new URL(location.href);
  address.hash = encodeStudy(study, figures);
  return address.href;
}

/** Puts the study into the address bar without adding to the browser's history. */
export function writeLink(study: Study): void {
  history.replaceState(null, '', `#${encodeStudy(study)}`);
}

export function clearLink(): void {
  history.replaceState(null, '', location.pathname + location.search);
}

/** @throws when the browser denies the clipboard */
export async function copyText(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
