/** What a linear layer is for, told from the nodes around it, where names say nothing. */
import type { Node } from '../../ir/types.ts';
import type { LinearSite } from './linear-sites.ts';

/** How many nodes to look at before giving up: a few times what lies between a projection and its attention. */
const MAX_VISITS = 48;

/** Nodes that move, split or repeat values without mixing them. */
const movements = new Set([
  ...['Reshape', 'Transpose', 'Split', 'Slice', 'Squeeze', 'Unsqueeze', 'Expand', 'Tile', 'Concat', 'Gather'],
  ...['Cast', 'Identity', 'Dropout', 'Flatten'],
]);

/** Input index at which attention operators take their values. */
const attentionValueInput: Readonly<Record<string, number>> = {
  MultiHeadAttention: 2,
  GroupQueryAttention: 2,
  Attention: 2,
  PackedMultiHeadAttention: 2,
};

const activations = new Set([
  ...['Relu', 'Gelu', 'FastGelu', 'BiasGelu', 'QuickGelu', 'Sigmoid', 'Silu', 'Swish', 'HardSwish', 'HardSigmoid'],
  ...['Erf', 'Tanh', 'Elu', 'LeakyRelu', 'Softplus', 'Mish'],
]);

/** Whether its result, moved about at most, is what attention weighs: the right operand of a product with Softmax. */
export function feedsAttentionValues(site: LinearSite): boolean {
  const { editor } = site.scope;
  const pending = [site.output];
  const seen = new Set(pending);
  for (let visits = 0; visits < MAX_VISITS && pending.length > 0; visits += 1) {
    const value = pending.pop()!;
    for (const node of editor.consumersOf(value)) {
      const at = node.inputs.indexOf(value);
      if (attentionValueInput[node.opType] === at) return true;
      if (node.opType === 'MatMul' && at === 1 && comesFromSoftmax(site, node.inputs[0]!)) return true;
      if (!movements.has(node.opType) && !addsConstant(site, node)) continue;
      for (const output of node.outputs)
        if (output !== '' && !seen.has(output)) {
          seen.add(output);
          pending.push(output);
        }
    }
  }
  return false;
}

function comesFromSoftmax({ scope }: LinearSite, value: string): boolean {
  let at = value;
  for (let hop = 0; hop < 6; hop += 1) {
    const producer = scope.editor.producerOf(at);
    if (producer?.opType === 'Softmax') return true;
    if (!producer || !(movements.has(producer.opType) || producer.opType === 'Where')) return false;
    // Where(mask, 0, weights) hides padding after the Softmax.
    at = producer.opType === 'Where' ? producer.inputs[2]! : producer.inputs[0]!;
  }
  return false;
}

/** Whether its input is an activation function's result, gated perhaps: what a down projection reads. */
export function followsActivation(site: LinearSite): boolean {
  const { editor } = site.scope;
  const pending = [site.activation];
  for (let visits = 0; visits < 12 && pending.length > 0; visits += 1) {
    const producer = editor.producerOf(pending.pop()!);
    if (!producer) continue;
    if (activations.has(producer.opType)) return true;
    if (producer.opType === 'Mul' || producer.opType === 'Div' || addsConstant(site, producer))
      pending.push(...producer.inputs);
    else if (movements.has(producer.opType)) pending.push(producer.inputs[0]!);
  }
  return false;
}

/** A bias; sums of two computed values (residual branches) lead elsewhere. */
function addsConstant({ scope }: LinearSite, node: Node): boolean {
  return node.opType === 'Add' && node.inputs.some((input) => scope.editor.constantOf(input) !== undefined);
}
