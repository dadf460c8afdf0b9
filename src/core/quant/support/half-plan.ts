/** Decides, for every node of a model, whether it is converted to float16 or stays in float32. */

import type { DType } from '../../ir/dtype.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain, subgraphsOf } from '../../ir/walk.ts';
import type { ShapeTable } from '../../shape/types.ts';
import { cannotBeHalf, isAlwaysFullInput, isAlwaysFullOutput, movementOps } from './half-rules.ts';
import { nodeSelector } from './patterns.ts';
import { definingScope, type Scope } from './scopes.ts';

export interface HalfSettings {
  readonly opBlockList: readonly string[];
  readonly nodeBlockList: readonly string[];
  /** Name patterns of the nodes to convert; empty means all. */
  readonly include: readonly string[];
  /** Nodes that something else found unfit for float16, with the reason. */
  readonly unfit: ReadonlyMap<Node, string>;
  readonly keepIoTypes: boolean;
  /** Constants with values that float16 cannot hold; nodes that read one stay in float32. */
  readonly tooLarge: ReadonlySet<Tensor>;
}

export interface HalfPlan {
  readonly scopes: readonly Scope[];
  /** Element type of a value as it was before conversion; undefined when unknown or no tensor. */
  dtypeOf(scope: Scope, value: string): DType | undefined;
  isHalf(node: Node): boolean;
  /** Precision that a node's input must have; undefined for anything that was not float32. */
  inputWants(scope: Scope, node: Node, inputIndex: number): Precision | undefined;
  /** Precision in which a node makes an output; undefined for anything that was not float32. */
  outputIs(scope: Scope, node: Node, outputIndex: number): Precision | undefined;
  /** Precision of a graph's inputs and outputs (those that were float32). */
  boundaryOf(scope: Scope): Precision;
  /** Nodes kept for a reason worth telling, with it. */
  readonly kept: readonly { readonly node: Node; readonly reason: string }[];
}

export type Precision = 'full' | 'half';

export function planHalf(
  scopes: readonly Scope[],
  shapes: ShapeTable,
  opset: number,
  settings: HalfSettings,
): HalfPlan {
  return new Planner(scopes, shapes, opset, settings);
}

class Planner implements HalfPlan {
  readonly kept: { node: Node; reason: string }[] = [];
  readonly #full = new Set<Node>();
  readonly #tables = new Map<Scope, ShapeTable | undefined>();
  readonly #dtypes = new Map<Scope, Map<string, DType | undefined>>();
  /** The node that owns a subgraph. */
  readonly #owners = new Map<Scope, Node>();
  readonly #shapeDerived = new Map<Scope, Set<string>>();

  constructor(
    readonly scopes: readonly Scope[],
    shapes: ShapeTable,
    readonly opset: number,
    readonly settings: HalfSettings,
  ) {
    const byGraph = new Map(scopes.map((scope) => [scope.graph, scope]));
    for (const scope of scopes) {
      this.#tables.set(scope, scope.outer ? shapes.scope(scope.graph) : shapes);
      for (const node of scope.editor.nodes())
        for (const graph of subgraphsOf(node)) this.#owners.set(byGraph.get(graph)!, node);
    }
    this.#decide();
    this.#growKeptRegions();
  }

  /** Remembered, since constants change their type while the plan is carried out. */
  dtypeOf(scope: Scope, value: string): DType | undefined {
    const known = this.#dtypes.get(scope) ?? new Map<string, DType | undefined>();
    this.#dtypes.set(scope, known);
    if (!known.has(value))
      known.set(value, scope.editor.constantOf(value)?.dtype ?? this.#tables.get(scope)?.get(value)?.dtype);
    return known.get(value);
  }

  isHalf(node: Node): boolean {
    return !this.#full.has(node);
  }

  inputWants(scope: Scope, node: Node, inputIndex: number): Precision | undefined {
    const value = node.inputs[inputIndex]!;
    if (value === '' || this.dtypeOf(scope, value) !== 'float32') return undefined;
    return this.isHalf(node) && !isAlwaysFullInput(node, inputIndex, this.opset) ? 'half' : 'full';
  }

  outputIs(scope: Scope, node: Node, outputIndex: number): Precision | undefined {
    const value = node.outputs[outputIndex]!;
    if (value === '' || this.dtypeOf(scope, value) !== 'float32') return undefined;
    return this.isHalf(node) && !isAlwaysFullOutput(node, outputIndex) ? 'half' : 'full';
  }

  boundaryOf(scope: Scope): Precision {
    const owner = this.#owners.get(scope);
    if (!owner) return this.settings.keepIoTypes ? 'full' : 'half';
    return this.isHalf(owner) ? 'half' : 'full';
  }

  #decide(): void {
    const blockedOps = new Set(this.settings.opBlockList);
    const isNamed = nodeSelector({ include: this.settings.nodeBlockList, exclude: [] });
    const byName = this.settings.nodeBlockList.length > 0 ? isNamed : () => false;
    const isIncluded = nodeSelector({ include: this.settings.include, exclude: [] });
    for (const scope of this.scopes) {
      const owner = this.#owners.get(scope);
      const inherited = owner !== undefined && this.#full.has(owner);
      for (const node of scope.editor.nodes()) {
        if (inherited) {
          this.#full.add(node);
          continue;
        }
        // What the user did not name goes without saying; a body may hold nodes that are named.
        const isAsked = isIncluded(node) || subgraphsOf(node).length > 0;
        const reason = isAsked ? this.#reasonToKeep(scope, node, blockedOps, byName) : '';
        if (reason === undefined) continue;
        this.#full.add(node);
        if (reason !== '') this.kept.push({ node, reason });
      }
    }
  }

  /** '' for a reason that goes without saying. */
  #reasonToKeep(
    scope: Scope,
    node: Node,
    blockedOps: ReadonlySet<string>,
    byName: (node: Node) => boolean,
  ): string | undefined {
    const touchesFloat = [...node.inputs, ...node.outputs].some((value) => this.dtypeOf(scope, value) === 'float32');
    if (blockedOps.has(node.opType)) return touchesFloat ? `${node.opType} is on the list of operators to keep` : '';
    if (byName(node)) return 'its name is on the list of nodes to keep';
    const large = node.inputs.find((value) => this.#isTooLarge(scope, value));
    if (large !== undefined) return `its weight "${large}" has values beyond 65504`;
    const unfit = this.settings.unfit.get(node);
    if (unfit !== undefined) return unfit;
    const forbidden = cannotBeHalf(node, this.opset);
    if (forbidden !== undefined) return forbidden;
    if (this.#isShapeArithmetic(scope, node))
      return touchesFloat ? 'it computes sizes, which float16 cannot count beyond 2048' : '';
    const unknown = [...node.inputs, ...node.outputs].find((value) => value !== '' && this.#isUnknown(scope, value));
    return unknown === undefined ? undefined : `the type of "${unknown}" is unknown`;
  }

  #isTooLarge(scope: Scope, value: string): boolean {
    if (this.settings.tooLarge.size === 0 || value === '') return false;
    const tensor = scope.editor.constantOf(value);
    return tensor !== undefined && this.settings.tooLarge.has(tensor);
  }

  #isUnknown(scope: Scope, value: string): boolean {
    const dtype = this.dtypeOf(scope, value);
    return dtype === undefined || dtype === 'undefined';
  }

  /** Whether all that goes into the node comes from Shape or Size (constants aside). */
  #isShapeArithmetic(scope: Scope, node: Node): boolean {
    const derived = this.#shapeDerived.get(scope) ?? new Set<string>();
    this.#shapeDerived.set(scope, derived);
    const isSource = isDefaultDomain(node.domain) && (node.opType === 'Shape' || node.opType === 'Size');
    if (!isSource) {
      const variable = node.inputs.filter((value) => value !== '' && !scope.editor.constantOf(value));
      const allDerived = variable.length > 0 && variable.every((value) => this.#isDerived(scope, value));
      if (!allDerived || subgraphsOf(node).length > 0 || !keepsToSizes(node)) return false;
    }
    for (const output of node.outputs) derived.add(output);
    // Shape itself reads any type.
    return !isSource;
  }

  #isDerived(scope: Scope, value: string): boolean {
    const home = definingScope(scope, value);
    return home !== undefined && (this.#shapeDerived.get(home)?.has(value) ?? false);
  }

  /**
   * Operators that only move data, between nodes that stay in float32, would cost a Cast on each side for nothing: a
   * connected group of them stays too when everything around it does.
   */
  #growKeptRegions(): void {
    for (const scope of this.scopes) {
      if (this.#owners.has(scope) && this.#full.has(this.#owners.get(scope)!)) continue;
      const seen = new Set<Node>();
      for (const node of scope.editor.nodes()) {
        if (seen.has(node) || !this.#isMovement(scope, node)) continue;
        const region = this.#regionAround(scope, node, seen);
        if (this.#isSurroundedByFull(scope, region)) for (const member of region) this.#full.add(member);
      }
    }
  }

  #isMovement(scope: Scope, node: Node): boolean {
    const moves = isDefaultDomain(node.domain) && movementOps.has(node.opType) && this.isHalf(node);
    return moves && node.outputs.some((_, index) => this.outputIs(scope, node, index) !== undefined);
  }

  #regionAround(scope: Scope, start: Node, seen: Set<Node>): Set<Node> {
    const region = new Set<Node>([start]);
    const pending = [start];
    seen.add(start);
    for (let node = pending.pop(); node; node = pending.pop()) {
      const producers = node.inputs.map((value) => scope.editor.producerOf(value));
      const consumers = node.outputs.flatMap((value) => scope.editor.consumersOf(value));
      for (const next of [...producers, ...consumers]) {
        if (!next || seen.has(next) || !this.#isMovement(scope, next)) continue;
        seen.add(next);
        region.add(next);
        pending.push(next);
      }
    }
    return region;
  }

  #isSurroundedByFull(scope: Scope, region: ReadonlySet<Node>): boolean {
    let touched = false;
    for (const node of region) {
      for (let i = 0; i < node.inputs.length; i += 1) {
        const value = node.inputs[i]!;
        if (this.inputWants(scope, node, i) === undefined || scope.editor.constantOf(value)) continue;
        const producer = scope.editor.producerOf(value);
        if (producer && region.has(producer)) continue;
        if (this.#madeAs(scope, value, producer) !== 'full') return false;
        touched = true;
      }
      for (const value of node.outputs) {
        if (value === '' || this.dtypeOf(scope, value) !== 'float32') continue;
        if (scope.editor.isGraphOutput(value) && this.boundaryOf(scope) !== 'full') return false;
        for (const consumer of scope.editor.consumersOf(value))
          if (!region.has(consumer) && !this.#readsAsFull(scope, consumer, value)) return false;
      }
    }
    return touched;
  }

  #madeAs(scope: Scope, value: string, producer: Node | undefined): Precision | undefined {
    if (producer) return this.outputIs(scope, producer, producer.outputs.indexOf(value));
    // An outer value: what it becomes is not known to this scope's bookkeeping, so assume the worse.
    return scope.editor.isGraphInput(value) ? this.boundaryOf(scope) : 'half';
  }

  /** A node that captures the value in a subgraph counts as reading it as half, unless it stays whole. */
  #readsAsFull(scope: Scope, node: Node, value: string): boolean {
    if (!node.inputs.includes(value)) return this.#full.has(node);
    const captured = subgraphsOf(node).length > 0 && !this.#full.has(node);
    return (
      !captured &&
      node.inputs.every((input, index) => input !== value || this.inputWants(scope, node, index) === 'full')
    );
  }
}

/** Operators that turn a size into data of the model (a tensor of that size, a random one) end the arithmetic. */
function keepsToSizes(node: Node): boolean {
  return !/^(ConstantOfShape|Random|EyeLike|Expand|Reshape|Range|Resize|Upsample|Tile|Bernoulli|Multinomial)/.test(
    node.opType,
  );
}
