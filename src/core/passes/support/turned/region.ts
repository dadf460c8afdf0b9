/** Nodes between Transposes that may as well work on the order of axes from before: what there is, and what it saves. */
import { intsAttr } from '../../../ir/attributes.ts';
import type { Node } from '../../../ir/types.ts';
import { type FactLookup, rankOf } from '../facts.ts';
import { isOp, type Scope } from '../scopes.ts';
import { type Perm, type Turn, turnOf } from './nodes.ts';

/** A connected set of nodes and the values that flow through them. */
export interface Region {
  readonly perm: Perm;
  /** Of the nodes, how each is turned. */
  readonly nodes: Map<Node, Turn>;
  /** Values that Transposes of `perm` bring in, and what those read. */
  readonly entries: Map<string, Node>;
}

/** @returns the order of the axes, the default one too; undefined where the rank is unknown */
export function permOf(node: Node, facts: FactLookup): number[] | undefined {
  const given = intsAttr(node, 'perm');
  if (given) return given;
  const rank = rankOf(facts(node.inputs[0]!));
  return rank === undefined ? undefined : Array.from({ length: rank }, (_, at) => rank - 1 - at);
}

export const isInOrder = (perm: Perm): boolean => perm.every((axis, at) => axis === at);

/** The Transposes of the graph by their order of axes; those that move nothing are left out. */
export function transposesByPerm({ editor }: Scope, facts: FactLookup): { perm: Perm; transposes: Node[] }[] {
  const groups = new Map<string, { perm: Perm; transposes: Node[] }>();
  for (const node of editor.nodes()) {
    if (!isOp(node, 'Transpose')) continue;
    const perm = permOf(node, facts);
    if (!perm || perm.length < 2 || isInOrder(perm)) continue;
    const key = perm.join();
    const group = groups.get(key) ?? { perm, transposes: [] };
    group.transposes.push(node);
    groups.set(key, group);
  }
  return [...groups.values()];
}

export const isOrderOf = (transpose: Node, facts: FactLookup, perm: Perm): boolean =>
  permOf(transpose, facts)?.join() === perm.join();

/** All that can be computed in the order of the axes before the Transposes, by connected parts. */
export function growRegions(scope: Scope, facts: FactLookup, perm: Perm, transposes: readonly Node[]): Region[] {
  const { editor, opset } = scope;
  const entries = new Map(transposes.map((node) => [node.outputs[0]!, node]));
  const turned = new Set(entries.keys());
  const nodes = new Map<Node, Turn>();
  const queue = [...turned];
  const isTurned = (value: string) => turned.has(value);
  for (let value = queue.pop(); value !== undefined; value = queue.pop())
    for (const node of editor.consumersOf(value)) {
      const turn = nodes.has(node) ? undefined : turnOf({ editor, node, opset, facts, perm, isTurned });
      if (!turn) continue;
      nodes.set(node, turn);
      if (turn.endsHere) continue;
      for (const output of node.outputs.filter((name) => name !== '')) {
        turned.add(output);
        queue.push(output);
      }
    }
  return connectedParts(scope, perm, nodes, entries);
}

/** Parts share no value, so that each can be judged and changed alone. */
function connectedParts({ editor }: Scope, perm: Perm, nodes: Map<Node, Turn>, entries: Map<string, Node>): Region[] {
  const seen = new Set<Node>();
  const followed = new Set<string>();
  const parts: Region[] = [];
  for (const start of nodes.keys()) {
    if (seen.has(start)) continue;
    const part: Region = { perm, nodes: new Map(), entries: new Map() };
    const queue = [start];
    for (let node = queue.pop(); node; node = queue.pop()) {
      const turn = nodes.get(node);
      if (!turn || seen.has(node)) continue;
      seen.add(node);
      part.nodes.set(node, turn);
      for (const value of [...flowsOf(node, turn), ...turnedOutputs(node, turn)]) {
        if (followed.has(value)) continue;
        followed.add(value);
        const entry = entries.get(value);
        if (entry) part.entries.set(value, entry);
        const maker = editor.producerOf(value);
        queue.push(...(maker ? [maker] : []), ...editor.consumersOf(value));
      }
    }
    parts.push(part);
  }
  return parts;
}

const flowsOf = (node: Node, { flows }: Turn): string[] => [...new Set(flows.map((index) => node.inputs[index]!))];

export const turnedOutputs = (node: Node, { endsHere }: Turn): string[] =>
  endsHere ? [] : node.outputs.filter((name) => name !== '');

/** What a value costs and saves at the border of its region. */
export interface Border {
  /** Somebody needs it in its present order: one Transpose makes it. */
  readonly isNeeded: boolean;
  /** Transposes behind it that undo the one before the region: they go. */
  readonly undone: readonly Node[];
  /** Other Transposes behind it: they start from the other order. */
  readonly changed: readonly Node[];
}

export function borderOf({ editor }: Scope, facts: FactLookup, region: Region, value: string): Border {
  const undone: Node[] = [];
  const changed: Node[] = [];
  let isNeeded = editor.isGraphOutput(value);
  for (const reader of editor.consumersOf(value)) {
    const turn = region.nodes.get(reader);
    if (turn?.flows.some((index) => reader.inputs[index] === value)) continue;
    // One that brings values into this very region starts from the present order.
    const isEntry = region.entries.get(reader.outputs[0]!) === reader;
    const outer = isOp(reader, 'Transpose') && !isEntry ? permOf(reader, facts) : undefined;
    if (outer?.length !== region.perm.length) isNeeded = true;
    else if (isInOrder(outer.map((axis) => region.perm[axis]!))) undone.push(reader);
    else changed.push(reader);
  }
  return { isNeeded, undone, changed };
}

/** Transposes that go, less those that come. Two results under names of the graph's cannot be one value. */
function gainOfValue(scope: Scope, facts: FactLookup, region: Region, value: string): number {
  const { isNeeded, undone } = borderOf(scope, facts, region, value);
  const named = undone.filter((node) => scope.editor.isGraphOutput(node.outputs[0]!)).length;
  return undone.length - Math.max(0, named - 1) - (isNeeded ? 1 : 0);
}

/** Takes nodes off the region's far ends as long as it gets no worse: what gains nothing stays as it is. */
export function trim(scope: Scope, facts: FactLookup, region: Region): void {
  const { editor } = scope;
  const { nodes } = region;
  // Both are counted once, since a value may have a hundred thousand readers.
  const needed = new Map<string, boolean>();
  const isNeeded = (value: string) => {
    if (!needed.has(value)) needed.set(value, borderOf(scope, facts, region, value).isNeeded);
    return needed.get(value)!;
  };
  const readersLeft = new Map<string, number>();
  for (const [node, turn] of nodes)
    for (const value of flowsOf(node, turn)) readersLeft.set(value, (readersLeft.get(value) ?? 0) + 1);
  const isLeaf = (node: Node) => turnedOutputs(node, nodes.get(node)!).every((value) => !readersLeft.get(value));
  const queue = [...nodes.keys()].filter(isLeaf);
  for (let node = queue.pop(); node; node = queue.pop()) {
    const turn = nodes.get(node)!;
    const inputs = flowsOf(node, turn);
    const gain = turnedOutputs(node, turn).reduce((sum, value) => sum + gainOfValue(scope, facts, region, value), 0);
    if (gain + inputs.filter((value) => !isNeeded(value)).length > 0) continue;
    nodes.delete(node);
    for (const value of inputs) {
      needed.set(value, true);
      readersLeft.set(value, readersLeft.get(value)! - 1);
      const maker = editor.producerOf(value);
      if (readersLeft.get(value) === 0 && maker && nodes.has(maker) && isLeaf(maker)) queue.push(maker);
    }
  }
}

/** How many Transposes fewer there are when the region is turned. */
export function gainOf(scope: Scope, facts: FactLookup, region: Region): number {
  let gain = 0;
  for (const value of region.entries.keys()) {
    const readers = scope.editor.consumersOf(value);
    if (!readers.some((reader) => region.nodes.has(reader))) continue;
    const { isNeeded, changed, undone } = borderOf(scope, facts, region, value);
    // A Transpose right behind it is for the merging of movements to see.
    if (!isNeeded && changed.length === 0 && undone.length === 0) gain += 1;
  }
  for (const [node, turn] of region.nodes)
    for (const value of turnedOutputs(node, turn)) gain += gainOfValue(scope, facts, region, value);
  return gain;
}
