/** Puts a region into the order of axes from before its Transposes. */
import { attrInts } from '../../../ir/attributes.ts';
import { makeNode } from '../../../ir/build.ts';
import type { GraphEditor } from '../../../ir/editor.ts';
import { elementCount, readTensorBytes } from '../../../ir/tensor.ts';
import type { Node, Tensor } from '../../../ir/types.ts';
import type { StepContext } from '../../../step/define.ts';
import { transpose, withDims } from '../evaluate/layout.ts';
import type { FactLookup } from '../facts.ts';
import { keepTensor } from '../keep.ts';
import { removeIfUnread } from '../merge.ts';
import { labelOf, type Scope } from '../scopes.ts';
import { pointwiseConvolutions } from './convolution.ts';
import { moved, type Perm, type Turn } from './nodes.ts';
import { borderOf, permOf, type Region, turnedOutputs } from './region.ts';

/** @param tensor of more than one element, unless `keepsRank`
 *  @returns the constant as it must be for a value whose axes are back in the region's order */
async function turnConstant(tensor: Tensor, perm: Perm, keepsRank: boolean): Promise<Tensor> {
  const padded = [...new Array<number>(perm.length - tensor.dims.length).fill(1), ...tensor.dims];
  const dims = moved(perm, padded);
  const lead = keepsRank ? 0 : dims.findIndex((dim) => dim !== 1);
  const isOnlyRenamed = padded.filter((dim) => dim !== 1).length <= 1;
  const back = moved(perm, [...perm.keys()]);
  const turned = isOnlyRenamed ? tensor : await transpose(withDims(tensor, padded)!, back);
  return withDims(turned!, dims.slice(lead))!;
}

/** Changed constants, each once. */
class Constants {
  readonly #turned = new Map<string, string>();

  constructor(
    private readonly ctx: StepContext,
    private readonly editor: GraphEditor,
    private readonly perm: Perm,
  ) {}

  async turn(value: string, keepsRank: boolean): Promise<string> {
    const tensor = this.editor.constantOf(value)!;
    // A matrix for a product is turned by itself, whatever the rank of what it is multiplied with.
    const perm = keepsRank && tensor.dims.length < this.perm.length ? [1, 0] : this.perm;
    if (elementCount(tensor.dims) === 1 && !keepsRank) return value;
    const key = `${keepsRank} ${value}`;
    const known = this.#turned.get(key);
    if (known !== undefined) return known;
    const name = `${value}.turned`;
    const made = await turnConstant(tensor, perm, keepsRank);
    const kept =
      made.data === tensor.data
        ? { ...made, name }
        : await keepTensor(this.ctx, name, made.dtype, made.dims, await readTensorBytes(made));
    const added = this.editor.addInitializer(kept);
    this.#turned.set(key, added);
    return added;
  }

  /** Those that nobody reads any more. */
  dropReplaced(): void {
    for (const key of this.#turned.keys()) {
      const value = key.slice(key.indexOf(' ') + 1);
      const { graph } = this.editor;
      if (!graph.initializers.has(value) || this.editor.countUses(value) > 0 || this.editor.isGraphOutput(value))
        continue;
      this.editor.removeInitializer(value);
      graph.valueInfo.delete(value);
    }
  }
}

/** Changes the graph. Whatever its callers read keeps its name and its order of axes. */
export async function turnRegion(ctx: StepContext, scope: Scope, facts: FactLookup, region: Region): Promise<void> {
  const { editor } = scope;
  const { perm } = region;
  const before = [...region.entries.values(), ...region.nodes.keys()].map(labelOf);
  const outputs = [...region.nodes].flatMap(([node, turn]) => turnedOutputs(node, turn));
  const borders = new Map(outputs.map((value) => [value, borderOf(scope, facts, region, value)]));
  const names = new Map([...region.entries].map(([value, node]) => [value, node.inputs[0]!]));
  for (const value of outputs) names.set(value, editor.freshName(`${value}.turned`));
  const constants = new Constants(ctx, editor, perm);
  const made = [...region.nodes.keys()].map(labelOf);
  for (const [node, turn] of region.nodes) await turnNode(editor, node, turn, names, constants);
  constants.dropReplaced();
  for (const [value, { isNeeded, undone, changed }] of borders) {
    const own = names.get(value)!;
    if (!isNeeded) editor.graph.valueInfo.delete(value);
    else made.push(labelOf(addTranspose(editor, own, value, perm)));
    for (const node of changed) {
      node.attributes.set('perm', attrInts(permOf(node, facts)!.map((axis) => perm[axis]!)));
      editor.setInputs(node, [own]);
    }
    before.push(...undone.map(labelOf));
  }
  for (const node of region.entries.values()) dropUnread(editor, node);
  made.push(...pointwiseConvolutions(editor, region));
  // Last, since it may give what was made here the name of an output of the graph.
  for (const [value, { undone }] of borders) {
    if (undone.length === 0) continue;
    const producer = editor.producerOf(names.get(value)!)!;
    const at = producer.outputs.indexOf(names.get(value)!);
    for (const node of undone) {
      editor.removeNode(node);
      editor.replaceUses(node.outputs[0]!, producer.outputs[at]!);
    }
  }
  ctx.ledger.record('took Transposes away from around a region', before, made);
}

async function turnNode(
  editor: GraphEditor,
  node: Node,
  { flows, constants = [], keepsRank = false, adapt }: Turn,
  names: ReadonlyMap<string, string>,
  store: Constants,
): Promise<void> {
  const inputs = [...node.inputs];
  for (const index of flows) inputs[index] = names.get(inputs[index]!)!;
  for (const index of constants) inputs[index] = await store.turn(inputs[index]!, keepsRank);
  editor.setInputs(node, inputs);
  const outputs = node.outputs.map((name) => names.get(name) ?? name);
  editor.setOutputs(node, outputs);
  adapt?.(editor);
}

function addTranspose(editor: GraphEditor, from: string, to: string, perm: Perm): Node {
  const node = makeNode({
    opType: 'Transpose',
    name: editor.freshName(`${to}/Transpose`),
    inputs: [from],
    outputs: [to],
    attributes: { perm: attrInts(perm) },
  });
  const after = editor.producerOf(from);
  editor.addNode(node, after ? { after } : {});
  return node;
}

function dropUnread(editor: GraphEditor, node: Node): void {
  removeIfUnread(editor, node);
  if (!editor.has(node)) editor.graph.valueInfo.delete(node.outputs[0]!);
}
