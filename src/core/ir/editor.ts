import { StudioError } from '../base/errors/index.ts';
import { constantNodeTensor } from './constant.ts';
import { NamesInUse } from './names-in-use.ts';
import { NodeList } from './node-list.ts';
import { renameCapturedUses } from './rename.ts';
import { topologicalOrder } from './topo.ts';
import type { Graph, Model, Node, Tensor } from './types.ts';
import { implicitInputsOf, subgraphsOf } from './walk.ts';

export interface GraphEditorOptions {
  /**
   * Below IR version 4 every initializer must also be a graph input and is constant all the same (onnx/docs/IR.md);
   * from 4 on such an input may be overridden by the caller.
   */
  readonly irVersion?: number;
}

/** Where a new node goes among the others. Only the stable order of `finish` depends on it. */
export interface Placement {
  readonly after?: Node;
  readonly before?: Node;
}

const LONG_LIST = 1000;

/**
 * Edits one graph with an index of who makes and who reads each value, so that an edit costs about as much as the node
 * is large. While an editor is in use all edits of its graph go through it; `graph.nodes` is brought up to date by
 * `finish` (use `nodes()` in between). An editor of a subgraph is given the editor of the graph around it and finishes
 * before that one goes on.
 */
export class GraphEditor {
  readonly graph: Graph;
  readonly #outer: GraphEditor | undefined;
  readonly #irVersion: number;
  readonly #names: NamesInUse;
  /** Nodes were added, removed or changed since `graph.nodes` was last brought up to date. */
  #isEdited = false;
  readonly #inputs: Set<string>;
  /** Output name to how often the graph lists it. */
  readonly #outputs = new Map<string, number>();
  readonly #producers = new Map<string, Node>();
  /** Value to its readers with their number of uses; capture by subgraphs is one more use. */
  readonly #consumers = new Map<string, Map<Node, number>>();
  readonly #captures = new Map<Node, readonly string[]>();
  readonly #ownerOf = new Map<Graph, Node>();
  #list = new NodeList();

  constructor(graph: Graph, outer?: GraphEditor, options: GraphEditorOptions = {}) {
    this.graph = graph;
    this.#outer = outer;
    this.#irVersion = options.irVersion ?? (outer ? outer.#irVersion : 4);
    this.#names = outer ? outer.#names : new NamesInUse(graph);
    this.#inputs = new Set(graph.inputs.map((input) => input.name));
    for (const { name } of graph.outputs) this.#outputs.set(name, (this.#outputs.get(name) ?? 0) + 1);
    for (const node of graph.nodes) {
      this.#list.insert(node, this.#list.last);
      this.#index(node);
    }
    this.#isEdited = false;
  }

  /** An editor of a model's main graph, which knows the model's rule for constants. */
  static forModel(model: Model): GraphEditor {
    return new GraphEditor(model.graph, undefined, { irVersion: model.irVersion });
  }

  /** The nodes as they are now, in list order. */
  nodes(): Node[] {
    return this.#list.toArray();
  }

  /** Whether the node is (still) in the graph. */
  has(node: Node): boolean {
    return this.#list.has(node);
  }

  producerOf(value: string): Node | undefined {
    return this.#producers.get(value);
  }

  /** Each reader once; a node whose subgraph captures the value is one. */
  consumersOf(value: string): readonly Node[] {
    const readers = this.#consumers.get(value);
    return readers ? [...readers.keys()] : [];
  }

  /** How often nodes read the value; a node that reads it twice counts twice. Graph outputs are not counted. */
  countUses(value: string): number {
    let uses = 0;
    for (const count of this.#consumers.get(value)?.values() ?? []) uses += count;
    return uses;
  }

  /** The only reader, where the value has exactly one use and is no graph output. */
  singleConsumer(value: string): Node | undefined {
    const readers = this.#consumers.get(value);
    if (readers?.size !== 1 || this.isGraphOutput(value)) return undefined;
    const [[reader, uses]] = readers as unknown as [[Node, number]];
    return uses === 1 ? reader : undefined;
  }

  isGraphOutput(value: string): boolean {
    return this.#outputs.has(value);
  }

  isGraphInput(value: string): boolean {
    return this.#inputs.has(value);
  }

  /** The tensor of a constant value: an initializer that no caller can override, or the output of a Constant node. */
  constantOf(value: string): Tensor | undefined {
    if (value === '') return undefined;
    const initializer = this.graph.initializers.get(value);
    if (initializer) return this.#inputs.has(value) && this.#irVersion >= 4 ? undefined : initializer;
    const producer = this.#producers.get(value);
    if (producer) return constantNodeTensor(producer);
    return this.#inputs.has(value) ? undefined : this.#outer?.constantOf(value);
  }

  /** Adds at the end, or where told. Its outputs must not have a producer yet. */
  addNode(node: Node, placement: Placement = {}): void {
    if (this.has(node)) throw new Error(`node "${node.name}" (${node.opType}) is in the graph already`);
    const after = placement.before ? this.#list.before(placement.before) : (placement.after ?? this.#list.last);
    this.#list.insert(node, after);
    this.#isEdited = true;
    this.#index(node);
    if (node.name !== '') this.#names.add(node.name);
    for (const output of node.outputs) this.#names.add(output);
  }

  /** Takes the node out; readers of its outputs are left as they are. */
  removeNode(node: Node): void {
    this.#unindex(node);
    this.#list.remove(node);
    this.#isEdited = true;
  }

  /** Puts nodes in the place of one; they may take over its output names. */
  replaceNode(old: Node, replacements: readonly Node[]): void {
    let after = this.#list.before(old);
    this.removeNode(old);
    for (const node of replacements) {
      const { first } = this.#list;
      if (after) this.addNode(node, { after });
      else this.addNode(node, first ? { before: first } : {});
      after = node;
    }
  }

  setInputs(node: Node, inputs: readonly string[]): void {
    this.#edit(node, () => {
      node.inputs = [...inputs];
    });
  }

  setOutputs(node: Node, outputs: readonly string[]): void {
    this.#edit(node, () => {
      node.outputs = [...outputs];
    });
    for (const output of outputs) this.#names.add(output);
  }

  /** Call after editing a subgraph of the node by other means than an editor that has this one as `outer`. */
  refresh(node: Node): void {
    this.#edit(node, () => {});
  }

  /**
   * Whether `replaceUses(from, to)` would have to insert an Identity: `from` is a graph output, whose name must stay,
   * and `to` cannot take that name because it is an input, an initializer, an outer value or a graph output itself.
   * A pass that runs until nothing changes must leave such a case alone.
   */
  needsIdentity(from: string, to: string): boolean {
    return this.isGraphOutput(from) && !this.isGraphInput(from) && (!this.#producers.has(to) || this.isGraphOutput(to));
  }

  /**
   * Makes everything that reads `from` read `to`, inside subgraphs too. A graph output keeps its name: where `from` is
   * one, the producer of `to` is renamed to it, and what made `from` gets a fresh name (see also `needsIdentity`).
   */
  replaceUses(from: string, to: string): void {
    if (from === to) return;
    // A graph input that is an output as well cannot be made by anybody else.
    if (!this.isGraphOutput(from) || this.isGraphInput(from)) {
      this.#rewire(from, to);
      return;
    }
    const target = this.#producers.get(to);
    const insertIdentity = this.needsIdentity(from, to);
    this.#vacate(from);
    if (insertIdentity) {
      this.#rewire(from, to);
      const identity: Node = {
        name: this.freshName('Identity'),
        opType: 'Identity',
        domain: '',
        inputs: [to],
        outputs: [from],
        attributes: new Map(),
      };
      this.addNode(identity);
      return;
    }
    this.setOutputs(
      target!,
      target!.outputs.map((output) => (output === to ? from : output)),
    );
    this.#rewire(to, from);
    this.graph.valueInfo.delete(to);
  }

  /** Adds a weight; returns its name, which differs from the tensor's when that is taken. */
  addInitializer(tensor: Tensor): string {
    const name = this.freshName(tensor.name === '' ? 'constant' : tensor.name);
    this.graph.initializers.set(name, name === tensor.name ? tensor : { ...tensor, name });
    return name;
  }

  /** Puts another tensor under the name of an initializer that is there. */
  replaceInitializer(name: string, tensor: Tensor): void {
    if (!this.graph.initializers.has(name)) throw new Error(`there is no initializer "${name}"`);
    this.graph.initializers.set(name, tensor.name === name ? tensor : { ...tensor, name });
  }

  /** Also takes it out of the graph inputs, where old models repeat it. */
  removeInitializer(name: string): void {
    this.graph.initializers.delete(name);
    if (!this.#inputs.delete(name)) return;
    this.graph.inputs = this.graph.inputs.filter((input) => input.name !== name);
  }

  /** A name that nothing in the nest of graphs has, equal to the hint where possible. Reserved from now on. */
  freshName(hint: string): string {
    let name = hint;
    for (let i = 1; this.#names.has(name); i += 1) name = `${hint}_${i}`;
    this.#names.add(name);
    return name;
  }

  /**
   * Writes `graph.nodes` in a stable topological order. Drops nothing. The editor may be used on afterwards.
   * @throws StudioError model/cycle
   */
  finish(): void {
    const { order, cycle } = topologicalOrder(this.nodes());
    if (cycle) throw new StudioError('model/cycle', { node: cycle[0]!.name, opType: cycle[0]!.opType });
    const isSame = !this.#isEdited && order.every((node, at) => node === this.graph.nodes[at]);
    if (isSame) return;
    this.graph.nodes = order;
    this.#list = new NodeList();
    for (const node of order) this.#list.insert(node, this.#list.last);
    this.#isEdited = false;
    const outer = this.#outer;
    const owner = outer ? outer.#ownerOf.get(this.graph) : undefined;
    if (outer && owner) outer.refresh(owner);
  }

  /** Frees a name for another maker: the output of its producer gets a fresh one, an initializer goes. */
  #vacate(value: string): void {
    this.graph.initializers.delete(value);
    const producer = this.#producers.get(value);
    if (!producer) return;
    const name = this.freshName(value);
    this.setOutputs(
      producer,
      producer.outputs.map((output) => (output === value ? name : output)),
    );
  }

  #rewire(from: string, to: string): void {
    for (const node of this.consumersOf(from)) {
      if (!this.#captures.has(node)) {
        this.#rewireInputs(node, from, to);
        continue;
      }
      this.#edit(node, () => {
        node.inputs = node.inputs.map((input) => (input === from ? to : input));
        for (const graph of subgraphsOf(node)) renameCapturedUses(graph, from, to, (hint) => this.freshName(hint));
      });
    }
  }

  /** Touches the uses of one value only: a node may have a hundred thousand inputs, each of which is replaced. */
  #rewireInputs(node: Node, from: string, to: string): void {
    this.#isEdited = true;
    const uses = this.#consumers.get(from)!.get(node)!;
    // A short list is copied, so that whoever goes through it is not disturbed.
    if (node.inputs.length <= LONG_LIST) node.inputs = [...node.inputs];
    for (let left = uses, at = node.inputs.indexOf(from); left > 0 && at >= 0; left -= 1) {
      node.inputs[at] = to;
      if (left > 1) at = node.inputs.indexOf(from, at + 1);
    }
    this.#addUse(from, node, -uses);
    if (to !== '') this.#addUse(to, node, uses);
  }

  #edit(node: Node, change: () => void): void {
    if (!this.has(node)) throw new Error(`node "${node.name}" (${node.opType}) is not in the graph`);
    this.#isEdited = true;
    this.#unindex(node);
    change();
    this.#index(node);
  }

  #index(node: Node): void {
    for (const output of node.outputs) if (output !== '') this.#producers.set(output, node);
    for (const input of node.inputs) if (input !== '') this.#addUse(input, node, 1);
    const captures = implicitInputsOf(node);
    for (const graph of subgraphsOf(node)) this.#ownerOf.set(graph, node);
    if (captures.length === 0) return;
    this.#captures.set(node, captures);
    for (const value of captures) this.#addUse(value, node, 1);
  }

  #unindex(node: Node): void {
    // A replacement may have taken over the output already.
    for (const output of node.outputs) if (this.#producers.get(output) === node) this.#producers.delete(output);
    for (const input of node.inputs) if (input !== '') this.#addUse(input, node, -1);
    for (const value of this.#captures.get(node) ?? []) this.#addUse(value, node, -1);
    this.#captures.delete(node);
  }

  #addUse(value: string, node: Node, change: number): void {
    let readers = this.#consumers.get(value);
    if (!readers) {
      readers = new Map();
      this.#consumers.set(value, readers);
    }
    const uses = (readers.get(node) ?? 0) + change;
    if (uses > 0) readers.set(node, uses);
    else readers.delete(node);
  }
}
