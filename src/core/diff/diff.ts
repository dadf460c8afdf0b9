/** Two graphs, and what became of the nodes of the one in the other. */
import type { GraphDocument, GraphNode, GraphScope } from '../graph-view/document.ts';
import { changesOf } from './changes.ts';
import { type Lineage, lineageOf, namesOf } from './lineage.ts';
import { type Matching, matchNodes } from './match.ts';
import type { DiffItem, DiffKind, GraphDiff, StepLog } from './types.ts';

/**
 * @param log what steps did on the way from `before` to `after`; empty for two models that nothing is known of
 * @returns items in the order of the graph after, then what is gone. Near-linear in nodes and edges, no recursion.
 */
export function diffGraphs(before: GraphDocument, after: GraphDocument, log: StepLog = []): GraphDiff {
  const items: DiffItem[] = [];
  let unchanged = 0;
  const others = new Map(after.scopes.map((scope, index) => [scopeKey(scope, index), index]));
  const seen = new Set<number>();
  for (const [beforeScope, scope] of before.scopes.entries()) {
    const afterScope = others.get(scopeKey(scope, beforeScope)) ?? -1;
    seen.add(afterScope);
    const other = afterScope < 0 ? [] : after.scopes[afterScope]!.nodes;
    const found = new ScopeDiff(scope.nodes, other, lineageOf(scope.nodes, log), beforeScope, afterScope);
    items.push(...found.items());
    unchanged += found.unchanged;
  }
  for (const [afterScope, scope] of after.scopes.entries())
    if (!seen.has(afterScope))
      items.push(...new ScopeDiff([], scope.nodes, lineageOf([], log), -1, afterScope).items());
  const counts: Record<DiffKind, number> = { fused: 0, replaced: 0, removed: 0, added: 0, changed: 0 };
  for (const { kind } of items) counts[kind] += 1;
  return {
    items,
    counts,
    nodesBefore: operators(before),
    nodesAfter: operators(after),
    unchanged,
    weightBytesBefore: weightBytes(before),
    weightBytesAfter: weightBytes(after),
  };
}

/** The main graphs belong together whatever they are called. */
function scopeKey({ kind, title }: GraphScope, index: number): string {
  return index === 0 ? 'main' : `${kind}\n${title}`;
}

function operators({ scopes }: GraphDocument): number {
  return scopes.reduce((sum, { nodes }) => sum + nodes.filter(({ kind }) => kind === 'op').length, 0);
}

function weightBytes({ scopes }: GraphDocument): number {
  const seen = new Map<string, number>();
  for (const [index, { nodes }] of scopes.entries())
    for (const { weights } of nodes) for (const { name, bytes } of weights) seen.set(`${index}\n${name}`, bytes);
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}

interface Group {
  readonly before: Set<number>;
  readonly after: Set<number>;
  readonly steps: Set<string>;
}

class ScopeDiff {
  unchanged = 0;
  readonly #before: readonly GraphNode[];
  readonly #after: readonly GraphNode[];
  readonly #lineage: Lineage;
  readonly #matching: Matching;
  readonly #scopes: Pick<DiffItem, 'beforeScope' | 'afterScope'>;
  /** By node before and by node after: the group it belongs to. */
  readonly #groupOfBefore = new Map<number, Group>();
  readonly #groupOfAfter = new Map<number, Group>();

  constructor(
    before: readonly GraphNode[],
    after: readonly GraphNode[],
    lineage: Lineage,
    beforeScope: number,
    afterScope: number,
  ) {
    this.#before = before;
    this.#after = after;
    this.#lineage = lineage;
    this.#matching = matchNodes(before, after);
    this.#scopes = { beforeScope, afterScope };
  }

  items(): DiffItem[] {
    this.#groupNewNodes();
    const items: DiffItem[] = [];
    const done = new Set<Group>();
    for (const [index, node] of this.#after.entries()) {
      const match = this.#matching.toBefore[index]!;
      const group = this.#groupOfAfter.get(index);
      if (match >= 0) items.push(...this.#changed(match, index));
      else if (group && !done.has(group)) {
        done.add(group);
        items.push(this.#grouped(group));
      } else if (!group)
        items.push(this.#single('added', [], [index], this.#lineage.originOf(namesOf(node))?.steps ?? []));
    }
    return [...items, ...this.#gone()];
  }

  /** New nodes with what they were made of: by the steps' own words, else by the values they stand for. */
  #groupNewNodes(): void {
    const producers = new Map<string, number>();
    for (const [index, { outputs }] of this.#before.entries())
      for (const output of outputs) if (output !== '') producers.set(output, index);
    for (const [index, node] of this.#after.entries()) {
      if (this.#matching.toBefore[index] !== -1) continue;
      const names = [...namesOf(node), ...node.weights.map(({ name }) => name)];
      const origin = this.#lineage.originOf(names);
      const told = [...(origin?.nodes ?? [])].filter((was) => this.#matching.toAfter[was] === -1);
      const from = told.length > 0 ? told : this.#cone(node, producers);
      if (from.length > 0) this.#join(index, from, origin?.steps ?? []);
    }
  }

  /** Nodes that are gone and led to the values which the new node makes. */
  #cone({ outputs, inputs }: GraphNode, producers: ReadonlyMap<string, number>): number[] {
    const stop = new Set(inputs);
    const found = new Set<number>();
    const open = outputs.filter((output) => output !== '');
    while (open.length > 0 && found.size < MAX_CONE) {
      const value = open.pop()!;
      const producer = producers.get(value);
      if (producer === undefined || found.has(producer) || this.#matching.toAfter[producer] !== -1) continue;
      found.add(producer);
      for (const input of this.#before[producer]!.inputs) if (!stop.has(input)) open.push(input);
    }
    return [...found];
  }

  #join(after: number, before: readonly number[], steps: readonly string[]): void {
    const group: Group = { before: new Set(before), after: new Set([after]), steps: new Set(steps) };
    for (const index of before) {
      const other = this.#groupOfBefore.get(index);
      if (!other || other === group) continue;
      for (const each of other.before) group.before.add(each);
      for (const each of other.after) group.after.add(each);
      for (const each of other.steps) group.steps.add(each);
    }
    for (const index of group.before) this.#groupOfBefore.set(index, group);
    for (const index of group.after) this.#groupOfAfter.set(index, group);
  }

  #grouped({ before, after, steps }: Group): DiffItem {
    const [from, to] = [[...before].sort(ascending), [...after].sort(ascending)];
    return this.#single(from.length > to.length ? 'fused' : 'replaced', from, to, [...steps]);
  }

  #changed(before: number, after: number): DiffItem[] {
    const [was, is] = [this.#before[before]!, this.#after[after]!];
    const details = changesOf(was, is);
    if (details.length === 0) {
      if (is.kind === 'op') this.unchanged += 1;
      return [];
    }
    const steps = this.#lineage.originOf(namesOf(is))?.steps ?? this.#lineage.takenBy(namesOf(was));
    return [{ ...this.#single('changed', [before], [after], steps), details }];
  }

  /** What has no counterpart, by the steps that took it away; neighbours that the same step took are one item. */
  #gone(): DiffItem[] {
    const items: DiffItem[] = [];
    const open = new Map<string, { nodes: number[]; steps: readonly string[] }>();
    const flush = (key: string) => {
      const entry = open.get(key);
      if (entry) items.push(this.#single('removed', entry.nodes, [], entry.steps));
      open.delete(key);
    };
    let last = '';
    for (const [index, node] of this.#before.entries()) {
      if (this.#matching.toAfter[index] !== -1 || this.#groupOfBefore.has(index)) continue;
      const steps = this.#lineage.takenBy(namesOf(node));
      const key = steps.join('\n');
      const entry = open.get(key);
      const isNeighbour = entry && entry.nodes.length < MAX_REMOVED && this.#touches(entry.nodes, node);
      if (!isNeighbour) flush(key);
      const current = open.get(key) ?? { nodes: [], steps };
      current.nodes.push(index);
      open.set(key, current);
      last = key;
    }
    flush(last);
    for (const key of [...open.keys()]) flush(key);
    return items.sort((a, b) => a.before[0]! - b.before[0]!);
  }

  #touches(nodes: readonly number[], { inputs }: GraphNode): boolean {
    const made = new Set(nodes.slice(-MAX_NEIGHBOURS).flatMap((index) => [...this.#before[index]!.outputs]));
    return inputs.some((input) => made.has(input));
  }

  #single(kind: DiffKind, before: number[], after: number[], steps: readonly string[]): DiffItem {
    const ops = (nodes: readonly GraphNode[], list: readonly number[]) =>
      opsText(list.map((index) => nodes[index]!.op));
    const [from, to] = [ops(this.#before, before), ops(this.#after, after)];
    const title = kind === 'changed' ? to : from === '' ? to : to === '' ? from : `${from} → ${to}`;
    return { kind, before, after, ...this.#scopes, steps, title, details: [] };
  }
}

const MAX_CONE = 512;
const MAX_REMOVED = 64;
const MAX_NEIGHBOURS = 8;
const ascending = (a: number, b: number) => a - b;

/** "Mul ×2, Erf, Add"; in order of appearance. */
export function opsText(ops: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const op of ops) {
    const short = op.slice(op.lastIndexOf('.') + 1);
    counts.set(short, (counts.get(short) ?? 0) + 1);
  }
  const parts = [...counts].map(([op, count]) => (count > 1 ? `${op} ×${count}` : op));
  return parts.length > MAX_OPS ? `${parts.slice(0, MAX_OPS).join(', ')}, …` : parts.join(', ');
}

const MAX_OPS = 6;
