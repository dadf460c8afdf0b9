// What the service worker must know of a build: its type is OfflinePlan in src/services/worker/offline/plan.ts.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { headersFor } from './headers.mjs';

/** Hosts read these, pages do not. */
const NOT_SERVED = ['_headers', 'service.js'];

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

function* filesIn(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.isFile()) yield path;
  }
}

/** @param {string} directory the built app */
export function servicePlan(directory) {
  const paths = [...filesIn(directory)].map((file) => relative(directory, file).split(sep).join('/')).sort();
  const read = (path) => readFileSync(join(directory, path));
  // The page keeps these itself (services/samples.ts).
  const models = JSON.parse(read('samples/index.json')).samples.map(({ model }) => `samples/${model}`);
  const shell = [];
  const files = {};
  const all = createHash('sha256');
  for (const path of paths) {
    if (NOT_SERVED.includes(path) || path.endsWith('.map') || models.includes(path)) continue;
    const hash = hashOf(read(path));
    if (/^(ort|samples)\//.test(path) && path !== 'samples/index.json') files[path] = hash;
    else {
      shell.push(path === 'index.html' ? '' : path);
      all.update(`${path} ${hash}\n`);
    }
  }
  const entry = /<script type="module"[^>]* src="\.\/([^"]+)"/.exec(read('index.html').toString())?.[1];
  if (!entry) throw new Error('index.html names no main script');
  const headers = { '': headersFor('/'), '*': headersFor('/*') };
  for (const folder of ['assets/', 'ort/', 'remote/']) headers[folder] = headersFor(`/${folder}*`);
  return { version: all.digest('hex').slice(0, 16), entry, shell, files, headers };
}
