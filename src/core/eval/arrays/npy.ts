/**
 * NumPy's .npy files, format versions 1.0 to 3.0 (numpy.lib.format, NumPy 2.0): magic, version, a header that is a
 * Python dict literal in text, then the elements.
 */
import type { DType } from '../../ir/dtype.ts';
import { byteLengthOf, dtypeInfo } from '../../ir/dtype.ts';
import { elementCount } from '../../ir/tensor.ts';
import type { HostTensor } from '../../step/define.ts';
import { badArray } from './named-array.ts';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;
const MAX_HEADER_BYTES = 1 << 16;

/** NumPy's type codes (kind and bytes) that ONNX has too. */
const dtypes: Readonly<Record<string, DType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
  c8: 'complex64',
  c16: 'complex128',
};

interface Header {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly fortranOrder: boolean;
  /** Where the elements start. */
  readonly offset: number;
}

export function isNpy(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/**
 * @param name for messages
 * @returns C order, little-endian
 * @throws StudioError task/bad-array: not .npy, truncated, big-endian, or a type without a counterpart in ONNX
 */
export function readNpy(bytes: Uint8Array, name: string): HostTensor {
  const { dtype, dims, fortranOrder, offset } = readHeader(bytes, name);
  const needed = byteLengthOf(dtype, elementCount(dims));
  if (!Number.isSafeInteger(needed)) throw badArray(name, `its shape (${dims.join(', ')}) is beyond any memory`);
  if (bytes.length - offset < needed)
    throw badArray(
      name,
      `shape (${dims.join(', ')}) of ${dtype} needs ${needed} bytes, ${bytes.length - offset} are left`,
    );
  const stored = bytes.slice(offset, offset + needed);
  const data = fortranOrder && dims.length > 1 ? toRowMajor(stored, dims, dtypeInfo[dtype].bits / 8) : stored;
  return { dtype, dims, data };
}

function readHeader(bytes: Uint8Array, name: string): Header {
  if (!isNpy(bytes)) throw badArray(name, 'it does not begin with the signature of .npy files');
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) throw badArray(name, `it has .npy format version ${version}; 1 to 3 are known`);
  const start = version === 1 ? 10 : 12;
  if (bytes.length < start) throw badArray(name, 'its header is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES) throw badArray(name, `its header would be ${length} bytes long`);
  if (start + length > bytes.length) throw badArray(name, 'its header is cut off');
  const text = new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(bytes.subarray(start, start + length));
  return { ...parseHeader(text, name), offset: start + length };
}

/** {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
function parseHeader(text: string, name: string): Omit<Header, 'offset'> {
  const descr = /['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|(\[))/.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text);
  const shape = /['"]shape['"]\s*:\s*\(([\d,\sL]*)\)/.exec(text);
  if (!descr || !order || !shape) throw badArray(name, 'its header is damaged');
  if (descr[2]) throw badArray(name, 'it holds records (a structured type); save each field as an array of its own');
  const dims = shape[1]!.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number.parseInt(part, 10)]));
  return { dtype: parseType(descr[1]!, name), dims, fortranOrder: order[1] === 'True' };
}

function parseType(descr: string, name: string): DType {
  const [, byteOrder = '', code = ''] = /^([<>=|]?)(.*)$/.exec(descr) ?? [];
  if (code === 'O') throw badArray(name, 'it holds Python objects, which only Python can read');
  if (/^[US]/.test(code)) throw badArray(name, 'it holds text');
  const dtype = dtypes[code];
  if (!dtype) throw badArray(name, `its type "${descr}" has no counterpart in ONNX`);
  if (byteOrder === '>' && dtypeInfo[dtype].bits > 8)
    throw badArray(name, 'its numbers are big-endian; save it as array.astype(array.dtype.newbyteorder("<"))');
  return dtype;
}

/** From the first index running fastest to the last one. */
function toRowMajor(stored: Uint8Array, dims: readonly number[], elementBytes: number): Uint8Array {
  const out = new Uint8Array(stored.length);
  const count = stored.length / elementBytes;
  const strides = dims.map((_, axis) => elementCount(dims.slice(0, axis)));
  const index = dims.map(() => 0);
  let from = 0;
  for (let to = 0; to < count; to++) {
    for (let b = 0; b < elementBytes; b++) out[to * elementBytes + b] = stored[from * elementBytes + b]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      from += strides[axis]!;
      if (index[axis]! < dims[axis]!) break;
      from -= strides[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
