/** What the service worker does when it is installed, started, asked and told something. */
import {
  FILES_CACHE,
  fileKey,
  headersOf,
  type OfflineMessage,
  type OfflinePlan,
  PAGE_LOCK,
  type Route,
  routeOf,
  SHELL_CACHE,
} from './plan.ts';

const ATTEMPTS = 3;
const PAUSE_MS = 500;

/** One of a hundred connections that breaks off must not cost the whole version. Behind whatever the page is loading. */
async function persistentFetch(url: string, cache: RequestCache): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetch(url, { cache, priority: 'low' });
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await new Promise((go) => setTimeout(go, PAUSE_MS * attempt));
    }
  }
}

/** As scripts/lib/service-plan.mjs makes it. */
async function hashOf(contents: Blob): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await contents.arrayBuffer()));
  return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Caches of this app alone: other apps of the same origin have their own, under other paths. */
const own = (name: string, scope: string) => `${name}@${scope}`;

export function runService(scope: ServiceWorkerGlobalScope, plan: OfflinePlan): void {
  const home = scope.registration.scope;
  const shellName = own(SHELL_CACHE + plan.version, home);
  const filesName = own(FILES_CACHE, home);
  const address = (path: string) => home + path;

  /** All of the shell or nothing: an update that cannot be had whole is tried again at the next visit. */
  async function install(): Promise<void> {
    const shell = await caches.open(shellName);
    await Promise.all(
      plan.shell.map(async (path) => {
        // Names with a hash never change; anything else may lie in the browser's cache from before.
        const cache = /^(assets|remote)\//.test(path) ? 'default' : 'no-cache';
        const response = await persistentFetch(address(path), cache);
        if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
        const body = await response.blob();
        // In the middle of a deployment the host may give the page of one build beside the files of another.
        if (path === '' && !(await body.text()).includes(plan.entry)) throw new Error('the page is of another build');
        // Made anew: a response that was redirected is refused as a page.
        await shell.put(address(path), new Response(body, { headers: response.headers }));
      }),
    );
  }

  async function activate(): Promise<void> {
    await forgetOld();
    // Without this, the page of the first visit would load runtime and samples past us.
    await scope.clients.claim();
  }

  /** Shells of builds that no page shows any more, and files with other contents than this build's. */
  async function forgetOld(): Promise<void> {
    const held = ((await scope.navigator.locks.query()).held ?? [])
      .map(({ name = '' }) => name)
      .filter((name) => name.startsWith(PAGE_LOCK))
      .map((name) => name.slice(PAGE_LOCK.length));
    const current = await caches.open(shellName);
    for (const name of await caches.keys()) {
      if (!name.startsWith(SHELL_CACHE) || !name.endsWith(`@${home}`) || name === shellName) continue;
      const old = await caches.open(name);
      const shown = await Promise.all(
        held.map(async (script) => !!(await old.match(script)) && !(await current.match(script))),
      );
      if (!shown.includes(true)) await caches.delete(name);
    }
    const files = await caches.open(filesName);
    const wanted = new Set(Object.entries(plan.files).map(([path, hash]) => fileKey(home, path, hash)));
    for (const { url } of await files.keys()) if (!wanted.has(url)) await files.delete(url);
  }

  function answer(route: Route, event: FetchEvent): Promise<Response> {
    return route.kind === 'shell' ? answerShell(route.path, event) : answerFile(route, event);
  }

  async function answerShell(path: string, event: FetchEvent): Promise<Response> {
    const known = await (await caches.open(shellName)).match(address(path));
    return completed(known ?? (await fetch(event.request)), path);
  }

  async function answerFile({ path, key }: Route & { kind: 'file' }, event: FetchEvent): Promise<Response> {
    const files = await caches.open(filesName);
    const known = await files.match(key);
    if (known) return completed(known, path);
    const response = await fetch(event.request);
    // A disk that is full costs a download next time, nothing else.
    if (response.ok) event.waitUntil(files.put(key, response.clone()).catch(() => {}));
    return completed(response, path);
  }

  /** With the headers that the host does not send. */
  function completed(response: Response, path: string): Response {
    const missing = Object.entries(headersOf(path, plan)).filter(([name]) => !response.headers.has(name));
    if (missing.length === 0 || response.status === 0) return response;
    const headers = new Headers([...response.headers, ...missing]);
    const { status, statusText } = response;
    return new Response(status === 204 || status === 304 ? null : response.body, { status, statusText, headers });
  }

  /** What was loaded before we were there; from the browser's cache as a rule. */
  async function keep(paths: readonly string[]): Promise<void> {
    const files = await caches.open(filesName);
    for (const [path, hash] of Object.entries(plan.files)) {
      if (!paths.some((start) => path.startsWith(start))) continue;
      const key = fileKey(home, path, hash);
      if (await files.match(key)) continue;
      const response = await fetch(address(path)).catch(() => null);
      if (response?.ok) await files.put(key, response);
    }
  }

  /** What a page of this build downloaded; a page of another build may have other contents under the same name. */
  async function keepGiven(path: string, contents: Blob): Promise<void> {
    const hash = Object.hasOwn(plan.files, path) ? plan.files[path] : undefined;
    if (hash === undefined) return;
    const files = await caches.open(filesName);
    const key = fileKey(home, path, hash);
    if ((await files.match(key)) || (await hashOf(contents)) !== hash) return;
    await files.put(key, new Response(contents, { headers: { 'content-type': contents.type } }));
  }

  scope.addEventListener('install', (event) => event.waitUntil(install()));
  scope.addEventListener('activate', (event) => event.waitUntil(activate()));
  scope.addEventListener('fetch', (event) => {
    const { url, method, mode, headers } = event.request;
    const route = routeOf({ url, method, mode, hasRange: headers.has('range') }, home, plan);
    // Everything else is the browser's: what the user typed goes out as it would without us.
    if (route) event.respondWith(answer(route, event));
  });
  scope.addEventListener('message', (event) => {
    const message = event.data as OfflineMessage;
    if (message.kind === 'take-over') event.waitUntil(scope.skipWaiting());
    else if (message.kind === 'started') event.waitUntil(forgetOld().catch(() => {}));
    else if (message.kind === 'given') event.waitUntil(keepGiven(message.path, message.contents).catch(() => {}));
    else event.waitUntil(keep(message.paths).catch(() => {}));
  });
}
