/** The tree of groups over a graph's nodes: repeated blocks first, then name scopes, then stretches of what is left. */

import { isConvex } from './convex.ts';
import type { NodeGroup } from './document.ts';
import { commonScope, commonScopeOf, type NameScope } from './name-scopes.ts';
import { findRepeats } from './repeats.ts';

export interface GroupingInput {
  /** By node, in flow order. */
  readonly tokens: readonly number[];
  readonly producers: readonly (readonly number[])[];
  readonly scopes: readonly NameScope[];
  readonly hasWeights: readonly boolean[];
  /** For summaries. */
  readonly ops: readonly string[];
}

export interface Grouping {
  readonly groups: readonly NodeGroup[];
  /** By node: the innermost group, or -1. */
  readonly groupOf: readonly number[];
}

/** A scope of fewer nodes is no help. */
const MIN_SCOPE_NODES = 3;
/** More loose nodes than this beside each other are cut into stretches. */
const MAX_LOOSE = 600;
const PART_NODES = 200;
const MAX_DEPTH = 12;
/** Nodes looked at, as a multiple of all nodes, to find out which scopes hang together. */
const MAX_CONVEX_WORK = 60;

type Draft = { -readonly [Key in keyof NodeGroup]: NodeGroup[Key] };

interface Task {
  /** Ascending. */
  readonly nodes: readonly number[];
  readonly parent: number;
  readonly depth: number;
  /** How much of the scopes is said by the groups around. */
  readonly prefix: number;
}

/** Linear in nodes for a bounded depth; no recursion. */
export function groupNodes(input: GroupingInput): Grouping {
  const builder = new Builder(input);
  builder.run();
  return { groups: builder.groups, groupOf: builder.groupOf };
}

class Builder {
  readonly groups: Draft[] = [];
  readonly groupOf: number[];
  readonly #input: GroupingInput;
  readonly #tasks: Task[] = [];
  /** Titles that were used inside a group, to keep paths unique. */
  readonly #titles = new Map<string, number>();

  #convexWork = 0;

  constructor(input: GroupingInput) {
    this.#input = input;
    this.groupOf = input.tokens.map(() => -1);
  }

  run(): void {
    this.#tasks.push({ nodes: this.#input.tokens.map((_, node) => node), parent: -1, depth: 0, prefix: 0 });
    for (let task = this.#tasks.shift(); task; task = this.#tasks.shift()) this.#split(task);
  }

  #split(task: Task): void {
    const { nodes, parent, depth } = task;
    for (const node of nodes) this.groupOf[node] = parent;
    if (depth >= MAX_DEPTH || nodes.length < 2 * MIN_SCOPE_NODES) return;
    const grouped = new Set<number>();
    for (const instances of this.#repeatsIn(nodes)) {
      this.#addRepeat(instances, task);
      for (const instance of instances) for (const node of instance) grouped.add(node);
    }
    const rest = grouped.size === 0 ? nodes : nodes.filter((node) => !grouped.has(node));
    const loose = this.#addScopes(rest, task, grouped.size > 0);
    if (loose.length > MAX_LOOSE) this.#addParts(loose, task);
  }

  #repeatsIn(nodes: readonly number[]): number[][][] {
    const place = new Map(nodes.map((node, at) => [node, at]));
    const { tokens, producers, hasWeights, scopes } = this.#input;
    const found = findRepeats({
      tokens: nodes.map((node) => tokens[node]!),
      producers: nodes.map((node) => producers[node]!.map((producer) => place.get(producer) ?? -1)),
      hasWeights: nodes.map((node) => hasWeights[node]!),
      nameOverlap: nodes.map((node, at) => (at === 0 ? 0 : commonScope(scopes[nodes[at - 1]!]!, scopes[node]!).length)),
    });
    return found.map(({ instances }) => instances.map((instance) => instance.map((at) => nodes[at]!)));
  }

  #addRepeat(instances: readonly number[][], { parent, depth, prefix }: Task): void {
    const { scopes } = this.#input;
    const shared = commonScopeOf(instances.flat().map((node) => scopes[node]!)).length;
    const own = instances.map((nodes) => mostCommon(nodes.map((node) => scopes[node]![shared])));
    const named = own.every((name) => name !== undefined) && new Set(own).size === own.length;
    const size = instances[0]!.length;
    const title = named ? rangeTitle(own as string[]) : `Block of ${size} nodes`;
    const nodes = instances.flat();
    const repeat = this.#add('repeat', title, parent, nodes, instances.length);
    for (const [at, instance] of instances.entries()) {
      const name = named ? own[at]! : `Block ${at + 1} of ${instances.length}`;
      const group = this.#add('instance', name, repeat, instance, 0);
      const said = Math.max(prefix, named ? shared + 1 : shared);
      this.#tasks.push({ nodes: instance, parent: group, depth: depth + 1, prefix: said });
    }
  }

  /** @returns nodes that are in no scope of their own here */
  #addScopes(nodes: readonly number[], { parent, depth, prefix }: Task, besideRepeats: boolean): number[] {
    const { scopes } = this.#input;
    // What all share is no division; beside repeats it is said by nothing else, but still divides nothing.
    const common = Math.max(prefix, commonScopeOf(nodes.map((node) => scopes[node]!)).length);
    const clusters = new Map<string, number[]>();
    const loose: number[] = [];
    for (const node of nodes) {
      const name = scopes[node]![common];
      const members = name === undefined ? loose : clusters.get(name);
      if (members) members.push(node);
      else clusters.set(name!, [node]);
    }
    const divides = clusters.size > 1 || loose.length > 0 || besideRepeats;
    for (const [name, cluster] of clusters)
      for (const members of divides ? this.#connected(cluster) : [cluster]) {
        if (!divides || members.length < MIN_SCOPE_NODES) {
          loose.push(...members);
          continue;
        }
        const group = this.#add('scope', name, parent, members, 0);
        this.#tasks.push({ nodes: members, parent: group, depth: depth + 1, prefix: common + 1 });
      }
    return loose.sort((a, b) => a - b);
  }

  /** A scope that the data leaves and enters again would be drawn with arrows backwards: its stretches stand alone then. */
  #connected(cluster: readonly number[]): readonly (readonly number[])[] {
    const extent = cluster.at(-1)! - cluster[0]! + 1;
    // Many scopes that each stretch over everything would take quadratic time.
    this.#convexWork += extent;
    const mayCheck = this.#convexWork <= MAX_CONVEX_WORK * this.#input.tokens.length;
    if (extent === cluster.length || (mayCheck && isConvex(cluster, this.#input.producers))) return [cluster];
    const stretches: number[][] = [];
    for (const node of cluster) {
      const last = stretches.at(-1);
      if (last && last.at(-1) === node - 1) last.push(node);
      else stretches.push([node]);
    }
    return stretches;
  }

  #addParts(nodes: readonly number[], { parent }: Task): void {
    // As many parts as there are nodes in each, where there are very many.
    const size = Math.max(PART_NODES, Math.ceil(Math.sqrt(nodes.length)));
    for (let start = 0; start < nodes.length; start += size) {
      const members = nodes.slice(start, start + size);
      const title = `Nodes ${start + 1} to ${start + members.length}`;
      const group = this.#add('part', title, parent, members, 0);
      for (const node of members) this.groupOf[node] = group;
    }
  }

  #add(kind: NodeGroup['kind'], title: string, parent: number, nodes: readonly number[], instances: number): number {
    const around = parent < 0 ? '' : `${this.groups[parent]!.path} / `;
    const wanted = around + title;
    const before = this.#titles.get(wanted) ?? 0;
    this.#titles.set(wanted, before + 1);
    const path = before === 0 ? wanted : `${wanted} (${before + 1})`;
    const summary = summarize(nodes.map((node) => this.#input.ops[node]!));
    this.groups.push({ kind, title, path, parent, nodes: nodes.length, instances, summary });
    return this.groups.length - 1;
  }
}

/** The name that half of them have at least. */
function mostCommon(names: readonly (string | undefined)[]): string | undefined {
  const counts = new Map<string, number>();
  for (const name of names) if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [name, count] of counts) if (2 * count >= names.length) return name;
  return undefined;
}

/** 'layers.0' ... 'layers.31' -> 'layers.0 to 31'. */
function rangeTitle(names: readonly string[]): string {
  const first = names[0]!;
  const last = names.at(-1)!;
  const stem = /^(.*?)(\d+)$/.exec(first);
  const end = /^(.*?)(\d+)$/.exec(last);
  return stem && end && stem[1] === end[1] ? `${first} to ${end[2]}` : `${first} to ${last}`;
}

/** The operators that there are most of. @param kinds how many of them are told */
export function summarize(ops: readonly string[], kinds = 3): string {
  const counts = new Map<string, number>();
  for (const op of ops) counts.set(op, (counts.get(op) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const shown = sorted.slice(0, kinds).map(([op, count]) => (count === 1 ? op : `${op} ×${count}`));
  return sorted.length > kinds ? `${shown.join(', ')}, …` : shown.join(', ');
}
