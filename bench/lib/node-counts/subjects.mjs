// The models of the table: those that export.py wrote, the samples, and models from npm packages.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../bundle.mjs';
import { readNpz } from './npz.mjs';

const npm = [
  {
    name: 'silero-vad-legacy (npm)',
    path: 'node_modules/@ricky0123/vad-web/dist/silero_vad_legacy.onnx',
    shapes: { input: [1, 1536], h: [2, 1, 64], c: [2, 1, 64], sr: [] },
  },
];
const sampleShapes = {
  // A page of the size that it was trained for: on a tiny one its outputs are next to nothing.
  'ocr-det': { x: [1, 3, 320, 320] },
  'ocr-cls': { x: [1, 3, 48, 192] },
  'silero-vad': { input: [1, 576], state: [2, 1, 128], sr: [] },
};
/** Where a sample's model leaves a dimension open. */
const defaultDims = { batch: 2, sequence: 16 };

/** @returns subjects: { name, group, path, record?, feeds(inputs): { name: { dtype, dims, data } }, expected? } */
export function subjects(folder) {
  return [...exported(folder), ...samples(), ...npm.filter(({ path }) => existsSync(join(root, path))).map(fromNpm)];
}

function exported(folder) {
  const index = join(folder, 'index.json');
  if (!existsSync(index)) return [];
  const { models } = JSON.parse(readFileSync(index, 'utf8'));
  return models
    .filter(({ file }) => file !== undefined)
    .map((record) => {
      const path = join(folder, record.file);
      return {
        name: record.file.replace(/\.onnx$/, ''),
        group: record.exporter,
        path,
        record,
        load: () => {
          const arrays = readNpz(path.replace(/\.onnx$/, '.npz'));
          const part = (prefix) =>
            Object.fromEntries(
              [...arrays]
                .filter(([key]) => key.startsWith(prefix))
                .map(([key, value]) => [key.slice(prefix.length), value]),
            );
          return { feeds: part('in:'), expected: Object.values(part('out:')) };
        },
      };
    });
}

/** Exports that failed: a table that drops them would claim too much. */
export function failedExports(folder) {
  const index = join(folder, 'index.json');
  if (!existsSync(index)) return [];
  return JSON.parse(readFileSync(index, 'utf8')).models.filter(({ error }) => error !== undefined);
}

function samples() {
  const { samples: list } = JSON.parse(readFileSync(join(root, 'public/samples/index.json'), 'utf8'));
  return list.flatMap(({ id, model, packagePath, dims }) => {
    const path = [join(root, 'public/samples', model), packagePath && join(root, packagePath)].find(
      (one) => one && existsSync(one),
    );
    return path
      ? [
          {
            name: `${id} (sample)`,
            group: 'samples',
            path,
            load: (inputs) => ({ feeds: seededFeeds(inputs, dims, sampleShapes[id]) }),
          },
        ]
      : [];
  });
}

function fromNpm({ name, path, shapes }) {
  const load = (inputs) => ({ feeds: seededFeeds(inputs, undefined, shapes) });
  return { name: name ?? basename(path), group: 'samples', path: join(root, path), load };
}

/** Uniform in -1 to 1, whole numbers in 0 to 9, for the inputs that the session declares. */
function seededFeeds(inputs, named = {}, shapes = {}) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
  const feeds = {};
  for (const { name, type, shape } of inputs) {
    const dims =
      shapes[name] ?? shape.map((dim) => (typeof dim === 'number' ? dim : (named[dim] ?? defaultDims[dim] ?? 1)));
    const length = dims.reduce((a, b) => a * b, 1);
    const whole = () => Math.floor(next() * 10);
    const data = {
      float32: () => Float32Array.from({ length }, () => next() * 2 - 1),
      int64: () =>
        BigInt64Array.from({ length }, () => (name === 'sr' ? 16000n : /mask/.test(name) ? 1n : BigInt(whole()))),
      int32: () => Int32Array.from({ length }, whole),
      bool: () => Uint8Array.from({ length }, () => 1),
    }[type];
    if (!data) throw new Error(`no values for input ${name} of type ${type}`);
    feeds[name] = { dtype: type, dims, data: data() };
  }
  return feeds;
}
