import type { DType } from '../ir/dtype.ts';
import type { Tensor } from '../ir/types.ts';

/** Longer tensors take no part in shape computations; a bound on the work per node. */
export const maxElements = 256;

const readers: Partial<Record<DType, (view: DataView, index: number) => number>> = {
  float32: (view, index) => view.getFloat32(index * 4, true),
  float64: (view, index) => view.getFloat64(index * 8, true),
  int8: (view, index) => view.getInt8(index),
  uint8: (view, index) => view.getUint8(index),
  bool: (view, index) => view.getUint8(index),
  int16: (view, index) => view.getInt16(index * 2, true),
  uint16: (view, index) => view.getUint16(index * 2, true),
  int32: (view, index) => view.getInt32(index * 4, true),
  uint32: (view, index) => view.getUint32(index * 4, true),
  int64: (view, index) => Number(view.getBigInt64(index * 8, true)),
  uint64: (view, index) => Number(view.getBigUint64(index * 8, true)),
};

export const carriesElements = (dtype: DType | undefined): boolean => dtype !== undefined && dtype in readers;

/**
 * Elements of a small in-memory tensor as numbers. int64 beyond 2^53 loses its low bits, which is right for the only
 * such values that shape computations use: "to the end" bounds of Slice.
 * @returns undefined for large tensors, tensors on file, and dtypes that shape computations do not use
 */
export function constantElements(tensor: Tensor): number[] | undefined {
  const read = readers[tensor.dtype];
  if (!read || tensor.data.kind !== 'bytes') return undefined;
  let count = 1;
  for (const dim of tensor.dims) count *= dim;
  if (count > maxElements) return undefined;
  const { bytes } = tensor.data;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: number[] = [];
  try {
    for (let index = 0; index < count; index++) elements.push(read(view, index));
  } catch {
    // Fewer bytes than the dims ask for; validation reports that, inference just does not use the tensor.
    return undefined;
  }
  return elements;
}
