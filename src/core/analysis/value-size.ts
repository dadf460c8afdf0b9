import { byteLengthOf, dtypeInfo } from '../ir/dtype.ts';
import type { Tensor } from '../ir/types.ts';
import type { ValueFacts } from '../shape/types.ts';

/** @returns undefined while a dimension is symbolic or the rank unknown */
export function elementsOf(facts: ValueFacts | undefined): number | undefined {
  if (!facts?.shape) return undefined;
  let count = 1;
  for (const dim of facts.shape) {
    if (typeof dim !== 'number') return undefined;
    count *= dim;
  }
  return count;
}

/** @returns undefined while the size is not known; strings count as unknown, since their length is */
export function bytesOf(facts: ValueFacts | undefined): number | undefined {
  const count = elementsOf(facts);
  if (count === undefined || !facts?.dtype || dtypeInfo[facts.dtype].bits === 0) return undefined;
  return byteLengthOf(facts.dtype, count);
}

/** Payload bytes of a weight; of strings, their text. */
export function tensorBytes(tensor: Tensor): number {
  if (tensor.data.kind === 'strings') return tensor.data.values.reduce((total, text) => total + text.byteLength, 0);
  return byteLengthOf(tensor.dtype, tensorElements(tensor));
}

export function tensorElements(tensor: Tensor): number {
  return tensor.dims.reduce((total, dim) => total * dim, 1);
}
