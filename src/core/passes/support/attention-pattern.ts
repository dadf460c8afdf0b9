/** softmax(scale * Q K^T + bias) V, written out in elementary operators. */
import { intAttr } from '../../ir/attributes.ts';
import type { DType } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Dim, Node } from '../../ir/types.ts';
import { type Operand, scaleOf, swapsHeads, traceOperand } from './attention-operands.ts';
import { matchStandardAttention } from './attention-standard.ts';
import { scalarOf } from './constants.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy, otherOperand } from './pattern.ts';
import { isOp } from './scopes.ts';

/** What is done to the scores before the softmax: something added, or some replaced by a constant. */
export type Masking =
  | { readonly kind: 'add'; readonly value: string }
  /** Scores stay where the condition equals `keeps`; elsewhere they become the fill. */
  | { readonly kind: 'where'; readonly condition: string; readonly keeps: boolean; readonly fill: number };

/** Those that onnxruntime has kernels for: half precision on WebGPU, and on the CPU by way of single precision. */
export type AttentionDType = 'float32' | 'float16';

export const attentionDType = (dtype: DType | undefined): AttentionDType | undefined =>
  dtype === 'float32' || dtype === 'float16' ? dtype : undefined;

export interface AttentionMatch {
  readonly dtype: AttentionDType;
  readonly query: Operand;
  readonly key: Operand;
  readonly value: Operand;
  /** Of the product of query and key, besides the factors of the operands. */
  readonly factor: number;
  /** In the order of application, at most two. */
  readonly maskings: readonly Masking[];
  /** Rows whose probabilities are not numbers, since all their scores are -inf, count as zeros. */
  readonly guarded: boolean;
  /** Each query is also kept from the keys behind it; no masking says so. */
  readonly causal: boolean;
  /** What the attention is called by. */
  readonly scores: Node;
  /** The last node: it makes [batch, length, heads, size], or the same with heads and size merged. */
  readonly last: Node;
}

/** Operators that `matchAttention` starts from. */
export const attentionOps = ['Softmax', 'Attention'];

/** @param node a Softmax that may be one of scores, or the standard operator */
export function matchAttention(editor: GraphEditor, node: Node, facts: FactLookup): AttentionMatch | undefined {
  return matchWritten(editor, node, facts) ?? matchStandardAttention(editor, node, facts);
}

function matchWritten(editor: GraphEditor, softmax: Node, facts: FactLookup): AttentionMatch | undefined {
  const dtype = attentionDType(facts(softmax.outputs[0] ?? '')?.dtype);
  if (!isOp(softmax, 'Softmax') || !dtype) return undefined;
  const axis = intAttr(softmax, 'axis', -1);
  if (facts(softmax.outputs[0]!)?.shape?.length !== 4 || (axis !== -1 && axis !== 3)) return undefined;
  const tail = tailOf(editor, softmax.outputs[0]!);
  const scores = tail && scoresBefore(editor, softmax.inputs[0]!);
  if (!scores) return undefined;
  const query = traceOperand(editor, facts, scores.product.inputs[0]!, false);
  const key = traceOperand(editor, facts, scores.product.inputs[1]!, true);
  const value = traceOperand(editor, facts, tail.product.inputs[1]!, false);
  const width = facts(softmax.outputs[0]!)?.shape?.[3];
  if (!query || !key || !value || !fitTogether(query, key, value, width)) return undefined;
  if ([value.byHead, value.bySequence].some((form) => form && form.factor !== 1)) return undefined;
  const { factor, maskings } = scores;
  return {
    dtype,
    query,
    key,
    value,
    factor,
    maskings,
    guarded: tail.guarded,
    causal: false,
    scores: softmax,
    last: tail.transpose,
  };
}

/**
 * Exporters may give the lengths of earlier keys and values two names. That there are as many values as probabilities
 * is what their product says; so it is enough that there are as many probabilities as keys.
 * @param width of the probabilities
 */
function fitTogether(query: Operand, key: Operand, value: Operand, width: Dim | undefined): boolean {
  return (
    query.heads === key.heads &&
    key.heads === value.heads &&
    query.size === key.size &&
    sameShape([query.batch, key.batch], [key.batch, value.batch]) &&
    (sameShape([key.length], [value.length]) || sameShape([key.length], [width ?? null]))
  );
}

/** The product with the values after the probabilities, and the Transpose behind it. */
function tailOf(editor: GraphEditor, probabilities: string) {
  let current = probabilities;
  let guarded = false;
  const check = editor.consumersOf(current).find((node) => isOp(node, 'IsNaN'));
  if (check) {
    const where = editor.singleConsumer(check.outputs[0]!);
    const reads = isOp(where, 'Where') && where.inputs[0] === check.outputs[0] && where.inputs[2] === current;
    const isZero = reads && scalarOf(editor.constantOf(where.inputs[1]!)) === 0;
    if (!isZero || editor.countUses(current) !== 2 || editor.isGraphOutput(current)) return undefined;
    current = where.outputs[0]!;
    guarded = true;
  }
  const product = editor.singleConsumer(current);
  if (!isOp(product, 'MatMul') || product.inputs[0] !== current) return undefined;
  const transpose = editor.singleConsumer(product.outputs[0]!);
  if (!isOp(transpose, 'Transpose') || !swapsHeads(transpose)) return undefined;
  return { product, transpose, guarded };
}

/** Goes back from the softmax to the product of query and key. */
function scoresBefore(editor: GraphEditor, start: string) {
  const maskings: Masking[] = [];
  let factor = 1;
  let current = start;
  for (let step = 0; step < LONGEST; step++) {
    if (!editor.singleConsumer(current)) return undefined;
    const node = editor.producerOf(current);
    if (isOp(node, 'MatMul')) return { product: node, factor, maskings: maskings.reverse() };
    const scaled = scaleOf(editor, node);
    if (scaled) {
      // A mask below would be scaled as well.
      if (maskings.length > 0 && !isOp(node, 'Mul', 'Div')) return undefined;
      factor *= scaled.factor;
      current = scaled.value;
      continue;
    }
    // What is scaled after a mask was added is not of this form.
    if (factor !== 1) return undefined;
    const next = maskingOf(editor, node);
    if (!next || maskings.length === 2) return undefined;
    maskings.push(next.masking);
    current = next.scores;
  }
  return undefined;
}

function maskingOf(editor: GraphEditor, node: Node | undefined): { masking: Masking; scores: string } | undefined {
  if (isOp(node, 'Add')) {
    const scores = node.inputs.find((input) => leadsToProduct(editor, input));
    const value = scores === undefined ? undefined : otherOperand(node, scores);
    return value === undefined ? undefined : { masking: { kind: 'add', value }, scores: scores! };
  }
  if (!isOp(node, 'Where')) return undefined;
  const [condition, whenTrue, whenFalse] = node.inputs as [string, string, string];
  const keeps = leadsToProduct(editor, whenTrue);
  const [scores, hidden] = keeps ? [whenTrue, whenFalse] : [whenFalse, whenTrue];
  const fill = scalarOf(editor.constantOf(hidden));
  if (fill === undefined || !isFarBelow(fill) || !leadsToProduct(editor, scores)) return undefined;
  return { masking: { kind: 'where', condition, keeps, fill }, scores };
}

/** A sum of a score and the fill must round to the fill, and its exponential to 0. */
function isFarBelow(fill: number): boolean {
  return fill < -1e30;
}

const LONGEST = 6;

/** Scores are a product that scaling and masking follow; a mask is made otherwise. */
function leadsToProduct(editor: GraphEditor, start: string): boolean {
  const pending = [start];
  for (let step = 0; step < 2 * LONGEST; step++) {
    const value = pending.pop();
    if (value === undefined) return false;
    if (!editor.singleConsumer(value)) continue;
    if (madeBy(editor, value, 'MatMul')) return true;
    const node = madeBy(editor, value, 'Mul', 'Div', 'Add', 'Where');
    if (node) pending.push(...node.inputs.filter((input) => editor.constantOf(input) === undefined));
  }
  return false;
}
