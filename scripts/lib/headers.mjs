// The one table of what is sent with which file: the server, Vite's preview, a host's `_headers` file, the meta tag in
// index.html and the service worker all go by it.

/** Threads in WebAssembly need SharedArrayBuffer, which browsers give only to cross-origin isolated pages. */
export const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const everywhere = {
  ...isolation,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

const page = {
  'default-src': "'none'",
  'script-src': "'self' 'wasm-unsafe-eval'",
  'style-src': "'self'",
  // blob: a chart is drawn from its own SVG when it is saved as PNG.
  'img-src': "'self' blob:",
  'connect-src': "'self'",
  'worker-src': "'self'",
  'manifest-src': "'self'",
  'object-src': "'none'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
  // The only policy is src/services/trusted-types.ts: it lets scripts of this origin be started as workers.
  'require-trusted-types-for': "'script'",
  'trusted-types': 'default',
};

const worker = {
  'default-src': "'none'",
  'script-src': "'self' 'wasm-unsafe-eval'",
  'connect-src': "'self'",
  'worker-src': "'self'",
};

/** What the user typed or confirmed is fetched here (workers/fetch.ts), and nowhere else. */
const remote = {
  'default-src': "'none'",
  'script-src': "'self'",
  'connect-src': 'http: https:',
};

/** These say nothing in a meta tag, and browsers complain of them there. */
const HEADER_ONLY = ['frame-ancestors'];

const written = (directives) =>
  Object.entries(directives)
    .map((entry) => entry.join(' '))
    .join('; ');

/** For `<meta http-equiv="Content-Security-Policy">`, which holds where the host sends no headers. */
export const metaPolicy = written(
  Object.fromEntries(Object.entries(page).filter(([directive]) => !HEADER_ONLY.includes(directive))),
);

const policy = (directives) => ({ 'Content-Security-Policy': written(directives) });
const forever = { 'Cache-Control': 'public, max-age=31536000, immutable' };

/**
 * Paths relative to where the app lies, `*` at the end for everything below. All rules that fit apply, as on the hosts
 * that read `_headers`; no two of them set the same header for the same path, since hosts differ in what wins.
 * @type {readonly { path: string, headers: Record<string, string> }[]}
 */
export const headerRules = [
  { path: '/*', headers: everywhere },
  { path: '/', headers: policy(page) },
  { path: '/index.html', headers: policy(page) },
  { path: '/service.js', headers: policy(worker) },
  { path: '/assets/*', headers: { ...policy(worker), ...forever } },
  { path: '/ort/*', headers: policy(worker) },
  { path: '/remote/*', headers: { ...policy(remote), ...forever } },
];

/** @param {string} path begins with '/', relative to where the app lies @returns {Record<string, string>} */
export function headersFor(path) {
  const fits = (rule) => (rule.endsWith('*') ? path.startsWith(rule.slice(0, -1)) : path === rule);
  return Object.assign({}, ...headerRules.filter((rule) => fits(rule.path)).map(({ headers }) => headers));
}

/** The table as Cloudflare Pages, Netlify and others read it beside the files of a site. */
export function headersFile() {
  return headerRules
    .map(({ path, headers }) => [path, ...Object.entries(headers).map((entry) => `  ${entry.join(': ')}`)].join('\n'))
    .join('\n\n')
    .concat('\n');
}
