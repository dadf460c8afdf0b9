/** Which nodes run next when a model is run in parts, and which values must be kept from one part to the next. */
import { StudioError } from '../base/errors/index.ts';
import { tensorByteLength } from '../ir/tensor.ts';
import type { Graph, Node } from '../ir/types.ts';
import { implicitInputsOf, isDefaultDomain, subgraphsOf, usedValuesOf } from '../ir/walk.ts';
import type { ShapeTable } from '../shape/types.ts';

/** What runs in one session. */
export interface PartPlan {
  /** In topological order; none when everything wanted is there already. */
  readonly nodes: readonly Node[];
  /** Values from outside that these nodes read. */
  readonly inputs: ReadonlySet<string>;
  /** Initializers that these nodes read. */
  readonly weights: ReadonlySet<string>;
}

/** Made once: a second time they give other values. */
const randomOps = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Multinomial',
  'Bernoulli',
]);

/** The graph as it is now: make a new one after every edit. */
export class WalkGraph {
  readonly graph: Graph;
  readonly #reads: readonly (readonly string[])[];
  readonly #producers = new Map<string, number>();
  readonly #fed: ReadonlySet<string>;
  /** Values that every part makes for itself: of constants, or such that cannot be handed from session to session. */
  readonly #remade = new Set<string>();
  readonly #sparse: ReadonlySet<string>;

  /**
   * @param fed graph inputs that the samples give
   * @param shapes tells which values are no tensors
   */
  constructor(graph: Graph, fed: ReadonlySet<string>, shapes: ShapeTable) {
    this.graph = graph;
    this.#fed = fed;
    this.#sparse = new Set(graph.sparseInitializers.map(({ values }) => values.name));
    this.#reads = graph.nodes.map(usedValuesOf);
    for (const [at, node] of graph.nodes.entries()) {
      for (const output of node.outputs) if (output !== '') this.#producers.set(output, at);
      const isConstant = this.#reads[at]!.every((value) => this.#remade.has(value) || this.#isWeight(value));
      for (const output of node.outputs) {
        const facts = shapes.get(output);
        const isPortable = facts?.container === undefined && facts?.dtype !== 'bfloat16';
        if (!isPortable || (isConstant && !isRandom(node))) this.#remade.add(output);
      }
    }
  }

  /** Position of the node that makes the value; -1 for graph inputs. */
  positionOf(value: string): number {
    return this.#producers.get(value) ?? -1;
  }

  /**
   * The nodes that make `targets` from what is there, no further than the weights' bytes allow, but one step at least.
   * @param there values that need not be made
   * @throws StudioError internal/unexpected when a value can no longer be made
   */
  plan(targets: Iterable<string>, there: ReadonlySet<string>, maxWeightBytes: number): PartPlan {
    const { positions } = this.#trace(targets, there);
    const nodes: Node[] = [];
    const inputs = new Set<string>();
    const weights = new Set<string>();
    const made = new Set<string>();
    let bytes = 0;
    for (const at of positions) {
      const fresh = new Set(this.#reads[at]!.filter((value) => this.#isWeight(value) && !weights.has(value)));
      for (const value of fresh) bytes += this.#bytesOf(value);
      // What every part makes for itself is no progress.
      if (bytes > maxWeightBytes && this.keepable(nodes).length > 0) break;
      for (const value of fresh) weights.add(value);
      for (const value of this.#reads[at]!) if (!made.has(value) && !this.#isWeight(value)) inputs.add(value);
      for (const output of this.graph.nodes[at]!.outputs) made.add(output);
      nodes.push(this.graph.nodes[at]!);
    }
    return { nodes, inputs, weights };
  }

  /** Weight bytes of the nodes that `plan` would choose without a limit, beyond those in `known`, which is added to. */
  weightBytes(target: string, there: ReadonlySet<string>, known: Set<string>): number {
    let bytes = 0;
    for (const at of this.#trace([target], there).positions)
      for (const value of this.#reads[at]!) {
        if (!this.#isWeight(value) || known.has(value)) continue;
        known.add(value);
        bytes += this.#bytesOf(value);
      }
    return bytes;
  }

  /** Of the values that are there, those from which `targets` are made or which are targets themselves. */
  needed(targets: Iterable<string>, there: ReadonlySet<string>): ReadonlySet<string> {
    return this.#trace(targets, there).frontier;
  }

  /** Values of these nodes that can be kept. */
  keepable(nodes: readonly Node[]): string[] {
    return nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== '' && !this.#remade.has(output)));
  }

  #isWeight(value: string): boolean {
    return !this.#fed.has(value) && (this.graph.initializers.has(value) || this.#sparse.has(value));
  }

  #bytesOf(weight: string): number {
    const tensor = this.graph.initializers.get(weight);
    return tensor ? tensorByteLength(tensor) : 0;
  }

  #trace(targets: Iterable<string>, there: ReadonlySet<string>): { positions: number[]; frontier: Set<string> } {
    const found = new Set<number>();
    const frontier = new Set<string>();
    const pending = [...targets];
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (there.has(value)) {
        frontier.add(value);
        continue;
      }
      const at = this.#producers.get(value);
      if (at === undefined) {
        if (this.#isWeight(value)) continue;
        const message = `"${value}" is needed again after it was given up`;
        throw new StudioError('internal/unexpected', { message });
      }
      if (found.has(at)) continue;
      found.add(at);
      pending.push(...this.#reads[at]!);
    }
    return { positions: [...found].sort((a, b) => a - b), frontier };
  }
}

function isRandom(node: Node): boolean {
  if (isDefaultDomain(node.domain) && randomOps.has(node.opType)) return true;
  return subgraphsOf(node).some((graph) => graph.nodes.some(isRandom));
}

/**
 * What the nodes compute, as a list that is equal element by element exactly while nobody has edited them or their
 * weights. Tensors and attributes are immutable, so their identity tells.
 */
export function signatureOf(graph: Graph, { nodes }: PartPlan): readonly unknown[] {
  const signature: unknown[] = [];
  const pending = [...nodes];
  for (let node = pending.pop(); node; node = pending.pop()) {
    signature.push(node.opType, node.domain, ...node.inputs, '/', ...node.outputs, '/');
    for (const [name, attribute] of node.attributes)
      signature.push(name, 'value' in attribute && attribute.type !== 'graph' ? attribute.value : attribute.type);
    for (const value of [...node.inputs, ...implicitInputsOf(node)]) signature.push(graph.initializers.get(value));
    for (const inner of subgraphsOf(node)) {
      signature.push(...inner.initializers.values());
      pending.push(...inner.nodes);
    }
  }
  return signature;
}
