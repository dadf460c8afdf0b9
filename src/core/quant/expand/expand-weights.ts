/**
 * Turns packed weights into plain ones, so that what computes with them is the plain operator: small on the wire, as
 * fast and as large in memory as before quantization.
 */
import { float32ArrayToFloat16 } from '../../base/float16.ts';
import type { JobContext } from '../../base/progress.ts';
import { attrInt, intAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { bytesOf, tensorFromBytes } from '../../ir/tensor.ts';
import type { Model, Node, Tensor } from '../../ir/types.ts';
import { nodeLabel } from '../support/patterns.ts';
import { closeScopes, openScopes, type Scope } from '../support/scopes.ts';
import { expandWeight } from './expand-codes.ts';
import { findPackedWeights, type PackedWeight } from './packed-weights.ts';

export interface ExpandedWeights {
  /** Nodes that had packed weights. */
  readonly nodes: number;
  /** Of the plain weights. */
  readonly bytes: number;
}

/**
 * Edits the model. Codes that several nodes read alike are expanded once.
 * @throws StudioError job/cancelled
 */
export async function expandWeights(model: Model, job: JobContext): Promise<ExpandedWeights> {
  const scopes = openScopes(model);
  const weights = await findPackedWeights(scopes);
  const known = new Map<string, Tensor>();
  const names = new Map<Tensor, string>();
  const left: { scope: Scope; value: string }[] = [];
  let bytes = 0;
  for (const [done, weight] of weights.entries()) {
    job.onProgress({ stage: 'expanding the weights', done, total: weights.length, unit: 'tensors' });
    const { kind, scope, home, node, codes, scales, zeroPoints, dims } = weight;
    const key = [kind, home.index, codes.name, scales.name, zeroPoints?.name, dims.join()].join('/');
    let tensor = known.get(key);
    if (!tensor) {
      const values = await expandWeight(job, weight);
      const data = scales.dtype === 'float16' ? float32ArrayToFloat16(values) : values;
      tensor = tensorFromBytes(`${codes.name}_expanded`, scales.dtype, dims, bytesOf(data));
      bytes += data.byteLength;
      known.set(key, tensor);
    }
    left.push(...node.inputs.map((value) => ({ scope, value })));
    replace(weight, tensor, names);
  }
  closeScopes(scopes);
  dropUnread(left);
  closeScopes(scopes);
  return { nodes: weights.length, bytes };
}

/** @param names of expanded tensors that are initializers already */
function replace({ kind, scope, home, node }: PackedWeight, tensor: Tensor, names: Map<Tensor, string>): void {
  const { editor, graph } = scope;
  const [output] = node.outputs as [string];
  const plain = (opType: string, inputs: string[], result: string, attributes = {}): Node =>
    makeNode({
      opType,
      name: editor.freshName(`${nodeLabel(node)}_${opType}`),
      inputs,
      outputs: [result],
      attributes,
    });
  if (kind === 'DequantizeLinear') {
    // Under the name of what it replaces, so that readers in subgraphs need not be changed.
    editor.removeNode(node);
    graph.initializers.set(output, { ...tensor, name: output });
    return;
  }
  const weight = names.get(tensor) ?? home.editor.addInitializer(tensor);
  names.set(tensor, weight);
  if (kind === 'GatherBlockQuantized') {
    const axis = { axis: attrInt(intAttr(node, 'gather_axis', 0)) };
    editor.replaceNode(node, [plain('Gather', [weight, node.inputs[1]!], output, axis)]);
    return;
  }
  const bias = kind === 'MatMulNBits' ? node.inputs[5] : undefined;
  const product = bias ? editor.freshName(`${output}_product`) : output;
  editor.replaceNode(node, [
    plain('MatMul', [node.inputs[0]!, weight], product),
    ...(bias ? [plain('Add', [product, bias], output)] : []),
  ]);
}

/** Constants that nothing reads any more, and the nodes by which they were reached. */
function dropUnread(values: { scope: Scope; value: string }[]): void {
  for (let next = values.pop(); next; next = values.pop()) {
    const { value } = next;
    let home: Scope | undefined = next.scope;
    while (home && !home.graph.initializers.has(value) && !home.editor.producerOf(value)) home = home.outer;
    if (!home || home.editor.isGraphOutput(value) || home.editor.countUses(value) > 0) continue;
    const scope = home;
    const producer = scope.editor.producerOf(value);
    if (!producer) {
      if (scope.editor.constantOf(value)) scope.editor.removeInitializer(value);
      continue;
    }
    // Only what constants went through: an activation's producer stays, since another node reads it.
    if (producer.outputs.some((output) => scope.editor.countUses(output) > 0)) continue;
    scope.editor.removeNode(producer);
    values.push(...producer.inputs.map((input) => ({ scope, value: input })));
  }
}
