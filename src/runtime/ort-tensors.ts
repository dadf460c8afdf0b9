/**
 * HostTensor (raw_data layout) to and from onnxruntime's Tensor. Bytes are viewed, not copied, wherever alignment
 * allows; onnxruntime itself copies inputs in and outputs out.
 */
import type { Tensor } from 'onnxruntime-web';
import { StudioError } from '../core/base/errors/index.ts';
import type { DType } from '../core/ir/dtype.ts';
import { byteLengthOf } from '../core/ir/dtype.ts';
import type { HostTensor } from '../core/step/define.ts';

type TypedArrayConstructor = new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => ArrayBufferView & { readonly length: number };

/** Every element type that onnxruntime's JavaScript bindings take (1.30). bool is one byte, 4-bit types are packed. */
const viewOf = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  // Uint16Array is accepted on every host; onnxruntime re-views it as Float16Array where that exists.
  float16: Uint16Array,
  float64: Float64Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  uint4: Uint8Array,
  int4: Uint8Array,
} as const satisfies Partial<Record<DType, TypedArrayConstructor>>;

type BoundaryDType = keyof typeof viewOf | 'string';

/** Names of onnxruntime's types are ours, so this only narrows. */
export function isBoundaryDType(dtype: string): dtype is BoundaryDType {
  return dtype === 'string' || dtype in viewOf;
}

export type TensorConstructor = new (type: string, data: unknown, dims: readonly number[]) => Tensor;

/**
 * @param Constructor the Tensor class of the runtime that will take it
 * @param name of the input, for messages
 * @throws StudioError task/shape-mismatch when the data does not fit the dims; runtime/run-failed for element types
 * that onnxruntime has no tensors of (bfloat16, float8, complex, 2-bit)
 */
export function toOrtTensor(Constructor: TensorConstructor, name: string, tensor: HostTensor): Tensor {
  const { dtype, dims, data } = tensor;
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (dtype === 'string') {
    const strings = tensor.strings ?? [];
    if (strings.length !== count) throw sizeMismatch(name, tensor, `${strings.length} strings`);
    return new Constructor('string', [...strings], [...dims]);
  }
  if (!isBoundaryDType(dtype)) {
    throw new StudioError('runtime/run-failed', {
      target: 'onnxruntime',
      reason: `its JavaScript interface takes no ${dtype} tensors (input "${name}")`,
    });
  }
  if (data.byteLength !== byteLengthOf(dtype, count)) throw sizeMismatch(name, tensor, `${data.byteLength} bytes`);
  return new Constructor(dtype, viewBytes(viewOf[dtype], data), [...dims]);
}

function viewBytes(View: TypedArrayConstructor & { BYTES_PER_ELEMENT: number }, data: Uint8Array): ArrayBufferView {
  const aligned = data.byteOffset % View.BYTES_PER_ELEMENT === 0 ? data : data.slice();
  return new View(aligned.buffer, aligned.byteOffset, aligned.byteLength / View.BYTES_PER_ELEMENT);
}

function sizeMismatch(name: string, tensor: HostTensor, actual: string): StudioError {
  return new StudioError('task/shape-mismatch', {
    input: name,
    expected: `${tensor.dtype} [${tensor.dims.join(', ')}]`,
    actual,
  });
}

const encoder = new TextEncoder();

/** @throws StudioError runtime/run-failed for element types without a raw layout */
export function fromOrtTensor(name: string, tensor: Tensor): HostTensor {
  const { type, dims } = tensor;
  if (type === 'string') {
    return { dtype: 'string', dims: [...dims], data: encoder.encode(''), strings: [...(tensor.data as string[])] };
  }
  if (!isBoundaryDType(type)) {
    throw new StudioError('runtime/run-failed', {
      target: 'onnxruntime',
      reason: `output "${name}" has the unknown element type ${type}`,
    });
  }
  const view = tensor.data as unknown as ArrayBufferView;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return { dtype: type, dims: [...dims], data: bytes };
}
