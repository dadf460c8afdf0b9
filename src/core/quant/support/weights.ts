/** Where a node's weight really is: an initializer or a Constant node, here or in an outer graph, perhaps transposed. */
import { intsAttr } from '../../ir/attributes.ts';
import { elementCount, tensorByteLength } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { closeScopes, definingScope, type Scope } from './scopes.ts';

export interface WeightSource {
  readonly tensor: Tensor;
  /** The graph that holds the tensor, and its name there. */
  readonly scope: Scope;
  readonly valueName: string;
  /** The node reads the transpose of this matrix (rank 2 only). */
  readonly transposed: boolean;
}

const floatTypes = new Set(['float32', 'float16', 'bfloat16', 'float64']);

/** The constant behind a value, through Identity and through Transpose of a matrix; undefined when there is none. */
export function weightSource(scope: Scope, value: string): WeightSource | undefined {
  let transposed = false;
  let at = value;
  let from: Scope = scope;
  // A chain longer than this is no weight; the bound keeps a malformed, cyclic graph from holding us here.
  for (let hop = 0; hop < 8 && at !== ''; hop += 1) {
    const home = definingScope(from, at);
    if (!home) return undefined;
    const tensor = home.editor.constantOf(at);
    if (tensor) return { tensor, scope: home, valueName: at, transposed };
    const producer = home.editor.producerOf(at);
    if (!producer || !isDefaultDomain(producer.domain)) return undefined;
    if (producer.opType === 'Transpose' && isMatrixTranspose(producer)) transposed = !transposed;
    else if (producer.opType !== 'Identity') return undefined;
    from = home;
    at = producer.inputs[0] ?? '';
  }
  return undefined;
}

/** Without `perm` a Transpose reverses all axes, which is the same for a matrix; other ranks are refused by the reader. */
function isMatrixTranspose(node: Node): boolean {
  const perm = intsAttr(node, 'perm');
  return perm === undefined || (perm.length === 2 && perm[0] === 1 && perm[1] === 0);
}

export function isFloatWeight(tensor: Tensor): boolean {
  return floatTypes.has(tensor.dtype) && elementCount(tensor.dims) > 0;
}

/**
 * Removes what nothing reads any more, from the value towards its source: Transpose and Identity nodes, then the
 * Constant node or initializer itself. Call after inner scopes have been finished, so that captures are up to date.
 */
export function dropIfUnused(scope: Scope, value: string): void {
  let at = value;
  let from: Scope | undefined = scope;
  while (from && at !== '') {
    const home: Scope | undefined = definingScope(from, at);
    if (!home || home.editor.isGraphOutput(at) || home.editor.countUses(at) > 0) return;
    const producer = home.editor.producerOf(at);
    if (!producer) {
      if (home.graph.initializers.has(at)) home.editor.removeInitializer(at);
      home.graph.valueInfo.delete(at);
      return;
    }
    const removable =
      isDefaultDomain(producer.domain) && ['Constant', 'Transpose', 'Identity'].includes(producer.opType);
    if (!removable || producer.outputs.length !== 1) return;
    home.editor.removeNode(producer);
    home.graph.valueInfo.delete(at);
    from = home;
    at = producer.inputs[0] ?? '';
  }
}

/** Finishes the scopes and drops what was replaced in them, where nothing reads it any more. */
export function dropReplaced(
  scopes: readonly Scope[],
  replaced: Iterable<{ readonly scope: Scope; readonly value: string }>,
): void {
  closeScopes(scopes);
  for (const { scope, value } of replaced) dropIfUnused(scope, value);
  closeScopes(scopes);
}

/** Identifies a stored weight across the nodes that read it. */
export function weightKey({ scope, valueName, transposed }: WeightSource): string {
  return `${scope.index}/${transposed ? 'T' : ''}${valueName}`;
}

export function weightBytes({ tensor }: WeightSource): number {
  return tensorByteLength(tensor);
}

/** Why a recurrent layer may have no weights to quantize: exporters reorder gates with Slice and Concat. */
export const computedWeights =
  'its weights are computed in the graph; folding constants before this step makes them weights';
