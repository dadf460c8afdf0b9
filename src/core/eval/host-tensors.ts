/** HostTensors to numbers and back, for tasks and metrics. */
import type { HostTensor } from '../step/define.ts';

export { numbersOf } from '../step/host-numbers.ts';

import type { Feeds } from './types.ts';

export function float32Tensor(dims: readonly number[], values: Float32Array): HostTensor {
  return { dtype: 'float32', dims, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

export function int64Tensor(dims: readonly number[], values: readonly number[]): HostTensor {
  return { dtype: 'int64', dims, data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) };
}

export const isFloating = (tensor: HostTensor): boolean =>
  ['float32', 'float64', 'float16', 'bfloat16'].includes(tensor.dtype);

/** The output of this name, or the only one of a model with one, whatever it is called. */
export function outputNamed(outputs: Feeds, name: string): HostTensor | undefined {
  return outputs.get(name) ?? (outputs.size === 1 ? outputs.values().next().value : undefined);
}
