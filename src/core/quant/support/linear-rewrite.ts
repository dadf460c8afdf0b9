/** Puts the quantized form of a product in place of a MatMul or Gemm, with what Gemm does around its product. */
import { attrInts } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import type { LinearSite } from './linear-sites.ts';
import { nodeLabel } from './patterns.ts';

export interface ProductNodes {
  readonly nodes: readonly Node[];
  /** The value that holds activation x weight. */
  readonly output: string;
}

/**
 * Y = alpha * A' * B' + beta * C becomes: Transpose of A where transA asks for it, the product (which `product` makes
 * from the activation's name and the name its result shall have), Mul by alpha, Add of beta * C. Factors of 1 cost
 * nothing. The last node takes over the output name.
 * @returns the labels of the nodes put in place
 */
export function replaceLinear(
  site: LinearSite,
  product: (activation: string, output: string) => readonly Node[],
): readonly string[] {
  const { editor } = site.scope;
  const { node } = site;
  const base = nodeLabel(node);
  const dtype = site.weight.tensor.dtype;
  const nodes: Node[] = [];
  const add = (opType: string, inputs: string[], output: string, attributes: Node['attributes'] = new Map()) => {
    nodes.push(
      makeNode({ opType, inputs, outputs: [output], name: editor.freshName(`${base}/${opType}`), attributes }),
    );
    return output;
  };
  const scalar = (value: number) =>
    editor.addInitializer(tensorFromNumbers(editor.freshName(`${base}/factor`), dtype, [], [value]));

  let activation = site.activation;
  if (site.transA)
    activation = add('Transpose', [activation], editor.freshName(`${base}/A`), new Map([['perm', attrInts([1, 0])]]));
  const stages: ((input: string, output: string) => void)[] = [];
  if (site.alpha !== 1) stages.push((input, output) => void add('Mul', [input, scalar(site.alpha)], output));
  if (site.bias !== undefined && site.beta !== 0) {
    const { bias, beta } = site;
    stages.push((input, output) => {
      const scaled = beta === 1 ? bias : add('Mul', [bias, scalar(beta)], editor.freshName(`${base}/C`));
      add('Add', [input, scaled], output);
    });
  }

  let current = stages.length === 0 ? site.output : editor.freshName(`${base}/product`);
  nodes.push(...product(activation, current));
  stages.forEach((stage, index) => {
    const output = index === stages.length - 1 ? site.output : editor.freshName(`${base}/scaled`);
    stage(current, output);
    current = output;
  });
  editor.replaceNode(node, nodes);
  return nodes.map(nodeLabel);
}
