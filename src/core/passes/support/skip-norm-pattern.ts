/** A sum that a normalization over the last axis reads: the residual connection of a transformer and the norm after it. */
import { floatAttr, intAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
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
  if (!dtypes.has(total?.dtype ?? '') || !sameShape(facts(a)?.shape, facts(b)?.shape)) return undefined;
  const isVector = (name: string) => {
    const tensor = editor.constantOf(name);
    return tensor?.dtype === total?.dtype && tensor?.dims.length === 1 && tensor.dims[0] === total?.shape?.at(-1);
  };
  const [, gamma, beta] = node.inputs;
  if (!gamma || !isVector(gamma) || (beta && !isVector(beta))) return undefined;
  const biased = biasedOperand(editor, [a, b], isVector, (value) => sameShape(facts(value)?.shape, total?.shape));
  const sum = add.outputs[0]!;
  return {
    kind: node.opType === 'LayerNormalization' ? 'SkipLayerNormalization' : 'SkipSimplifiedLayerNormalization',
    input: biased?.input ?? a,
    skip: biased ? otherOperand(add, biased.node.outputs[0]!)! : b,
    gamma,
    beta: beta || undefined,
    bias: biased?.bias,
    epsilon: floatAttr(node, 'epsilon', 1e-5),
    sum: editor.singleConsumer(sum) ? undefined : sum,
    nodes: [...(biased ? [biased.node] : []), add, node],
  };
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
