/** Model -> GraphDocument. */
import { modelCost } from '../analysis/cost.ts';
import { workOf } from '../analysis/macs.ts';
import { opFamily } from '../analysis/op-families.ts';
import { bytesOf } from '../analysis/value-size.ts';
import type { Model, Node, Tensor } from '../ir/types.ts';
import { isDefaultDomain, opName } from '../ir/walk.ts';
import { inferShapes } from '../shape/infer.ts';
import type { ShapeTable, ValueFacts } from '../shape/types.ts';
import type { GraphDocument, GraphNode, GraphScope } from './document.ts';
import { constantsOf, type Draft, draftsOf, type GraphParts, outputsBehindProducers } from './drafts.ts';
import { flowOrder } from './flow-order.ts';
import { groupNodes } from './grouping.ts';
import { fillScopes, type NameScope, ownScope, weightScope } from './name-scopes.ts';
import { attributesText, nodeSummary } from './node-summary.ts';
import { nodeLabel } from './node-values.ts';

export interface ExtractOptions {
  /** Values of free dimensions by symbol: with all of them known, MACs and bytes are too. Shapes stay symbolic. */
  readonly dims?: Readonly<Record<string, number>>;
}

/** More graphs inside graphs than this are left out, with a note. */
const MAX_SCOPES = 2000;

/** What stands behind a scope of a document: for questions about single nodes. */
export interface ScopeSource {
  readonly nodes: readonly Node[];
  /** The constant that is read by this name here, of this graph or one around it. */
  readonly constant: (name: string) => Tensor | undefined;
  readonly shapes: ShapeTable | undefined;
}

export interface DescribedGraph {
  readonly document: GraphDocument;
  /** Parallel to the document's scopes. */
  readonly sources: readonly ScopeSource[];
}

/** Never throws on what the model contains: cycles, unnamed and doubly named nodes end up in the notes. */
export function describeGraph(model: Model, { dims = {} }: ExtractOptions = {}): DescribedGraph {
  return new Extractor(model, dims).run();
}

export function extractGraph(model: Model, options?: ExtractOptions): GraphDocument {
  return describeGraph(model, options).document;
}

/** A graph that waits to be described. */
interface Pending extends GraphParts {
  readonly kind: GraphScope['kind'];
  readonly title: string;
  readonly owner: GraphScope['owner'];
  readonly shapes: ShapeTable | undefined;
  readonly sized: ShapeTable | undefined;
}

const NONE: GraphNode['inner'] = [];
const UNKNOWN = { macs: null, bytes: null } as const;

class Extractor {
  readonly #model: Model;
  readonly #scopes: GraphScope[] = [];
  readonly #notes: string[] = [];
  readonly #pending: Pending[] = [];
  readonly #functions = new Map<string, Model['functions'][number]>();
  readonly #functionScope = new Map<string, number>();
  /** Figures of the main graph, by node. */
  readonly #costs = new Map<Node, { macs: number | null; bytes: number | null }>();
  readonly #tokens = new Map<string, number>();
  #backEdges = 0;
  #leftOut = 0;
  readonly #shapes: ShapeTable;
  readonly #sized: ShapeTable;

  constructor(model: Model, dims: Readonly<Record<string, number>>) {
    this.#model = model;
    this.#shapes = inferShapes(model);
    this.#sized = Object.keys(dims).length > 0 ? inferShapes(model, { overrides: dims }) : this.#shapes;
    for (const definition of model.functions)
      this.#functions.set(functionKey(definition.domain, definition.name, definition.overload), definition);
    for (const cost of modelCost(model, this.#sized).nodes) {
      const { macs, readBytes, writtenBytes } = cost;
      const bytes = readBytes === undefined || writtenBytes === undefined ? null : readBytes + writtenBytes;
      this.#costs.set(cost.node, { macs: macs ?? null, bytes });
    }
  }

  run(): DescribedGraph {
    const { graph } = this.#model;
    this.#queue({
      kind: 'main',
      title: graph.name || 'Main graph',
      owner: null,
      nodes: graph.nodes,
      inputs: graph.inputs,
      outputs: graph.outputs,
      graph,
      shapes: this.#shapes,
      sized: this.#sized,
      constants: constantsOf(graph.nodes, graph, undefined),
    });
    for (let at = 0; at < this.#pending.length; at += 1) this.#scopes.push(this.#describe(this.#pending[at]!, at));
    this.#addNotes();
    const sources = this.#pending.map(({ nodes, constants, shapes }) => ({
      nodes,
      constant: (name: string) => constants.get(name),
      shapes,
    }));
    return { document: { scopes: this.#scopes, notes: this.#notes }, sources };
  }

  /** @returns the number that the scope will have, or undefined beyond the limit */
  #queue(pending: Pending): number | undefined {
    if (this.#pending.length >= MAX_SCOPES) {
      this.#leftOut += 1;
      return undefined;
    }
    this.#pending.push(pending);
    return this.#pending.length - 1;
  }

  #describe(pending: Pending, scope: number): GraphScope {
    const drafts = draftsOf(pending);
    const producerOf = new Map<string, number>();
    for (const [at, draft] of drafts.entries())
      for (const output of draft.outputs) if (output !== '') producerOf.set(output, at);
    const producers = drafts.map((draft) => {
      const made: number[] = [];
      for (const value of draft.inputs) {
        const producer = producerOf.get(value);
        if (producer !== undefined && producer !== draft.at) made.push(producer);
      }
      return made;
    });
    const roots = drafts.flatMap((draft) => (draft.kind === 'output' ? producers[draft.at]! : []));
    const flow = flowOrder(producers, roots);
    this.#backEdges += flow.backEdges;
    const order = outputsBehindProducers(flow.order, drafts, producers);
    const place = new Map(order.map((draft, at) => [draft, at]));
    const inOrder = order.map((at) => drafts[at]!);
    const orderedProducers = order.map((at) => producers[at]!.map((producer) => place.get(producer)!));
    const nodes = inOrder.map((draft, at) => this.#node(draft, pending, scope, at));
    const known = inOrder.map((draft) => knownScope(draft));
    const scopes = fillScopes(
      inOrder.map((_, at) => at),
      orderedProducers,
      known,
    );
    const { groups, groupOf } = groupNodes({
      tokens: inOrder.map((draft) => this.#token(draft)),
      producers: orderedProducers,
      scopes,
      hasWeights: inOrder.map(({ weights }) => weights.some(({ dims }) => dims.length >= 2)),
      ops: nodes.map(({ op }) => op),
    });
    const { kind, title, owner } = pending;
    return { kind, title, owner, nodes, groups, groupOf };
  }

  #node(draft: Draft, pending: Pending, scope: number, place: number): GraphNode {
    const { node, kind, index, inputs, outputs, weights } = draft;
    // An output shows the type of what it gives out.
    const typed = kind === 'output' ? inputs : outputs;
    const types = typed.map((value) => typeText(value === '' ? undefined : pending.shapes?.get(value)));
    // No spreading: with a hundred thousand nodes it is what takes the time.
    if (!node) {
      const { name, op } = draft;
      return {
        kind,
        name,
        op,
        family: 'other',
        index,
        summary: '',
        attributes: '',
        inputs,
        outputs,
        types,
        weights,
        inner: NONE,
        macs: 0,
        bytes: 0,
      };
    }
    const { macs, bytes } = this.#costOf(node, pending);
    return {
      kind,
      name: draft.name,
      op: draft.op,
      family: opFamily(node.opType),
      index,
      summary: nodeSummary(node),
      attributes: attributesText(node),
      inputs,
      outputs,
      types,
      weights,
      inner: this.#innerOf(node, pending, scope, place),
      macs,
      bytes,
    };
  }

  #costOf(node: Node, { kind, sized }: Pending): { macs: number | null; bytes: number | null } {
    if (kind === 'main') return this.#costs.get(node) ?? UNKNOWN;
    if (!sized) return UNKNOWN;
    let bytes: number | null = 0;
    for (const value of new Set([...node.inputs, ...node.outputs])) {
      if (value === '') continue;
      const size = bytesOf(sized.get(value));
      bytes = size === undefined || bytes === null ? null : bytes + size;
    }
    return { macs: workOf(node, sized).macs ?? null, bytes };
  }

  #innerOf(node: Node, pending: Pending, scope: number, place: number): GraphNode['inner'] {
    if (node.attributes.size === 0 && this.#functions.size === 0) return NONE;
    const owner = { scope, node: place };
    const inner: { label: string; scope: number }[] = [];
    for (const [name, attribute] of node.attributes) {
      const graphs =
        attribute.type === 'graph' ? [attribute.value] : attribute.type === 'graphs' ? attribute.value : [];
      for (const [at, graph] of graphs.entries()) {
        const label = graphs.length > 1 ? `${name} ${at + 1}` : name;
        const queued = this.#queue({
          kind: 'subgraph',
          title: `${label} of ${nodeLabel(node)}`,
          owner,
          nodes: graph.nodes,
          inputs: graph.inputs,
          outputs: graph.outputs,
          graph,
          shapes: pending.shapes?.scope(graph),
          sized: pending.sized?.scope(graph),
          constants: constantsOf(graph.nodes, graph, pending.constants),
        });
        if (queued !== undefined) inner.push({ label, scope: queued });
      }
    }
    const body = this.#bodyOf(node, pending, owner);
    if (body !== undefined) inner.push({ label: 'body', scope: body });
    return inner;
  }

  /** A function is described once, by its first call. */
  #bodyOf(node: Node, pending: Pending, owner: GraphScope['owner']): number | undefined {
    const key = functionKey(node.domain, node.opType, node.overload);
    const definition = this.#functions.get(key);
    if (!definition) return undefined;
    const known = this.#functionScope.get(key);
    if (known !== undefined) return known;
    const queued = this.#queue({
      kind: 'function',
      title: `function ${opName(node)}`,
      owner,
      nodes: definition.nodes,
      inputs: definition.inputs.map((name) => ({ name })),
      outputs: definition.outputs.map((name) => ({ name })),
      graph: undefined,
      shapes: pending.shapes?.callee(node),
      sized: pending.sized?.callee(node),
      constants: constantsOf(definition.nodes, undefined, undefined),
    });
    if (queued !== undefined) this.#functionScope.set(key, queued);
    return queued;
  }

  #token({ kind, node, op, weights, inputs, outputs }: Draft): number {
    let text = `${kind}|${op}|${inputs.length}|${outputs.length}`;
    for (const { input, dtype, dims } of weights) text += `|${input}:${dtype}[${dims}]`;
    if (node) text += attributesText(node);
    const known = this.#tokens.get(text);
    if (known !== undefined) return known;
    this.#tokens.set(text, this.#tokens.size);
    return this.#tokens.size - 1;
  }

  #addNotes(): void {
    if (this.#backEdges > 0)
      this.#notes.push(`${this.#backEdges} edges close cycles; they are drawn backwards, and no runtime can run this.`);
    if (this.#leftOut > 0) this.#notes.push(`${this.#leftOut} graphs inside graphs are left out.`);
    const names = new Set<string>();
    let unnamed = 0;
    let doubled = 0;
    for (const node of this.#model.graph.nodes) {
      if (node.name === '') unnamed += 1;
      else if (names.has(node.name)) doubled += 1;
      names.add(node.name);
    }
    if (unnamed > 0) this.#notes.push(`${unnamed} nodes have no name and go by that of their first output.`);
    if (doubled > 0)
      this.#notes.push(`${doubled} nodes have the name of another; figures by name may belong to either.`);
  }
}

const NO_SCOPE: NameScope = [];

function knownScope({ node, weights }: Draft): NameScope {
  if (!node) return NO_SCOPE;
  const own = ownScope(node);
  if (own.length > 0) return own;
  for (const { name, dims } of weights) {
    // Scalars are shared by whoever needs that number.
    if (dims.every((size) => size === 1)) continue;
    const scope = weightScope(name);
    if (scope.length > 0) return scope;
  }
  return NO_SCOPE;
}

function functionKey(domain: string, name: string, overload: string | undefined): string {
  return `${isDefaultDomain(domain) ? '' : domain}\n${name}\n${overload ?? ''}`;
}

/** 'float32[N, 768]'; '' while nothing is known. */
export function typeText(facts: ValueFacts | undefined): string {
  if (!facts) return '';
  if (facts.container) return facts.container;
  const shape = facts.shape ? `[${facts.shape.map((dim) => dim ?? '?').join(', ')}]` : '';
  return facts.dtype || shape ? `${facts.dtype ?? '?'}${shape}` : '';
}
