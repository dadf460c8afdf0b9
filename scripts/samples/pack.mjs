// Trained models as git keeps them: their bytes at even places, then those at odd places, in one Brotli stream. The two
// halves of a float16 compress apart (the upper one to two thirds), so this is a sixth smaller; scripts/assets.mjs turns
// it back. After a training, run this to pack what it wrote: node scripts/samples/pack.mjs [ID...]
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'scripts/samples/packed');

/** Every packed model, with the path that it unpacks to. */
export const packedModels = () =>
  readdirSync(folder).map((name) => ({
    packed: join(folder, name),
    target: join(root, 'public/samples', name.replace(/\.br$/, ''), 'model.fp16w.onnx'),
  }));

/** @param {Uint8Array} bytes */
export function pack(bytes) {
  const planes = new Uint8Array(bytes.length);
  const half = Math.ceil(bytes.length / 2);
  for (let i = 0; i < bytes.length; i++) planes[i % 2 === 0 ? i / 2 : half + (i - 1) / 2] = bytes[i];
  return brotliCompressSync(planes, {
    params: {
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: planes.length,
    },
  });
}

/** @param {Uint8Array} packed */
export function unpack(packed) {
  const planes = brotliDecompressSync(packed);
  const half = Math.ceil(planes.length / 2);
  const bytes = new Uint8Array(planes.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = planes[i % 2 === 0 ? i / 2 : half + (i - 1) / 2];
  return bytes;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(folder, { recursive: true });
  const samples = join(root, 'public/samples');
  const ids = process.argv.slice(2);
  for (const id of ids.length > 0 ? ids : readdirSync(samples)) {
    const path = join(samples, id, 'model.fp16w.onnx');
    if (!existsSync(path)) continue;
    const bytes = readFileSync(path);
    const packed = pack(bytes);
    if (!bytes.equals(unpack(packed))) throw new Error(`${id} does not unpack to what it was`);
    writeFileSync(join(folder, `${id}.br`), packed);
    console.log(`${id}: ${bytes.length} -> ${packed.length} bytes`);
  }
}
