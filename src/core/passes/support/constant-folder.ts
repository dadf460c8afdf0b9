/**
 * Constant folding over a model with subgraphs: finds every node that depends on constants alone, computes the easy ones
 * at once and the others together in the runtime, then replaces what is still read by initializers.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { attrTensor } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { cloneNode } from '../../ir/clone.ts';
import { constantNodeTensor } from '../../ir/constant.ts';
import { byteLengthOf, dtypeInfo } from '../../ir/dtype.ts';
import { tensorByteLength, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Graph, Node, Tensor } from '../../ir/types.ts';
import { localValues, subgraphsOf } from '../../ir/walk.ts';
import type { ShapeTable } from '../../shape/types.ts';
import type { StepContext } from '../../step/define.ts';
import { evaluateNode } from './evaluate/index.ts';
import { executeNodes, type NodeJob } from './execute-nodes.ts';
import { type FactLookup, factsIn, staticShape } from './facts.ts';
import { growsUnseen, mayFold } from './foldable.ts';
import { keepTensor } from './keep.ts';
import { usedValues } from './liveness.ts';
import { labelOf, opsetOf } from './scopes.ts';

/** A value that is constant but not computed yet: the runtime will make it, under this name. */
interface Pending {
  readonly pending: string;
}

type Known = Tensor | Pending;

const isPending = (value: Known | undefined): value is Pending => value !== undefined && 'pending' in value;

interface FoldScope {
  readonly graph: Graph;
  readonly outer: FoldScope | undefined;
  readonly local: ReadonlySet<string>;
  readonly facts: FactLookup;
  readonly table: ShapeTable | undefined;
  readonly known: Map<string, Known>;
  /** Nodes to take out, once all their outputs are known. */
  readonly folded: Node[];
}

/** Weights wider than their stored form cost memory; casts of larger ones are left to the runtime. */
const WIDENING_CAST_BYTES = 64 * 1024;
const YIELD_EVERY = 2000;

export class ConstantFolder {
  readonly #ctx: StepContext;
  readonly #table: ShapeTable;
  readonly #maxOutputBytes: number;
  readonly #opset: number;
  readonly #scopes: FoldScope[] = [];
  readonly #jobs: NodeJob[] = [];
  #results: ReadonlyMap<string, Tensor> = new Map();
  #visited = 0;

  constructor(ctx: StepContext, table: ShapeTable, maxOutputBytes: number) {
    this.#ctx = ctx;
    this.#table = table;
    this.#maxOutputBytes = maxOutputBytes;
    this.#opset = opsetOf(ctx.model.opsetImports);
  }

  /** Finds what can be folded; outer graphs first, since inner ones see their constants. */
  scan(): Promise<void> {
    return this.#scanGraph(this.#ctx.model.graph, undefined, this.#table);
  }

  /** Runs what has to be run. Without a runtime those nodes stay. */
  async execute(): Promise<void> {
    if (this.#jobs.length === 0) return;
    const { executor } = this.#ctx;
    if (executor === undefined) {
      this.#ctx.advise({
        level: 'info',
        code: 'fold-constants/no-runtime',
        message: 'Some constant nodes were left as they are, because no runtime was at hand to compute them.',
      });
      return;
    }
    this.#results = await executeNodes(this.#ctx, executor, this.#jobs, this.#wantedNames());
  }

  /** Takes folded nodes out and gives their readers initializers (or a Constant, where the graph returns the value). */
  replaceFoldedNodes(): void {
    // Inner graphs first: what they no longer capture need not be kept outside.
    for (const scope of [...this.#scopes].reverse()) this.#replaceIn(scope);
  }

  async #scanGraph(graph: Graph, outer: FoldScope | undefined, table: ShapeTable | undefined): Promise<void> {
    throwIfCancelled(this.#ctx.signal);
    const scope = this.#enter(graph, outer, table);
    for (const node of graph.nodes) {
      if (++this.#visited % YIELD_EVERY === 0) await this.#ctx.yield();
      const constant = constantNodeTensor(node);
      if (constant) scope.known.set(node.outputs[0]!, constant);
      else if (!this.#foldProven(scope, node)) await this.#foldComputed(scope, node);
      for (const subgraph of subgraphsOf(node)) await this.#scanGraph(subgraph, scope, table?.scope(subgraph));
    }
  }

  #enter(graph: Graph, outer: FoldScope | undefined, table: ShapeTable | undefined): FoldScope {
    const inputs = new Set(graph.inputs.map(({ name }) => name));
    const isFixed = (name: string) => !inputs.has(name) || (outer === undefined && this.#ctx.model.irVersion < 4);
    const scope: FoldScope = {
      graph,
      outer,
      local: localValues(graph),
      facts: table ? factsIn(table, graph, 'main') : () => undefined,
      table,
      known: new Map([...graph.initializers].filter(([name]) => isFixed(name))),
      folded: [],
    };
    this.#scopes.push(scope);
    return scope;
  }

  /** Integer and bool results of shape computations that inference knows in full. */
  #foldProven(scope: FoldScope, node: Node): boolean {
    const [output] = node.outputs;
    if (output === undefined || node.outputs.length !== 1 || !mayFold(node)) return false;
    const values = scope.table?.constants.get(output);
    const facts = scope.facts(output);
    const dims = staticShape(facts);
    const dtype = facts?.dtype;
    if (!values?.every((value) => Number.isSafeInteger(value)) || !dims || !dtype) return false;
    if (dtype !== 'int64' && dtype !== 'int32' && dtype !== 'bool') return false;
    scope.known.set(output, tensorFromNumbers(output, dtype, dims, values as readonly number[]));
    scope.folded.push(node);
    return true;
  }

  async #foldComputed(scope: FoldScope, node: Node): Promise<void> {
    if (!mayFold(node) || node.inputs.length === 0) return;
    const inputs = node.inputs.map((name) => (name === '' ? undefined : lookUp(scope, name)));
    if (node.inputs.some((name, at) => name !== '' && inputs[at] === undefined)) return;
    const limit = this.#sizeLimit(inputs);
    if (!this.#fits(scope, node, inputs, limit)) return;
    if (!inputs.some(isPending)) {
      const outputs = await evaluateNode(node, inputs as (Tensor | undefined)[], this.#opset, limit);
      if (outputs) {
        for (const [at, name] of node.outputs.entries()) {
          if (name !== '') scope.known.set(name, await this.#kept(outputs[at]!));
        }
        scope.folded.push(node);
        return;
      }
    }
    this.#postpone(scope, node, inputs);
  }

  async #kept(tensor: Tensor): Promise<Tensor> {
    if (tensor.data.kind !== 'bytes') return tensor;
    return keepTensor(this.#ctx, tensor.name, tensor.dtype, tensor.dims, tensor.data.bytes);
  }

  /** A result may be as large as the constants it replaces. */
  #sizeLimit(inputs: readonly (Known | undefined)[]): number {
    const own = inputs.reduce((total, input) => total + (input && !isPending(input) ? tensorByteLength(input) : 0), 0);
    return Math.max(this.#maxOutputBytes, own);
  }

  #fits(scope: FoldScope, node: Node, inputs: readonly (Known | undefined)[], limit: number): boolean {
    for (const name of node.outputs) {
      const facts = name === '' ? undefined : scope.facts(name);
      if (name === '') continue;
      if (facts?.container) return false;
      const dims = staticShape(facts);
      if (!dims || !facts?.dtype) {
        if (growsUnseen(node)) return false;
        continue;
      }
      const bytes = byteLengthOf(
        facts.dtype,
        dims.reduce((total, dim) => total * dim, 1),
      );
      if (bytes > limit) return false;
      const [source] = inputs;
      const widens =
        node.opType === 'Cast' &&
        source !== undefined &&
        !isPending(source) &&
        dtypeInfo[facts.dtype].bits > dtypeInfo[source.dtype].bits;
      if (widens && bytes > WIDENING_CAST_BYTES) return false;
    }
    return true;
  }

  #postpone(scope: FoldScope, node: Node, inputs: readonly (Known | undefined)[]): void {
    const job = cloneNode(node);
    const prefix = `${this.#jobs.length}`;
    const constants = new Map<string, Tensor>();
    job.inputs = node.inputs.map((name, at) => {
      const input = inputs[at];
      if (input === undefined) return '';
      if (isPending(input)) return input.pending;
      const unique = `${prefix}/${at}/${name}`;
      constants.set(unique, input);
      return unique;
    });
    job.outputs = node.outputs.map((name, at) => (name === '' ? '' : `${prefix}:${at}:${name}`));
    for (const [at, name] of node.outputs.entries()) {
      if (name !== '') scope.known.set(name, { pending: job.outputs[at]! });
    }
    scope.folded.push(node);
    this.#jobs.push({ node: job, constants });
  }

  /** Pending values that a node outside the batch reads. */
  #wantedNames(): Set<string> {
    const wanted = new Set<string>();
    for (const scope of this.#scopes) {
      const folded = new Set(scope.folded);
      const rest = { ...scope.graph, nodes: scope.graph.nodes.filter((node) => !folded.has(node)) };
      for (const name of usedValues(rest)) {
        const value = scope.known.get(name);
        if (isPending(value)) wanted.add(value.pending);
      }
    }
    return wanted;
  }

  #replaceIn(scope: FoldScope): void {
    const { graph } = scope;
    const { gone, used } = this.#settle(scope);
    if (gone.size === 0) return;
    const outputs = new Set(graph.outputs.map(({ name }) => name));
    const constants: Node[] = [];
    for (const node of gone) {
      const read = node.outputs.filter((name) => name !== '' && used.has(name));
      for (const name of read) {
        const tensor = { ...this.#tensorOf(scope, name)!, name };
        if (outputs.has(name)) constants.push(constantNode(tensor));
        else graph.initializers.set(name, tensor);
      }
      for (const name of node.outputs) graph.valueInfo.delete(name);
      this.#ctx.ledger.record(`folded a constant ${node.opType}`, [labelOf(node)], read);
    }
    graph.nodes = [...constants, ...graph.nodes.filter((node) => !gone.has(node))];
  }

  /**
   * The nodes that really go, and the values that are read once they are gone. A node stays when a value of it is read
   * that the runtime did not deliver; then its own inputs are read, too.
   */
  #settle(scope: FoldScope): { gone: Set<Node>; used: Set<string> } {
    const { graph } = scope;
    const gone = new Set(scope.folded);
    const makers = new Map<string, Node>();
    for (const node of gone) for (const name of node.outputs) makers.set(name, node);
    const used = new Set<string>();
    const pending = [...usedValues({ ...graph, nodes: graph.nodes.filter((node) => !gone.has(node)) })];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (used.has(name)) continue;
      used.add(name);
      const maker = makers.get(name);
      if (maker === undefined || !gone.has(maker) || this.#tensorOf(scope, name)) continue;
      gone.delete(maker);
      pending.push(...maker.inputs);
    }
    return { gone, used };
  }

  #tensorOf(scope: FoldScope, name: string): Tensor | undefined {
    const value = scope.known.get(name);
    return isPending(value) ? this.#results.get(value.pending) : value;
  }
}

function constantNode(tensor: Tensor): Node {
  const attributes = { value: attrTensor(tensor) };
  return makeNode({ opType: 'Constant', inputs: [], outputs: [tensor.name], attributes });
}

function lookUp(scope: FoldScope, name: string): Known | undefined {
  for (let at: FoldScope | undefined = scope; at; at = at.outer) {
    if (at.local.has(name)) return at.known.get(name);
  }
  return undefined;
}
