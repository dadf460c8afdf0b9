import type { Model } from '../ir/types.ts';
import { forEachNode, forEachWeight } from '../ir/walk.ts';

export type ArchitectureKind =
  | 'convolutional'
  | 'transformer'
  | 'recurrent'
  | 'hybrid'
  | 'dense'
  | 'classical'
  | 'other';

export interface ArchitectureHint {
  readonly kind: ArchitectureKind;
  /** Takes and gives a key/value cache: a decoder for token-by-token generation. */
  readonly hasKeyValueCache: boolean;
  /** Depthwise convolutions: quantizing them per tensor often costs accuracy. */
  readonly depthwiseConvolutions: number;
  /** Softmax nodes fed by a matrix product's chain, or attention operators: a count of attention blocks. */
  readonly attentionBlocks: number;
}

const attentionOps: ReadonlySet<string> = new Set([
  ...['Attention', 'QAttention', 'MultiHeadAttention', 'GroupQueryAttention', 'DecoderMaskedMultiHeadAttention'],
]);
const scoreChain: ReadonlySet<string> = new Set(['Add', 'Mul', 'Div', 'Where', 'Reshape', 'Cast', 'Sub']);
const cacheName = /past|cache|present/i;

/** What kind of network it looks like, from its operators: a hint for defaults and wording, never for correctness. */
export function architectureOf(model: Model): ArchitectureHint {
  const makers = new Map<string, { opType: string; inputs: readonly string[] }>();
  forEachNode(model, (node) => {
    for (const output of node.outputs) makers.set(output, node);
  });
  const weights = new Map<string, readonly number[]>();
  forEachWeight(model, ({ dims }, { valueName }) => weights.set(valueName, dims));
  let convolutions = 0;
  let depthwiseConvolutions = 0;
  let recurrent = 0;
  let attentionBlocks = 0;
  let products = 0;
  let classical = 0;
  forEachNode(model, (node) => {
    const { opType } = node;
    if (opType.includes('Conv') && opType !== 'CausalConvWithState') {
      convolutions += 1;
      const group = node.attributes.get('group');
      const dims = weights.get(node.inputs[1] ?? '');
      if (group?.type === 'int' && group.value > 1n && dims?.[1] === 1) depthwiseConvolutions += 1;
    }
    if (['LSTM', 'GRU', 'RNN', 'DynamicQuantizeLSTM'].includes(opType)) recurrent += 1;
    if (attentionOps.has(opType) || (opType === 'Softmax' && comesFromProduct(node.inputs[0] ?? '', makers)))
      attentionBlocks += 1;
    if (opType.includes('MatMul') || opType.includes('Gemm')) products += 1;
    if (node.domain === 'ai.onnx.ml') classical += 1;
  });
  const cached = (values: readonly { name: string }[]): number =>
    values.filter(({ name }) => cacheName.test(name)).length;
  const kinds: ArchitectureKind[] = [];
  if (convolutions > 3) kinds.push('convolutional');
  // A classifier's last Softmax behind its last product is no attention.
  if (attentionBlocks > 1) kinds.push('transformer');
  if (recurrent > 0) kinds.push('recurrent');
  return {
    kind: kinds.length > 1 ? 'hybrid' : (kinds[0] ?? (products > 0 ? 'dense' : classical > 0 ? 'classical' : 'other')),
    hasKeyValueCache: cached(model.graph.inputs) > 0 && cached(model.graph.outputs) > 0,
    depthwiseConvolutions,
    attentionBlocks,
  };
}

/** Follows first inputs through scaling and masking, a few steps back. */
function comesFromProduct(
  value: string,
  makers: ReadonlyMap<string, { opType: string; inputs: readonly string[] }>,
): boolean {
  let at = makers.get(value);
  for (let step = 0; step < 6 && at; step++) {
    if (at.opType.includes('MatMul') || at.opType === 'Einsum') return true;
    if (!scoreChain.has(at.opType)) return false;
    at = makers.get(at.inputs[at.opType === 'Where' ? 1 : 0] ?? '') ?? makers.get(at.inputs[1] ?? '');
  }
  return false;
}
