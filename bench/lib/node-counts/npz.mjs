// Reads NumPy's .npz: a zip of .npy arrays.
// Sources: PKWARE APPNOTE 6.3.10 (central directory, 4.3.12), numpy.lib.format (version 1 and 2 headers).
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

const arrays = {
  f4: Float32Array,
  f8: Float64Array,
  i8: BigInt64Array,
  i4: Int32Array,
  i1: Int8Array,
  u1: Uint8Array,
  b1: Uint8Array,
};
const dtypes = { f4: 'float32', f8: 'float64', i8: 'int64', i4: 'int32', i1: 'int8', u1: 'uint8', b1: 'bool' };

/** @returns Map of name to { dtype, dims, data } */
export function readNpz(path) {
  const file = readFileSync(path);
  let end = file.length - 22;
  while (end >= 0 && file.readUInt32LE(end) !== 0x06054b50) end--;
  if (end < 0) throw new Error(`${path} is no zip file`);
  const found = new Map();
  let at = file.readUInt32LE(end + 16);
  for (let entry = file.readUInt16LE(end + 10); entry > 0; entry--) {
    const [method, packed] = [file.readUInt16LE(at + 10), file.readUInt32LE(at + 20)];
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => file.readUInt16LE(at + offset));
    const name = file.toString('utf8', at + 46, at + 46 + nameLength).replace(/\.npy$/, '');
    const local = file.readUInt32LE(at + 42);
    const start = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    const body = file.subarray(start, start + packed);
    found.set(name, parseNpy(method === 8 ? inflateRawSync(body) : Buffer.from(body), `${path}: ${name}`));
    at += 46 + nameLength + extraLength + commentLength;
  }
  return found;
}

function parseNpy(bytes, label) {
  const long = bytes[6] > 1;
  const headerLength = long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8);
  const start = (long ? 12 : 10) + headerLength;
  const header = bytes.toString('latin1', long ? 12 : 10, start);
  const kind = /'descr': '[<|=]?(\w+)'/.exec(header)?.[1];
  const Typed = arrays[kind];
  if (!Typed) throw new Error(`${label}: unknown array ${header.trim()}`);
  const dims = (/'shape': \(([^)]*)\)/.exec(header)[1].match(/\d+/g) ?? []).map(Number);
  const body = new Uint8Array(bytes.subarray(start));
  const data = new Typed(body.buffer, 0, body.byteLength / Typed.BYTES_PER_ELEMENT);
  return { dtype: dtypes[kind], dims, data: /'fortran_order': True/.test(header) ? rowMajor(data, dims) : data };
}

function rowMajor(data, dims) {
  return data.map((_, at) => {
    let [rest, from, stride] = [at, 0, data.length];
    for (const size of dims.toReversed()) {
      stride /= size;
      from += (rest % size) * stride;
      rest = Math.floor(rest / size);
    }
    return data[from];
  });
}
