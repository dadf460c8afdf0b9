/** The small models by which a device is measured. */
import { makeGraph, makeModel, makeNode, valueInfo } from '../ir/build.ts';
import { tensorFromBytes, tensorFromInts } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';

export interface ProductSize {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** Growing by factors of 8 and less; larger ones are left out where the device is slow. */
export const productSizes: readonly ProductSize[] = [
  { m: 64, k: 256, n: 256 },
  { m: 128, k: 512, n: 512 },
  { m: 256, k: 1024, n: 1024 },
  { m: 512, k: 1024, n: 1024 },
  { m: 1024, k: 2048, n: 2048 },
  { m: 2048, k: 2048, n: 2048 },
];

/** float32 elements of one array: 64 kB to 64 MB, beyond the caches of common processors. */
export const arrayLengths: readonly number[] = [16_384, 262_144, 1_048_576, 4_194_304, 16_777_216];

/** Names by which the nodes are found in the profile. */
export const PRODUCT_NODE = 'ceiling_product';
export const ADD_NODE = 'ceiling_add';

/** Numbers without a pattern that matters to a kernel: -1 to 1, or 8 bits. @returns raw_data layout */
export function scattered(count: number, type: 'float32' | 'int8'): Uint8Array {
  const floats = new Float32Array(type === 'float32' ? count : 0);
  const bytes = type === 'float32' ? new Uint8Array(floats.buffer) : new Uint8Array(count);
  for (let index = 0; index < count; index += 1) {
    const bits = Math.imul(index, 2654435761) >>> 24;
    if (type === 'float32') floats[index] = bits / 128 - 1;
    else bytes[index] = bits;
  }
  return bytes;
}

/** x [m, k] times a constant [k, n], as the layers of a model do. */
export function productModel({ m, k, n }: ProductSize, type: 'float32' | 'int8'): Model {
  const isFloat = type === 'float32';
  const weight = tensorFromBytes('w', isFloat ? 'float32' : 'int8', [k, n], scattered(k * n, type));
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({
          opType: isFloat ? 'MatMul' : 'MatMulInteger',
          inputs: ['x', 'w'],
          outputs: ['y'],
          name: PRODUCT_NODE,
        }),
      ],
      inputs: [valueInfo('x', isFloat ? 'float32' : 'uint8', [m, k])],
      outputs: [valueInfo('y', isFloat ? 'float32' : 'int32', [m, n])],
      initializers: [weight],
    }),
  });
}

/**
 * c = a + b over arrays that the model makes itself (from s [1]), so that nothing large is copied in or out. Must run
 * without graph optimization, which would see that a and b are the same.
 */
export function additionModel(length: number): Model {
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({ opType: 'Expand', inputs: ['s', 'shape'], outputs: ['a'], name: 'ceiling_fill' }),
        makeNode({ opType: 'Neg', inputs: ['a'], outputs: ['b'], name: 'ceiling_copy' }),
        makeNode({ opType: 'Add', inputs: ['a', 'b'], outputs: ['c'], name: ADD_NODE }),
        makeNode({ opType: 'Slice', inputs: ['c', 'start', 'end'], outputs: ['y'], name: 'ceiling_first' }),
      ],
      inputs: [valueInfo('s', 'float32', [1])],
      outputs: [valueInfo('y', 'float32', [1])],
      initializers: [
        tensorFromInts('shape', [1], [length]),
        tensorFromInts('start', [1], [0]),
        tensorFromInts('end', [1], [1]),
      ],
    }),
  });
}
