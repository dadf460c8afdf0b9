/** The hub's addresses. A revision is one part, its slashes escaped; a path keeps its slashes. */

const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

export const modelInfoUrl = (host: string, repo: string, revision: string): string =>
  `${host}/api/models/${encodePath(repo)}/revision/${encodeURIComponent(revision)}`;

export const treeUrl = (host: string, repo: string, revision: string): string =>
  `${host}/api/models/${encodePath(repo)}/tree/${encodeURIComponent(revision)}?recursive=true`;

export const fileUrl = (host: string, repo: string, revision: string, path: string): string =>
  `${host}/${encodePath(repo)}/resolve/${encodeURIComponent(revision)}/${encodePath(path)}`;

/** The page where a person accepts the terms of a gated repository. */
export const pageUrl = (host: string, repo: string): string => `${host}/${encodePath(repo)}`;

/**
 * The next page of a listing (RFC 8288, `rel="next"`).
 * @returns null when there is none, or when it leads to another server: the token must not go there
 */
export function nextPage(link: string | null, current: string): string | null {
  if (!link) return null;
  for (const part of link.split(/,(?=\s*<)/)) {
    const match = /^\s*<([^>]*)>\s*;(.*)$/s.exec(part);
    if (!match || !/(?:^|;)\s*rel\s*=\s*"?(?:[^";]*\s)?next(?:\s[^";]*)?"?\s*(?:;|$)/i.test(match[2]!)) continue;
    try {
      const next = new URL(match[1]!, current);
      if (next.origin === new URL(current).origin && next.href !== current) return next.href;
    } catch {
      // Not an address: as good as none.
    }
    return null;
  }
  return null;
}
