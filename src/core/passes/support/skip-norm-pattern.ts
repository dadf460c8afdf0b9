/** A sum that a normalization over the last axis reads: the residual connection of a transformer and the norm after it. */
import { floatAttr, intAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Dim, Node } from '../../ir/types.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy, otherOperand } from './pattern.ts';
import { isOp } from './scopes.ts';

export interface SkipNormMatch {
  readonly kind: 'SkipLayerNormalization' | 'SkipSimplifiedLayerNormalization';
  readonly input: string;
  readonly skip: string;
  readonly gamma: string;
  readonly beta: string | undefined;
  /** One number a channel that was added to the input before. */
  readonly bias: string | undefined;
  readonly epsilon: number;
  /** The sum, where something besides the normalization reads it. */
  readonly sum: string | undefined;
  /** In topological order; the last one is the normalization. */
  readonly nodes: readonly Node[];
}

const dtypes = new Set(['float32', 'float16']);
/** The CPU kernel refuses other ranks. */
const ranks = new Set([2, 3]);

/** @param node a LayerNormalization, SimplifiedLayerNormalization or RMSNormalization that may follow an Add */
export function matchSkipNorm(editor: GraphEditor, node: Node, facts: FactLookup): SkipNormMatch | undefined {
  if (!isOp(node, 'LayerNormalization', 'SimplifiedLayerNormalization', 'RMSNormalization')) return undefined;
  const add = madeBy(editor, node.inputs[0], 'Add');
  if (add?.inputs.length !== 2 || node.outputs.slice(1).some((output) => output !== '')) return undefined;
  const [a, b] = add.inputs as [string, string];
  const total = facts(add.outputs[0]!);
  const rank = total?.shape?.length ?? 0;
  const axis = intAttr(node, 'axis', -1);
  if (!ranks.has(rank) || (axis !== -1 && axis !== rank - 1) || intAttr(node, 'stash_type', 1) !== 1) return undefined;
  const isWhole = (value: string) => sameShape(facts(value)?.shape, total?.shape);
  const input = [a, b].find(isWhole);
  const skip = input === a ? b : a;
  if (!dtypes.has(total?.dtype ?? '') || !input) return undefined;
  if (!isWhole(skip) && !isOnePerBatch(facts(skip)?.shape, total!.shape!)) return undefined;
  const isVector = (name: string) => {
    const tensor = editor.constantOf(name);
    return tensor?.dtype === total?.dtype && tensor?.dims.length === 1 && tensor.dims[0] === total?.shape?.at(-1);
  };
  const [, gamma, beta] = node.inputs;
  if (!gamma || !isVector(gamma) || (beta && !isVector(beta))) return undefined;
  const biased = biasedOperand(editor, isWhole(skip) ? [a, b] : [input], isVector, isWhole);
  const sum = add.outputs[0]!;
  return {
    kind: node.opType === 'LayerNormalization' ? 'SkipLayerNormalization' : 'SkipSimplifiedLayerNormalization',
    input: biased?.input ?? input,
    skip: biased ? otherOperand(add, biased.node.outputs[0]!)! : skip,
    gamma,
    beta: beta || undefined,
    bias: biased?.bias,
    epsilon: floatAttr(node, 'epsilon', 1e-5),
    sum: editor.singleConsumer(sum) ? undefined : sum,
    nodes: [...(biased ? [biased.node] : []), add, node],
  };
}

/** One matrix for every item of the batch, as position embeddings are: [1, S, H] or [S, H] beside [B, S, H]. */
function isOnePerBatch(skip: readonly Dim[] | undefined, total: readonly Dim[]): boolean {
  if (!skip || total.length !== 3 || (skip.length === 3 && skip[0] !== 1)) return false;
  return sameShape(skip.slice(-2), total.slice(1)) && skip.length >= 2;
}

/** The operand that is the sum of a value and a bias, read by nothing else. */
function biasedOperand(
  editor: GraphEditor,
  operands: readonly string[],
  isVector: (name: string) => boolean,
  isWhole: (name: string) => boolean,
) {
  for (const operand of operands) {
    const node = madeBy(editor, operand, 'Add');
    if (!node || !editor.singleConsumer(operand)) continue;
    for (const bias of node.inputs) {
      const input = isVector(bias) ? otherOperand(node, bias) : undefined;
      // Of two constants the sum is one as well, and folding will see to it.
      if (input !== undefined && isWhole(input) && editor.constantOf(input) === undefined) return { node, input, bias };
    }
  }
  return undefined;
}
