/** HostTensors to numbers and back, for tasks and metrics. */
import { elementCount, floatsOf, toTypedArray } from '../ir/tensor.ts';
import type { HostTensor } from '../step/define.ts';
import type { Feeds } from './types.ts';

export function float32Tensor(dims: readonly number[], values: Float32Array): HostTensor {
  return { dtype: 'float32', dims, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

export function int64Tensor(dims: readonly number[], values: readonly number[]): HostTensor {
  return { dtype: 'int64', dims, data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) };
}

/**
 * The elements as numbers; float32 and the like are views where the bytes are aligned. 64-bit integers beyond 2^53 lose
 * their low bits.
 * @returns undefined for types that hold no real numbers (string, complex)
 */
export function numbersOf(tensor: HostTensor): ArrayLike<number> | undefined {
  switch (tensor.dtype) {
    case 'string':
    case 'complex64':
    case 'complex128':
    case 'undefined':
      return undefined;
    case 'int64':
    case 'uint64':
      return Float64Array.from(toTypedArray(tensor.dtype, tensor.data) as BigInt64Array, Number);
    case 'float32':
    case 'float64':
    case 'int8':
    case 'uint8':
    case 'bool':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
      return toTypedArray(tensor.dtype, tensor.data) as ArrayLike<number> & Float64Array;
    default:
      return floatsOf(tensor.dtype, tensor.data, elementCount(tensor.dims));
  }
}

export const isFloating = (tensor: HostTensor): boolean =>
  ['float32', 'float64', 'float16', 'bfloat16'].includes(tensor.dtype);

/** The output of this name, or the only one of a model with one, whatever it is called. */
export function outputNamed(outputs: Feeds, name: string): HostTensor | undefined {
  return outputs.get(name) ?? (outputs.size === 1 ? outputs.values().next().value : undefined);
}
