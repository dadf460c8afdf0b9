/** Every place where a node reads a constant weight, with the axis along which its output channels lie. */
import { intAttr } from '../../ir/attributes.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { nodesOf, type Scope } from './scopes.ts';
import { isFloatWeight, type WeightSource, weightSource } from './weights.ts';

export type WeightFamily = 'linear' | 'convolution' | 'recurrent' | 'embedding';

export interface WeightUse {
  readonly scope: Scope;
  readonly node: Node;
  readonly inputIndex: number;
  readonly family: WeightFamily;
  readonly source: WeightSource;
  /** Output channels, as an axis of the stored tensor. */
  readonly channelAxis: number;
  /** For linear weights, the axis that is summed over, as an axis of the stored tensor. */
  readonly reductionAxis: number | undefined;
}

const families: Readonly<Record<string, { family: WeightFamily; inputs: readonly number[] }>> = {
  MatMul: { family: 'linear', inputs: [0, 1] },
  Gemm: { family: 'linear', inputs: [0, 1] },
  Conv: { family: 'convolution', inputs: [1] },
  ConvTranspose: { family: 'convolution', inputs: [1] },
  LSTM: { family: 'recurrent', inputs: [1, 2] },
  GRU: { family: 'recurrent', inputs: [1, 2] },
  RNN: { family: 'recurrent', inputs: [1, 2] },
  Gather: { family: 'embedding', inputs: [0] },
};

/** Vectors (biases, norms) are no weights in this sense: they cost nothing and hurt when quantized. */
export function findWeightUses(scopes: readonly Scope[]): WeightUse[] {
  const uses: WeightUse[] = [];
  for (const { node, scope } of nodesOf(scopes)) {
    const entry = isDefaultDomain(node.domain) ? families[node.opType] : undefined;
    if (!entry) continue;
    for (const inputIndex of entry.inputs) {
      const source = weightSource(scope, node.inputs[inputIndex] ?? '');
      if (!source || !isFloatWeight(source.tensor) || source.tensor.dims.length < 2) continue;
      const axes = axesOf(node, inputIndex, source);
      if (axes) uses.push({ scope, node, inputIndex, family: entry.family, source, ...axes });
    }
  }
  return uses;
}

/** LSTM, GRU and RNN nodes whose weights are no constants. */
export function findComputedRecurrence(scopes: readonly Scope[]): Node[] {
  return [...nodesOf(scopes)]
    .filter(({ node }) => isDefaultDomain(node.domain) && families[node.opType]?.family === 'recurrent')
    .filter(({ node, scope }) => !weightSource(scope, node.inputs[1] ?? ''))
    .map(({ node }) => node);
}

type Axes = Pick<WeightUse, 'channelAxis' | 'reductionAxis'>;

function axesOf(node: Node, inputIndex: number, { tensor, transposed }: WeightSource): Axes | undefined {
  const rank = tensor.dims.length;
  if (transposed && rank !== 2) return undefined;
  switch (node.opType) {
    case 'MatMul':
    case 'Gemm': {
      // The right operand is [K, N], the left one [M, K]; each of Gemm's may be given transposed.
      const isTransposed = node.opType === 'Gemm' && intAttr(node, inputIndex === 0 ? 'transA' : 'transB', 0) !== 0;
      const channelIsLast = (inputIndex === 1) !== (isTransposed !== transposed);
      return channelIsLast
        ? { channelAxis: rank - 1, reductionAxis: rank - 2 }
        : { channelAxis: rank - 2, reductionAxis: rank - 1 };
    }
    case 'Conv':
      return transposed ? undefined : { channelAxis: 0, reductionAxis: undefined };
    case 'ConvTranspose':
      return transposed ? undefined : { channelAxis: 1, reductionAxis: undefined };
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      return rank === 3 ? { channelAxis: 1, reductionAxis: undefined } : undefined;
    default:
      // Gather: one channel per row that can be picked, which needs the table's first axis.
      return !transposed && rank === 2 && intAttr(node, 'axis', 0) === 0
        ? { channelAxis: 0, reductionAxis: undefined }
        : undefined;
  }
}
