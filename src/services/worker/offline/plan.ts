/**
 * What the build tells the service worker (scripts/lib/service-plan.mjs): every file of the app, and what to do with it.
 * Paths are relative to where the app lies; the page itself is ''.
 */
export interface OfflinePlan {
  /** Of all that belongs to the shell; names its cache. */
  readonly version: string;
  /** The page's main script: a page that does not name it belongs to another build. */
  readonly entry: string;
  /** Kept at once, so that the app opens without a network. */
  readonly shell: readonly string[];
  /** Kept when they were first asked for: the runtime, the samples' data. Path -> hash of the contents. */
  readonly files: Readonly<Record<string, string>>;
  /** What must be sent with the page (''), with the files of a folder ('assets/'), and with all others ('*'). */
  readonly headers: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export const SHELL_CACHE = 'whittle-shell-';
export const FILES_CACHE = 'whittle-files';
/** Every page holds a shared lock of this name and the address of its main script, so that its files are not deleted. */
export const PAGE_LOCK = 'whittle-page ';

/** What pages say to the service worker. */
export type OfflineMessage =
  /** The user wants the new version. */
  | { readonly kind: 'take-over' }
  /** A page has begun and holds its lock: what no other shows can be deleted. */
  | { readonly kind: 'started' }
  /** Loaded before the service worker was there to see it: paths, or beginnings of paths. */
  | { readonly kind: 'keep'; readonly paths: readonly string[] }
  /** A file that the page has downloaded. */
  | { readonly kind: 'given'; readonly path: string; readonly contents: Blob };

export type Route =
  | { readonly kind: 'shell'; readonly path: string }
  /** `key`: the address under which these contents are kept; other contents are another file. */
  | { readonly kind: 'file'; readonly path: string; readonly key: string };

export interface Asked {
  readonly url: string;
  readonly method: string;
  /** `navigate` for pages. */
  readonly mode: string;
  readonly hasRange: boolean;
}

/** @param scope absolute, ends in '/' @returns null: none of the app's files, left to the browser */
export function routeOf({ url, method, mode, hasRange }: Asked, scope: string, plan: OfflinePlan): Route | null {
  if (method !== 'GET' || hasRange || !url.startsWith(scope)) return null;
  // A fragment is never sent; a question mark changes nothing about files.
  const path = url.slice(scope.length).replace(/[?#].*$/s, '');
  if (mode === 'navigate') return path === '' || path === 'index.html' ? { kind: 'shell', path: '' } : null;
  if (plan.shell.includes(path)) return { kind: 'shell', path };
  const hash = Object.hasOwn(plan.files, path) ? plan.files[path] : undefined;
  return hash === undefined ? null : { kind: 'file', path, key: fileKey(scope, path, hash) };
}

export function fileKey(scope: string, path: string, hash: string): string {
  return `${scope}${path}?${hash}`;
}

/** For hosts that do not send what threads and the policy need. */
export function headersOf(path: string, { headers }: OfflinePlan): Readonly<Record<string, string>> {
  const folder = path.slice(0, path.indexOf('/') + 1);
  const place = path === '' || (folder !== '' && Object.hasOwn(headers, folder)) ? folder : '*';
  return headers[place] ?? {};
}
