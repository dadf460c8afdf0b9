import { elementCount, floatsOf, toTypedArray } from '../ir/tensor.ts';
import type { HostTensor } from './define.ts';

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
