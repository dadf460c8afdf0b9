// A static file server with the headers of lib/headers.mjs, and nothing else: `npm start` and the browser tests serve the
// built app with it.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { createGzip } from 'node:zlib';
import { headersFor } from './lib/headers.mjs';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/**
 * Serves a directory until `close` is called.
 * @param {string} directory
 * @param {{ port?: number, host?: string, base?: string, bare?: boolean }} [options] port 0: any free one; base: the path
 *   under which it is served, as on a host that is shared with others; begins and ends with '/'; bare: no headers but
 *   the files' types, as the plainest of hosts
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} url ends in '/'
 */
export async function serve(directory, { port = 0, host = '127.0.0.1', base = '/', bare = false } = {}) {
  const root = resolve(directory);
  const server = createServer((request, response) => {
    answer(root, base, bare, request, response).catch(() => end(response, 500, 'internal error'));
  });
  await new Promise((listening, failed) => {
    server.once('error', failed);
    server.listen(port, host, listening);
  });
  const { port: used } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${used}${base}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        // Browsers keep connections open; waiting for them would keep the process alive.
        server.closeAllConnections();
      }),
  };
}

async function answer(root, base, bare, request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, 'method not allowed');
  const path = requestedPath(root, base, request.url);
  if (path === undefined) return end(response, 400, 'bad path');
  const file = path && (await fileAt(path));
  if (!file) return end(response, 404, 'not found');

  const etag = `"${file.size.toString(16)}-${Math.trunc(file.mtimeMs).toString(16)}"`;
  const headers = {
    'Content-Type': types[extname(file.path).toLowerCase()] ?? 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    // Asked for again and answered with 304, unless the table says otherwise.
    'Cache-Control': 'no-cache',
    ...(bare ? {} : headersFor(path === root ? '/' : path.slice(root.length).split(sep).join('/'))),
    ETag: etag,
  };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = wantedRange(request.headers.range, file.size);
  if (range === 'unsatisfiable') {
    response.writeHead(416, { ...headers, 'Content-Range': `bytes */${file.size}` }).end();
    return;
  }
  if (!range && request.method === 'GET' && isWorthPacking(headers['Content-Type'], file.size, request)) {
    response.writeHead(200, { ...headers, 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' });
    pipeline(createReadStream(file.path), createGzip(), response, () => {});
    return;
  }
  const [start, last] = range ?? [0, file.size - 1];
  response.writeHead(range ? 206 : 200, {
    ...headers,
    'Content-Length': last - start + 1,
    ...(range && { 'Content-Range': `bytes ${start}-${last}/${file.size}` }),
  });
  if (request.method === 'HEAD' || file.size === 0) {
    response.end();
    return;
  }
  const stream = createReadStream(file.path, { start, end: last });
  stream.on('error', () => response.destroy());
  response.on('close', () => stream.destroy());
  stream.pipe(response);
}

const SMALLEST_PACKED_BYTES = 1024;

/** Text, as every host packs it. The runtime and models stay as they are: their length says how far a download is. */
function isWorthPacking(type, bytes, request) {
  const accepts = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  return accepts && bytes >= SMALLEST_PACKED_BYTES && /^text\/|json|svg/.test(type);
}

/** The file system path a URL names, undefined when it is malformed or leads out of the root, null beside the base. */
function requestedPath(root, base, url) {
  let pathname;
  try {
    pathname = decodeURIComponent(new URL(url ?? '/', 'http://host').pathname);
  } catch {
    return undefined;
  }
  if (pathname.includes('\0')) return undefined;
  // What lies beside the base is another's.
  if (!pathname.startsWith(base)) return null;
  const path = normalize(join(root, pathname.slice(base.length - 1)));
  return path === root || path.startsWith(root + sep) ? path : undefined;
}

async function fileAt(path) {
  for (const candidate of [path, join(path, 'index.html')]) {
    const found = await stat(candidate).catch(() => undefined);
    if (found?.isFile()) return { path: candidate, size: found.size, mtimeMs: found.mtimeMs };
  }
  return undefined;
}

/** One range (RFC 9110 §14.1.2); several at once are answered with the whole file, which the RFC allows. */
function wantedRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const suffix = match[1] === '';
  const start = suffix ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = suffix || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > last || start >= size ? 'unsatisfiable' : [start, last];
}

function end(response, status, text) {
  if (response.headersSent) return response.destroy();
  response.writeHead(status, { ...headersFor('/error'), 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [directory = 'dist', port = '4173'] = process.argv.slice(2);
  const { url } = await serve(directory, { port: Number(port) });
  console.log(url);
}
