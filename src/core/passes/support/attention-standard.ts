/** The standard operator Attention (opset 23 and 24), read as the attention that it stands for. */
import { floatAttr, intAttr } from '../../ir/attributes.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Dim, Node } from '../../ir/types.ts';
import { type Operand, swapsHeads, traceOperand } from './attention-operands.ts';
import { type AttentionMatch, attentionDType, type Masking } from './attention-pattern.ts';
import { uniformValue } from './constants.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy } from './pattern.ts';
import { isOp } from './scopes.ts';

/**
 * The operator itself refuses batches and lengths that do not fit, so that nothing has to be proven of them here.
 * Not with keys of earlier calls, a cap of the scores, scores as a result, or a softmax in another precision than
 * float32.
 */
export function matchStandardAttention(editor: GraphEditor, node: Node, facts: FactLookup): AttentionMatch | undefined {
  const dtype = attentionDType(facts(node.outputs[0] ?? '')?.dtype);
  if (!isOp(node, 'Attention') || !dtype) return undefined;
  const [q, k, v, mask = '', ...more] = node.inputs as [string, string, string, ...string[]];
  if ([...more, ...node.outputs.slice(1)].some((value) => value !== '')) return undefined;
  if (floatAttr(node, 'softcap', 0) !== 0) return undefined;
  if (intAttr(node, 'softmax_precision', dtypeInfo.float32.onnx) !== dtypeInfo.float32.onnx) return undefined;
  const [query, key, value] = operandsOf(editor, facts, node, [q, k, v]);
  const last = lastOf(editor, facts, node);
  if (!query || !key || !value || !last || query.size !== key.size || key.heads !== value.heads) return undefined;
  if (query.heads % key.heads !== 0 || (value.byHead ?? value.bySequence ?? { factor: 1 }).factor !== 1)
    return undefined;
  const maskings = mask === '' ? [] : maskingsOf(editor, facts, mask, key.length);
  return (
    maskings && {
      dtype,
      query,
      key,
      value,
      factor: floatAttr(node, 'scale') ?? 1 / Math.sqrt(query.size),
      maskings,
      // A row without any allowed key gives zeros in onnxruntime.
      guarded: maskings.length > 0,
      causal: intAttr(node, 'is_causal', 0) === 1,
      scores: node,
      last,
    }
  );
}

function operandsOf(editor: GraphEditor, facts: FactLookup, node: Node, inputs: readonly string[]) {
  const counts = ['q_num_heads', 'kv_num_heads', 'kv_num_heads'].map((name) => intAttr(node, name));
  return inputs.map((input, at) => {
    const shape = facts(input)?.shape;
    if (shape?.length === 4) return traceOperand(editor, facts, input, false);
    return shape?.length === 3 ? mergedOperand(input, shape, counts[at]) : undefined;
  });
}

function mergedOperand(merged: string, shape: readonly Dim[], heads: number | undefined): Operand | undefined {
  const [batch, length, width] = shape as [Dim, Dim, Dim];
  const size = typeof width === 'number' && heads ? width / heads : Number.NaN;
  if (heads === undefined || !Number.isInteger(size)) return undefined;
  return { merged, bySequence: undefined, byHead: undefined, third: undefined, batch, length, heads, size };
}

/** A result by head is wanted as [batch, length, heads, size]; one of three axes has its heads merged already. */
function lastOf(editor: GraphEditor, facts: FactLookup, node: Node): Node | undefined {
  if (facts(node.outputs[0]!)?.shape?.length === 3) return node;
  const transpose = editor.singleConsumer(node.outputs[0]!);
  return isOp(transpose, 'Transpose') && swapsHeads(transpose) ? transpose : undefined;
}

/** @returns undefined for a mask that may have fewer columns than there are keys: the operator hides the others */
function maskingsOf(editor: GraphEditor, facts: FactLookup, mask: string, keys: Dim): Masking[] | undefined {
  const known = facts(mask);
  if (!sameShape(known?.shape?.slice(-1), [keys])) return undefined;
  if (known?.dtype !== 'bool') return [{ kind: 'add', value: mask }];
  const repeated = madeBy(editor, mask, 'Expand')?.inputs[0] ?? mask;
  if (uniformValue(editor.constantOf(repeated)) === 1) return [];
  return [{ kind: 'where', condition: mask, keeps: true, fill: Number.NEGATIVE_INFINITY }];
}
