/** Every MatMul and Gemm with a constant right-hand matrix, in whatever form an exporter wrote it. */
import { floatAttr, intAttr } from '../../ir/attributes.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import type { ShapeTable } from '../../shape/types.ts';
import { nodesOf, type Scope } from './scopes.ts';
import { isFloatWeight, type WeightSource, weightSource } from './weights.ts';

export interface LinearSite {
  readonly scope: Scope;
  readonly node: Node;
  readonly opType: 'MatMul' | 'Gemm';
  /** Value names. */
  readonly activation: string;
  readonly weightValue: string;
  readonly output: string;
  /** Gemm's C. */
  readonly bias: string | undefined;
  readonly weight: WeightSource;
  /** Of the product: [.., K] x [K, N]. */
  readonly K: number;
  readonly N: number;
  /** How the weight is stored: columns is row-major [K, N], rows is row-major [N, K]. */
  readonly order: 'columns' | 'rows';
  readonly transA: boolean;
  readonly alpha: number;
  readonly beta: number;
}

/** A node of the right type that cannot be quantized, and why: the user is told. */
export interface SkippedSite {
  readonly node: Node;
  readonly reason: string;
}

export interface LinearSites {
  readonly sites: readonly LinearSite[];
  readonly skipped: readonly SkippedSite[];
}

/**
 * @param shapes needed only for weights of rank 3 and more, which are taken when all leading dims are 1 and the
 *   activation's rank is known to be no smaller; without it they are skipped
 */
export function findLinearSites(scopes: readonly Scope[], shapes?: ShapeTable): LinearSites {
  const sites: LinearSite[] = [];
  const skipped: SkippedSite[] = [];
  for (const { node, scope } of nodesOf(scopes)) {
    if (!isDefaultDomain(node.domain) || (node.opType !== 'MatMul' && node.opType !== 'Gemm')) continue;
    const found = findLinearSite(scope, node, shapes);
    if (typeof found === 'string') skipped.push({ node, reason: found });
    else if (found) sites.push(found);
  }
  return { sites, skipped };
}

/** @returns undefined when the node has no constant weight at all (attention scores, for one) */
export function findLinearSite(
  scope: Scope,
  node: Node,
  shapes: ShapeTable | undefined,
): LinearSite | string | undefined {
  const weight = weightSource(scope, node.inputs[1] ?? '');
  if (!weight) {
    const left = weightSource(scope, node.inputs[0] ?? '');
    return left && isFloatWeight(left.tensor) && left.tensor.dims.length >= 2
      ? 'its weight is the left operand, for which the runtime has no quantized kernel'
      : undefined;
  }
  if (!isFloatWeight(weight.tensor)) return undefined;
  const { dims } = weight.tensor;
  if (dims.length < 2) return 'its weight is a vector';
  const leading = dims.slice(0, -2);
  if (leading.some((dim) => dim !== 1)) return `its weight is a batch of matrices [${dims.join(', ')}]`;
  if (leading.length > 0) {
    if (weight.transposed) return `its weight [${dims.join(', ')}] is transposed and not a plain matrix`;
    const rank = shapes?.get(node.inputs[0] ?? '')?.shape?.length;
    if (rank === undefined || rank < dims.length)
      return `its weight has rank ${dims.length} and would change the rank of the output`;
  }
  const isGemm = node.opType === 'Gemm';
  const readTransposed = weight.transposed !== (isGemm && intAttr(node, 'transB', 0) !== 0);
  const [rows, columns] = dims.slice(-2) as [number, number];
  return {
    scope,
    node,
    opType: node.opType as 'MatMul' | 'Gemm',
    activation: node.inputs[0]!,
    weightValue: node.inputs[1]!,
    output: node.outputs[0]!,
    bias: isGemm ? node.inputs[2] || undefined : undefined,
    weight,
    K: readTransposed ? columns : rows,
    N: readTransposed ? rows : columns,
    order: readTransposed ? 'rows' : 'columns',
    transA: isGemm && intAttr(node, 'transA', 0) !== 0,
    alpha: isGemm ? floatAttr(node, 'alpha', 1) : 1,
    beta: isGemm ? floatAttr(node, 'beta', 1) : 1,
  };
}
