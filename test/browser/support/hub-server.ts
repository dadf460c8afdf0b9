/**
 * A hub of repositories on this machine that speaks the addresses of huggingface.co: an API origin with model info, paged
 * listings and redirects, and a second origin that the large files come from. It can be slow, busy, break off, and
 * damage what it sends.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubRepository {
  readonly files: Map<string, Uint8Array>;
  /** Who may download needs this token. */
  readonly gated?: string;
}

export interface Seen {
  readonly origin: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  /** Of the body, handed to the connection so far. */
  sent: number;
}

export interface HubServer {
  readonly url: string;
  readonly seen: Seen[];
  readonly repositories: Map<string, HubRepository>;
  /** How it behaves; the tests change it. */
  readonly mood: {
    bytesPerSecond: number;
    /** So many answers of 429 to come. */
    busy: number;
    /** Breaks the next connections off after so many bytes of a large file's body. */
    breakAfter: number[];
    /** Part of the large files' ETags. */
    version: string;
    down: boolean;
    /** Sends large files with their last byte turned over. */
    damaged: boolean;
  };
  readonly downloads: () => Seen[];
  commitOf(repo: string): string;
  close(): Promise<void>;
}

const hash = (algorithm: 'sha1' | 'sha256', ...parts: (string | Uint8Array)[]) =>
  parts.reduce((sum, part) => sum.update(part), createHash(algorithm)).digest('hex');

const isLarge = (path: string) => /\.onnx|data/.test(path);
const PAGE = 3;

/** As the hub sends them to other pages. */
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'authorization, range',
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
  'Access-Control-Expose-Headers':
    'X-Repo-Commit, X-Request-Id, X-Error-Code, X-Error-Message, X-Total-Count, ETag, Link, Accept-Ranges, Content-Range, X-Linked-Size, X-Linked-ETag, X-Xet-Hash',
};

export async function startHub(): Promise<HubServer> {
  const seen: Seen[] = [];
  const repositories = new Map<string, HubRepository>();
  const mood: HubServer['mood'] = {
    bytesPerSecond: Number.POSITIVE_INFINITY,
    busy: 0,
    breakAfter: [],
    version: '1',
    down: false,
    damaged: false,
  };
  const commitOf = (repo: string) => hash('sha1', repo);
  const note = (origin: Seen['origin'], request: IncomingMessage): Seen => {
    const { authorization, range } = request.headers;
    const entry = { origin, method: request.method ?? '', path: request.url ?? '', authorization, range, sent: 0 };
    seen.push(entry);
    return entry;
  };

  const cdn = createServer((request, response) => {
    const entry = note('cdn', request);
    if (request.method === 'OPTIONS') return void response.writeHead(204, CORS).end();
    const [repo, path] = decodeURIComponent(new URL(request.url!, 'http://cdn').pathname.slice(1)).split('|') as [
      string,
      string,
    ];
    const bytes = repositories.get(repo)?.files.get(path);
    if (!bytes) return void response.writeHead(403, CORS).end('no such signature');
    const sent = Uint8Array.from(bytes);
    if (mood.damaged) sent[sent.length - 1]! ^= 0xff;
    void sendBody(sent, request, response, entry, mood);
  });
  const cdnUrl = await listen(cdn);

  const hub = createServer((request, response) => {
    const entry = note('hub', request);
    if (mood.down) return void request.socket.destroy();
    if (request.method === 'OPTIONS') return void response.writeHead(204, CORS).end();
    const refuse = (status: number, code: string, text: string) =>
      void response
        .writeHead(status, { ...CORS, 'X-Error-Code': code, 'X-Error-Message': text })
        .end(JSON.stringify({ error: text }));
    if (mood.busy > 0) {
      mood.busy -= 1;
      return void response.writeHead(429, { ...CORS, 'Retry-After': '1' }).end();
    }
    const url = new URL(request.url!, 'http://hub');
    const parts = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    const isApi = parts[0] === 'api';
    const rest = isApi ? parts.slice(2) : parts;
    const repo = rest.slice(0, 2).join('/');
    const [kind, revision, ...segments] = rest.slice(2);
    const found = repositories.get(repo);
    if (!found) return refuse(401, 'RepoNotFound', 'Invalid username or password.');
    const commit = commitOf(repo);
    if (revision !== 'main' && revision !== commit)
      return refuse(404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    const token = request.headers.authorization?.replace('Bearer ', '');
    if (found.gated && token !== undefined && token !== found.gated)
      return void response
        .writeHead(401, { ...CORS, 'X-Error-Message': 'Invalid credentials in Authorization header' })
        .end();
    if (isApi && kind === 'revision')
      return json(response, {
        id: repo,
        sha: commit,
        gated: found.gated ? 'manual' : false,
        pipeline_tag: 'image-classification',
        new_field: {},
      });
    if (isApi && kind === 'tree') {
      const rows = [...found.files].map(([path, bytes]) => rowOf(path, bytes));
      const cursor = Number(url.searchParams.get('cursor') ?? 0);
      const next = cursor + PAGE;
      url.searchParams.set('cursor', String(next));
      const link = next < rows.length ? { Link: `<${origin()}${url.pathname}${url.search}>; rel="next"` } : {};
      return json(response, rows.slice(cursor, next), link);
    }
    if (kind !== 'resolve') return refuse(404, 'EntryNotFound', 'no page');
    if (found.gated && token !== found.gated)
      return refuse(token ? 403 : 401, 'GatedRepo', `Access to model ${repo} is restricted.`);
    const path = segments.join('/');
    const bytes = found.files.get(path);
    if (!bytes) return refuse(404, 'EntryNotFound', 'Entry not found');
    const headers = { ...CORS, 'X-Repo-Commit': commit, 'X-Linked-Size': String(bytes.length) };
    if (isLarge(path)) {
      const etag = `"${hash('sha256', bytes)}"`;
      const location = `${cdnUrl}/${encodeURIComponent(`${repo}|${path}`)}?Signature=x`;
      return void response.writeHead(302, { ...headers, 'X-Linked-ETag': etag, Location: location }).end();
    }
    response
      .writeHead(200, { ...headers, ETag: `"${hash('sha1', bytes)}"`, 'Content-Length': bytes.length })
      .end(bytes);
    entry.sent = bytes.length;
  });
  const hubUrl = await listen(hub);
  const origin = () => hubUrl;
  return {
    url: hubUrl,
    seen,
    repositories,
    mood,
    commitOf,
    downloads: () => seen.filter((entry) => entry.origin === 'cdn' && entry.method === 'GET'),
    close: async () => {
      for (const server of [hub, cdn]) {
        server.closeAllConnections();
        await new Promise((closed) => server.close(closed));
      }
    },
  };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { ...CORS, ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

/** A file in the hub's large storage is listed by what its pointer says, any other by git's name for it. */
function rowOf(path: string, bytes: Uint8Array) {
  const oid = hash('sha1', `blob ${bytes.length}\0`, bytes);
  if (!isLarge(path)) return { type: 'file', oid, size: bytes.length, path };
  const lfs = { oid: hash('sha256', bytes), size: bytes.length, pointerSize: 134 };
  return { type: 'file', oid: hash('sha1', path), size: bytes.length, path, lfs, xetHash: 'x' };
}

async function sendBody(
  bytes: Uint8Array,
  request: IncomingMessage,
  response: ServerResponse,
  entry: Seen,
  mood: HubServer['mood'],
): Promise<void> {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const from = match ? Number(match[1]) : 0;
  const etag = `"${mood.version}-${hash('sha256', bytes)}"`;
  if (from >= bytes.length && from > 0)
    return void response.writeHead(416, { ...CORS, 'Content-Range': `bytes */${bytes.length}` }).end();
  response.writeHead(match ? 206 : 200, {
    ...CORS,
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Content-Length': bytes.length - from,
    ...(match ? { 'Content-Range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  const breakAfter = mood.breakAfter.shift();
  const SLICE = 65_536;
  for (let at = from; at < bytes.length && !response.destroyed; at += SLICE) {
    const slice = bytes.subarray(at, Math.min(bytes.length, at + SLICE));
    if (!response.write(slice))
      await new Promise<void>((go) => {
        const next = () => {
          response.off('drain', next).off('close', next);
          go();
        };
        response.on('drain', next).on('close', next);
      });
    entry.sent += slice.length;
    if (breakAfter !== undefined && entry.sent >= breakAfter) {
      // Lets what was written leave before the connection goes.
      await new Promise((go) => setTimeout(go, 100));
      return void response.destroy();
    }
    if (Number.isFinite(mood.bytesPerSecond))
      await new Promise((go) => setTimeout(go, (slice.length / mood.bytesPerSecond) * 1000));
  }
  response.end();
}
