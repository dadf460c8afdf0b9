/** Every way in which people name a repository or one of its files, understood as one thing. */
import { StudioError } from '../base/errors/index.ts';
import { err, ok, type Result } from '../base/result.ts';
import { isFilePath, isRepoName, isRevision } from './names.ts';

export const DEFAULT_HOST = 'https://huggingface.co';
/** The hub's own other names. */
const SAME_HOSTS = new Set(['huggingface.co', 'www.huggingface.co', 'hf.co']);
const MAX_ADDRESS_CHARACTERS = 2000;

export interface HubAddress {
  readonly repo: string;
  /** Null: the repository's usual one, `main`. */
  readonly revision: string | null;
  /** A file, or a folder to look in. */
  readonly path: string | null;
}

/**
 * Reads `name`, `org/name`, `org/name@rev`, `org/name@rev/path`, `hf://org/name@rev/path`, and the addresses of a
 * repository's page (`/org/name`), its folders (`/tree/REV/…`) and its files (`/blob/…`, `/raw/…`, `/resolve/…`).
 * @param host whose addresses are taken besides huggingface.co's, e.g. a mirror's; an origin
 */
export function parseHubAddress(text: string, host: string = DEFAULT_HOST): Result<HubAddress> {
  const trimmed = text.trim().replace(/^["'<]+|[>"']+$/g, '');
  const refuse = (reason: string) =>
    err(
      new StudioError('hub/bad-address', { seen: trimmed.length > 80 ? `${trimmed.slice(0, 80)}…` : trimmed, reason }),
    );
  if (trimmed === '') return refuse('it is empty');
  if (trimmed.length > MAX_ADDRESS_CHARACTERS) return refuse('it is too long');
  if (/^hf:\/\//i.test(trimmed)) return fromShort(trimmed.slice('hf://'.length), refuse);
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)
    ? trimmed
    : /^(?:www\.)?(?:huggingface\.co|hf\.co)\//i.test(trimmed)
      ? `https://${trimmed}`
      : null;
  return withScheme ? fromUrl(withScheme, host, refuse) : fromShort(trimmed, refuse);
}

/** Whether an address is one of the hub's own pages, and so to be opened as a repository. */
export function isHubUrl(text: string, host: string = DEFAULT_HOST): boolean {
  try {
    const url = new URL(text.trim());
    return /^https?:$/.test(url.protocol) && isHostOf(url, host) && parseHubAddress(text, host).ok;
  } catch {
    return false;
  }
}

type Refuse = (reason: string) => Result<never>;

function isHostOf(url: URL, host: string): boolean {
  return SAME_HOSTS.has(url.hostname.toLowerCase()) || url.origin === host;
}

function fromUrl(text: string, host: string, refuse: Refuse): Result<HubAddress> {
  let url: URL;
  let parts: string[];
  try {
    url = new URL(text);
    parts = url.pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return refuse('it is not an address');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return refuse(`it begins with ${url.protocol}`);
  if (!isHostOf(url, host)) return refuse(`it is on ${url.host}`);
  if (parts[0] === 'datasets' || parts[0] === 'spaces')
    return refuse(`it is ${parts[0] === 'datasets' ? 'a data set' : 'a space'}, and no model`);
  if (parts[0] === 'api' && parts[1] === 'models') parts = parts.slice(2);
  const KINDS = new Set(['tree', 'blob', 'raw', 'resolve', 'blame', 'commits', 'commit', 'edit', 'discussions']);
  // A repository without an organization has the kind in second place.
  const length = parts.length > 1 && !KINDS.has(parts[1]!) ? 2 : 1;
  const repo = parts.slice(0, length).join('/');
  const [kind, ...rest] = parts.slice(length);
  if (kind === undefined) return checked({ repo, revision: null, path: null }, refuse);
  if (!KINDS.has(kind)) return refuse(`“/${kind}” is no page of a repository`);
  if (kind === 'discussions') return checked({ repo, revision: null, path: null }, refuse);
  const { revision, path } = splitRevision(rest);
  if (revision === null) return refuse(`there is no revision behind “/${kind}/”`);
  return checked({ repo, revision, path }, refuse);
}

/** `refs/pr/1` and `refs/convert/…` are revisions of three parts; any other in an address is one part. */
function splitRevision(parts: readonly string[]): Pick<HubAddress, 'revision' | 'path'> {
  const length = parts[0] === 'refs' && parts.length >= 3 ? 3 : 1;
  const path = parts.slice(length).join('/');
  return { revision: parts.slice(0, length).join('/') || null, path: path || null };
}

function fromShort(text: string, refuse: Refuse): Result<HubAddress> {
  const at = text.indexOf('@');
  if (at >= 0) {
    const parts = text.slice(at + 1).split('/');
    // `name@rev/path`: as elsewhere, a revision with a slash must be written with %2F, refs/ apart.
    const { revision, path } = splitRevision(parts);
    let decoded: string | null;
    try {
      decoded = revision === null ? null : decodeURIComponent(revision);
    } catch {
      return refuse('its revision has a “%” that stands for nothing');
    }
    if (decoded === null) return refuse('there is no revision behind “@”');
    return checked({ repo: text.slice(0, at), revision: decoded, path }, refuse);
  }
  const parts = text.replace(/\/$/, '').split('/');
  const path = parts.slice(2).join('/');
  return checked({ repo: parts.slice(0, 2).join('/'), revision: null, path: path || null }, refuse);
}

function checked(address: HubAddress, refuse: Refuse): Result<HubAddress> {
  const { repo, revision, path } = address;
  if (!isRepoName(repo)) return refuse(`“${repo}” cannot be the name of a repository`);
  if (revision !== null && !isRevision(revision)) return refuse(`“${revision}” cannot be a revision`);
  if (path !== null && !isFilePath(path)) return refuse(`“${path}” cannot be a path`);
  return ok(address);
}

/** As text that `parseHubAddress` reads back. */
export function formatHubAddress({ repo, revision, path }: HubAddress): string {
  if (revision === null && path === null) return repo;
  const rev = revision ?? 'main';
  const kept = /^refs\/[^/]+\/[^/]+$/.test(rev) ? rev : encodeURIComponent(rev);
  return `${repo}@${kept}${path === null ? '' : `/${path}`}`;
}

/**
 * The origin of a server that speaks as the hub does.
 * @returns without a slash at its end. Plain http only on the user's own machine, since a token may be sent there
 */
export function parseHost(text: string): Result<string> {
  const seen = text.trim();
  const refuse = (reason: string) => err(new StudioError('hub/bad-host', { seen: seen.slice(0, 80), reason }));
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(seen) ? seen : `https://${seen}`);
  } catch {
    return refuse('it is not an address');
  }
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && local))
    return refuse('only https is safe for a token');
  if (url.username || url.password) return refuse('it has a password in it');
  if (url.pathname !== '/' || url.search || url.hash) return refuse('it has a path; only the server is needed');
  return ok(url.origin);
}
