import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../../scripts/serve.mjs';

let base: string;
let site: { url: string; close: () => Promise<void> };

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'whittle-serve-'));
  mkdirSync(join(base, 'site/assets'), { recursive: true });
  writeFileSync(join(base, 'secret.txt'), 'secret');
  writeFileSync(join(base, 'site/index.html'), '<!doctype html>');
  writeFileSync(
    join(base, 'site/module.wasm'),
    Uint8Array.from({ length: 1000 }, (_, at) => at % 256),
  );
  writeFileSync(join(base, 'site/empty.txt'), '');
  writeFileSync(join(base, 'site/assets/main-DXaeO3tG.js'), 'export {}');
  site = await serve(join(base, 'site'));
});
afterAll(async () => {
  await site.close();
  rmSync(base, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}) => fetch(site.url + path, { headers });

test('isolates every answer, errors included', async () => {
  for (const path of ['', 'module.wasm', 'nothing-here']) {
    const { headers } = await get(path);
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
  }
});

test.each([
  ['', 'text/html; charset=utf-8'],
  ['module.wasm', 'application/wasm'],
  ['assets/main-DXaeO3tG.js', 'text/javascript; charset=utf-8'],
])('gives "%s" its type', async (path, type) => {
  const response = await get(path);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe(type);
});

test('keeps hashed files for ever and asks again for the others', async () => {
  expect((await get('assets/main-DXaeO3tG.js')).headers.get('cache-control')).toContain('immutable');
  const first = await get('module.wasm');
  expect(first.headers.get('cache-control')).toBe('no-cache');
  expect((await get('module.wasm', { 'If-None-Match': first.headers.get('etag')! })).status).toBe(304);
});

test.each([
  ['bytes=0-9', 206, 0, 10],
  ['bytes=990-', 206, 990, 10],
  ['bytes=-5', 206, 995, 5],
  ['bytes=990-5000', 206, 990, 10],
  ['bytes=0-0,2-3', 200, 0, 1000],
])('range %s', async (range, status, start, length) => {
  const response = await get('module.wasm', { Range: range });
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect([response.status, bytes.length, bytes[0]]).toEqual([status, length, start % 256]);
  if (status === 206) expect(response.headers.get('content-range')).toBe(`bytes ${start}-${start + length - 1}/1000`);
});

test('refuses ranges past the end', async () => {
  const response = await get('module.wasm', { Range: 'bytes=1000-' });
  expect(response.status).toBe(416);
  expect(response.headers.get('content-range')).toBe('bytes */1000');
});

test('serves an empty file, HEAD, and nothing but GET and HEAD', async () => {
  expect(await (await get('empty.txt')).text()).toBe('');
  const head = await fetch(`${site.url}module.wasm`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, '1000']);
  expect((await fetch(site.url, { method: 'POST' })).status).toBe(405);
});

/** fetch would tidy the path up before it is sent. */
function rawStatus(path: string): Promise<string> {
  const { hostname, port } = new URL(site.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => resolve(`${text.split(' ')[1]} ${text.includes('secret') ? 'leaked' : 'kept'}`));
    socket.on('error', reject);
  });
}

test.each(['/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/assets/..%2f..%2fsecret.txt', '/%00', '/%zz'])(
  'does not leave its directory by %s',
  async (path) => {
    expect(await rawStatus(path)).toMatch(/^40[04] kept$/);
  },
);

test('under a path of a shared host: there, and nowhere beside it', async () => {
  const deep = await serve(join(base, 'site'), { base: '/some/deep/path/' });
  try {
    expect(deep.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/some\/deep\/path\/$/);
    const { origin } = new URL(deep.url);
    const status = async (path: string) => (await fetch(origin + path)).status;
    expect(await status('/some/deep/path/')).toBe(200);
    expect(await status('/some/deep/path/module.wasm')).toBe(200);
    for (const path of ['/', '/module.wasm', '/some/deep/module.wasm', '/some/deep/path', '/..%2fsecret.txt'])
      expect(await status(path), path).toBe(404);
    expect(await status('/some/deep/path/..%2f..%2fsecret.txt')).toBe(400);
  } finally {
    await deep.close();
  }
});

test('text is packed for those who take it so, in whole; binary files and parts are not', async () => {
  const text = 'const one = 1;\n'.repeat(500);
  writeFileSync(join(base, 'site/long.js'), text);
  const packed = await get('long.js', { 'accept-encoding': 'gzip' });
  expect(packed.headers.get('content-encoding')).toBe('gzip');
  expect(packed.headers.get('vary')).toBe('Accept-Encoding');
  expect(await packed.text()).toBe(text);
  const plain = await get('long.js', { 'accept-encoding': 'identity' });
  expect([plain.headers.get('content-encoding'), plain.headers.get('content-length')]).toEqual([null, '7500']);
  const part = await get('long.js', { 'accept-encoding': 'gzip', range: 'bytes=0-9' });
  expect([part.status, part.headers.get('content-encoding'), await part.text()]).toEqual([
    206,
    null,
    text.slice(0, 10),
  ]);
});
