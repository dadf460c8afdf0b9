/** Makes nodes read an expanded 8-bit weight in place of their float one. */
import { attrInt, attrInts, intAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import type { Node } from '../../ir/types.ts';
import { nodeLabel } from './patterns.ts';
import type { StoredBytes, WeightStore } from './stored-weights.ts';
import type { WeightUse } from './weight-uses.ts';

export class WeightRewriter {
  /** Expanded matrices that are read transposed, by their value. */
  readonly #transposed = new Map<string, string>();

  constructor(readonly store: WeightStore) {}

  /** The node reads the expanded weight. */
  readExpanded(use: WeightUse, stored: StoredBytes): void {
    const { scope, node, inputIndex, source } = use;
    const expanded = this.store.expand(source, stored);
    const value = source.transposed ? this.#transpose(use, expanded) : expanded;
    scope.editor.setInputs(
      node,
      node.inputs.map((input, index) => (index === inputIndex ? value : input)),
    );
  }

  #transpose({ source }: WeightUse, expanded: string): string {
    const known = this.#transposed.get(expanded);
    if (known !== undefined) return known;
    const { editor } = source.scope;
    const output = editor.freshName(`${expanded}_transposed`);
    editor.addNode(
      makeNode({
        opType: 'Transpose',
        name: editor.freshName(`${output}_node`),
        inputs: [expanded],
        outputs: [output],
        attributes: { perm: attrInts([1, 0]) },
      }),
    );
    this.#transposed.set(expanded, output);
    return output;
  }
}

/**
 * An embedding picks its rows first and expands only those, so the table stays in 8 bits in memory too:
 * (Cast(Gather(codes)) - Gather(zero points)) * Gather(scales), the last two per row or for the whole table.
 */
export function replaceEmbedding({ scope, node }: WeightUse, stored: StoredBytes): readonly string[] {
  const { editor } = scope;
  const indices = node.inputs[1]!;
  const output = node.outputs[0]!;
  const axis = intAttr(node, 'axis', 0);
  const nodes: Node[] = [];
  const add = (
    opType: string,
    inputs: string[],
    result: string,
    attributes: Record<string, ReturnType<typeof attrInt>> = {},
  ) => {
    nodes.push(
      makeNode({
        opType,
        name: editor.freshName(`${nodeLabel(node)}_${opType}`),
        inputs,
        outputs: [result],
        attributes,
      }),
    );
    return result;
  };
  const gather = (table: string, what: string) =>
    add('Gather', [table, indices], editor.freshName(`${output}_${what}`), { axis: attrInt(axis) });
  const perRow = stored.grouping.kind === 'channel';
  const parameter = (value: string, what: string) => (perRow ? gather(value, what) : value);

  const codes = gather(stored.codes, 'codes');
  let value = add('Cast', [codes], editor.freshName(`${output}_float`), { to: attrInt(dtypeInfo[stored.dtype].onnx) });
  if (stored.zeroPoint !== undefined)
    value = add('Sub', [value, parameter(stored.zeroPoint, 'zero_point')], editor.freshName(`${output}_centred`));
  add('Mul', [value, parameter(stored.scale, 'scale')], output);
  editor.replaceNode(node, nodes);
  return nodes.map(nodeLabel);
}
