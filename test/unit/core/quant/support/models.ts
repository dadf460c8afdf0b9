/** Small models around one weight, and exact arithmetic to compare with. */
import { attrFloat, attrGraph, attrInt, attrTensor } from '../../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../../src/core/ir/build.ts';
import type { DType } from '../../../../../src/core/ir/dtype.ts';
import { tensorFromNumbers } from '../../../../../src/core/ir/tensor.ts';
import type { Graph, Model, Node, Tensor } from '../../../../../src/core/ir/types.ts';

/** Deterministic values, roughly normal, with a different size in each column of `columns`. */
export function sampleValues(count: number, seed = 1, columns = 1): Float32Array {
  let state = seed * 2654435761;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, (_, i) => {
    const normal = next() + next() + next() + next() - 2;
    return normal * (1 + (i % columns) * 0.7);
  });
}

export const floatTensor = (
  name: string,
  dims: readonly number[],
  values: ArrayLike<number>,
  dtype: DType = 'float32',
): Tensor => tensorFromNumbers(name, dtype, dims, values);

export interface LinearParts {
  readonly node: Node;
  readonly inputDims: readonly (number | string)[];
  readonly outputDims: readonly (number | string)[];
  readonly initializers: readonly Tensor[];
  readonly extraNodes?: readonly Node[];
  readonly opset?: number;
  readonly dtype?: DType;
}

/** x -> node -> y. */
export function modelAround(parts: LinearParts): Model {
  const dtype = parts.dtype ?? 'float32';
  return makeModel({
    opset: parts.opset ?? 17,
    graph: makeGraph({
      nodes: [...(parts.extraNodes ?? []), parts.node],
      inputs: [valueInfo('x', dtype, parts.inputDims)],
      outputs: [valueInfo('y', dtype, parts.outputDims)],
      initializers: parts.initializers,
    }),
  });
}

export function matmulModel(K: number, N: number, values: Float32Array, opset = 17): Model {
  return modelAround({
    node: makeNode({ opType: 'MatMul', name: 'mm', inputs: ['x', 'w'], outputs: ['y'] }),
    inputDims: ['m', K],
    outputDims: ['m', N],
    initializers: [floatTensor('w', [K, N], values)],
    opset,
  });
}

export function constantNode(tensor: Tensor): Node {
  return makeNode({
    opType: 'Constant',
    inputs: [],
    outputs: [tensor.name],
    attributes: { value: attrTensor(tensor) },
  });
}

export interface GemmShape {
  readonly M: number;
  readonly K: number;
  readonly N: number;
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
  readonly beta?: number;
  readonly biasDims?: readonly number[];
}

export function gemmModel(shape: GemmShape, weight: Float32Array, bias: Float32Array): Model {
  const { M, K, N, transA = false, transB = false, alpha = 1, beta = 1, biasDims } = shape;
  const attributes = {
    ...(transA ? { transA: attrInt(1) } : {}),
    ...(transB ? { transB: attrInt(1) } : {}),
    ...(alpha === 1 ? {} : { alpha: attrFloat(alpha) }),
    ...(beta === 1 ? {} : { beta: attrFloat(beta) }),
  };
  return modelAround({
    node: makeNode({
      opType: 'Gemm',
      name: 'fc',
      inputs: biasDims ? ['x', 'w', 'b'] : ['x', 'w'],
      outputs: ['y'],
      attributes,
    }),
    inputDims: transA ? [K, M] : [M, K],
    outputDims: [M, N],
    initializers: [
      floatTensor('w', transB ? [N, K] : [K, N], weight),
      ...(biasDims ? [floatTensor('b', biasDims, bias)] : []),
    ],
  });
}

/** If(condition) with one product in each branch; the first branch owns its weight, the second reads the outer one. */
export function ifModel(K: number, N: number, own: Float32Array, outer: Float32Array): Model {
  const branch = (name: string, weight: string, tensors: readonly Tensor[]): Graph =>
    makeGraph({
      name,
      nodes: [makeNode({ opType: 'MatMul', name: `${name}/mm`, inputs: ['x', weight], outputs: [`${name}_y`] })],
      outputs: [valueInfo(`${name}_y`, 'float32', [1, N])],
      initializers: tensors,
    });
  const graph = makeGraph({
    nodes: [
      makeNode({
        opType: 'If',
        name: 'if',
        inputs: ['c'],
        outputs: ['branch_y'],
        attributes: {
          then_branch: attrGraph(branch('then', 'w_own', [floatTensor('w_own', [K, N], own)])),
          else_branch: attrGraph(branch('else', 'w', [])),
        },
      }),
      makeNode({ opType: 'MatMul', name: 'outer/mm', inputs: ['x', 'w'], outputs: ['outer_y'] }),
      makeNode({ opType: 'Add', inputs: ['branch_y', 'outer_y'], outputs: ['y'] }),
    ],
    inputs: [valueInfo('x', 'float32', [1, K]), valueInfo('c', 'bool', [])],
    outputs: [valueInfo('y', 'float32', [1, N])],
    initializers: [floatTensor('w', [K, N], outer)],
  });
  return makeModel({ graph });
}

/** [M, K] x [K, N] in float64; `b` may be given transposed. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  M: number,
  K: number,
  N: number,
  transB = false,
): number[] {
  const out = new Array<number>(M * N).fill(0);
  for (let m = 0; m < M; m += 1)
    for (let n = 0; n < N; n += 1) {
      let sum = 0;
      for (let k = 0; k < K; k += 1) sum += a[m * K + k]! * b[transB ? n * K + k : k * N + n]!;
      out[m * N + n] = sum;
    }
  return out;
}

/** x [1, K] times one square weight after another, nodes named as told, weights w0, w1, ... (or all w0). */
export function chainModel(
  names: readonly string[],
  K: number,
  { shared = false, weightNames }: { shared?: boolean; weightNames?: readonly string[] } = {},
): Model {
  const weight = (i: number) => weightNames?.[i] ?? `w${shared ? 0 : i}`;
  const value = (i: number) => (i === 0 ? 'x' : i === names.length ? 'y' : `h${i}`);
  return makeModel({
    graph: makeGraph({
      nodes: names.map((name, i) =>
        makeNode({ opType: 'MatMul', name, inputs: [value(i), weight(i)], outputs: [value(i + 1)] }),
      ),
      inputs: [valueInfo('x', 'float32', [1, K])],
      outputs: [valueInfo('y', 'float32', [1, K])],
      initializers: names
        .map((_, i) => floatTensor(weight(i), [K, K], sampleValues(K * K, i + 1)))
        .slice(0, shared ? 1 : names.length),
    }),
  });
}
