import { describe, expect, test } from 'vitest';
import { headersFile, headersFor, metaPolicy } from '../../../scripts/lib/headers.mjs';
import { headersOf, type OfflinePlan, routeOf } from '../../../src/services/worker/offline/plan.ts';

const scope = 'https://host.example/some/path/';
const plan: OfflinePlan = {
  version: 'v',
  entry: 'assets/index-1.js',
  shell: ['', 'assets/index-1.js', 'samples/index.json'],
  files: { 'ort/a.wasm': 'abc', 'samples/x/data.bin': 'def' },
  headers: {
    '': headersFor('/'),
    '*': headersFor('/*'),
    'assets/': headersFor('/assets/*'),
    'ort/': headersFor('/ort/*'),
    'remote/': headersFor('/remote/*'),
  },
};
const ask = (url: string, options: object = {}) =>
  routeOf({ url, method: 'GET', mode: 'cors', hasRange: false, ...options }, scope, plan);

describe('what the service worker answers', () => {
  test('the page, however it is asked for, and nothing else as a page', () => {
    const page = { kind: 'shell', path: '' };
    for (const path of ['', 'index.html', '?utm=1', '#w1.abc'])
      expect(ask(scope + path, { mode: 'navigate' })).toEqual(page);
    expect(ask(`${scope}assets/index-1.js`, { mode: 'navigate' })).toBeNull();
    expect(ask(`${scope}elsewhere/`, { mode: 'navigate' })).toBeNull();
  });

  test('files of the shell, and runtime and data under the hash of their contents', () => {
    expect(ask(`${scope}assets/index-1.js`)).toEqual({ kind: 'shell', path: 'assets/index-1.js' });
    expect(ask(`${scope}ort/a.wasm`)).toEqual({ kind: 'file', path: 'ort/a.wasm', key: `${scope}ort/a.wasm?abc` });
  });

  test('no other server, no other app of this one, no part of a file, no name of Object', () => {
    for (const url of [
      'https://huggingface.co/ort/a.wasm',
      'https://host.example/ort/a.wasm',
      'https://host.example/some/path',
      `${scope}service.js`,
      `${scope}constructor`,
      `${scope}__proto__`,
    ])
      expect(ask(url), url).toBeNull();
    expect(ask(`${scope}ort/a.wasm`, { hasRange: true })).toBeNull();
    expect(ask(`${scope}ort/a.wasm`, { method: 'HEAD' })).toBeNull();
  });

  test('with the headers that the server would send', () => {
    for (const path of ['', 'assets/x.js', 'ort/a.wasm', 'remote/fetch-1.js', 'favicon.svg', 'samples/x/data.bin'])
      expect(headersOf(path, plan), path).toEqual(headersFor(`/${path}`));
  });
});

describe('the table of headers', () => {
  const directives = (policy: string) => new Map(policy.split('; ').map((one) => [one.split(' ')[0]!, one]));

  test('only one worker may ask other servers, and it may do nothing else', () => {
    for (const path of ['/', '/index.html', '/assets/x.js', '/ort/a.mjs', '/service.js'])
      expect(directives(headersFor(path)['Content-Security-Policy']!).get('connect-src'), path).toBe(
        "connect-src 'self'",
      );
    const remote = directives(headersFor('/remote/fetch-1.js')['Content-Security-Policy']!);
    expect(remote.get('connect-src')).toBe('connect-src http: https:');
    expect(remote.get('default-src')).toBe("default-src 'none'");
    expect([...remote.keys()].sort()).toEqual(['connect-src', 'default-src', 'script-src']);
  });

  test('no policy anywhere lets inline code or strings through', () => {
    expect(headersFile()).not.toMatch(/unsafe-inline|'unsafe-eval'|unsafe-hashes|data:/);
  });

  test('the meta tag says what the header says, but for what only a header can say', () => {
    const header = directives(headersFor('/')['Content-Security-Policy']!);
    const meta = directives(metaPolicy);
    expect([...header.keys()].filter((name) => !meta.has(name))).toEqual(['frame-ancestors']);
    for (const [name, text] of meta) expect(text).toBe(header.get(name));
  });

  test('no two rules set the same header for one path: hosts differ in what wins', () => {
    const rules = headersFile()
      .trim()
      .split('\n\n')
      .map((rule) => rule.split('\n') as [string, ...string[]]);
    for (const [path, ...lines] of rules) {
      const seen = rules
        .filter(([other]) => other === path || (other.endsWith('*') && path.startsWith(other.slice(0, -1))))
        .flatMap(([, ...others]) => others.map((line) => line.trim().split(': ')[0]));
      expect(new Set(seen).size, path).toBe(seen.length);
      expect(lines.length).toBeGreaterThan(0);
    }
  });
});
