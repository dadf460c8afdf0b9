/** What is to be seen of a graph with some groups open: boxes, and edges between them. */
import type { GraphScope } from './document.ts';

export interface VisibleBox {
  /** node: `index` is a node's; group: closed; container: a group that is open. */
  readonly kind: 'node' | 'group' | 'container';
  readonly index: number;
  /** Another box (a container), or -1. */
  readonly parent: number;
}

export interface VisibleEdge {
  readonly from: number;
  readonly to: number;
  /** Edges with the same number begin at the same box with the same value (of a closed group: with any). */
  readonly trunk: number;
  /** The values that go along it. */
  readonly values: readonly string[];
}

export interface VisibleGraph {
  /** Containers before what they hold. */
  readonly boxes: readonly VisibleBox[];
  readonly edges: readonly VisibleEdge[];
  /** By node: the box that shows it, itself or the closed group around it. */
  readonly boxOf: Int32Array;
}

/** @param open paths of groups; groups inside closed ones stay out of sight. Linear in nodes and edges. */
export function visibleGraph({ nodes, groups, groupOf }: GraphScope, open: ReadonlySet<string>): VisibleGraph {
  const boxes: VisibleBox[] = [];
  /** By group: its box, or that of the closed group around it. */
  const groupBox = new Int32Array(groups.length);
  for (const [index, { parent, path }] of groups.entries()) {
    const around = parent < 0 ? -1 : groupBox[parent]!;
    if (around >= 0 && boxes[around]!.kind === 'group') {
      groupBox[index] = around;
      continue;
    }
    groupBox[index] = boxes.length;
    boxes.push({ kind: open.has(path) ? 'container' : 'group', index, parent: around });
  }
  const boxOf = new Int32Array(nodes.length);
  for (const [index, group] of groupOf.entries()) {
    const around = group < 0 ? -1 : groupBox[group]!;
    if (around >= 0 && boxes[around]!.kind === 'group') {
      boxOf[index] = around;
      continue;
    }
    boxOf[index] = boxes.length;
    boxes.push({ kind: 'node', index, parent: around });
  }
  return { boxes, edges: edgesBetween(nodes, boxes, boxOf), boxOf };
}

function edgesBetween(nodes: GraphScope['nodes'], boxes: readonly VisibleBox[], boxOf: Int32Array): VisibleEdge[] {
  const producerOf = producers(nodes);
  const trunks = new Map<string, number>();
  /** By trunk, by target box. */
  const known = new Map<number, Map<number, { values: string[] }>>();
  const edges: VisibleEdge[] = [];
  for (const [reader, { inputs }] of nodes.entries()) {
    const to = boxOf[reader]!;
    for (const value of inputs) {
      const producer = producerOf.get(value);
      if (producer === undefined) continue;
      const from = boxOf[producer]!;
      if (from === to) continue;
      const name = boxes[from]!.kind === 'group' ? `${from}` : `${from} ${value}`;
      const trunk = trunks.get(name) ?? trunks.size;
      trunks.set(name, trunk);
      const targets = known.get(trunk) ?? new Map<number, { values: string[] }>();
      known.set(trunk, targets);
      const edge = targets.get(to);
      if (edge) {
        if (!edge.values.includes(value) && edge.values.length < MAX_VALUES) edge.values.push(value);
        continue;
      }
      const values = [value];
      targets.set(to, { values });
      edges.push({ from, to, trunk, values });
    }
  }
  return edges;
}

/** Names kept of an edge between groups. */
const MAX_VALUES = 50;

/** By value, the node that makes it. */
export function producers(nodes: GraphScope['nodes']): Map<string, number> {
  const producerOf = new Map<string, number>();
  for (const [index, { outputs }] of nodes.entries())
    for (const output of outputs) if (output !== '') producerOf.set(output, index);
  return producerOf;
}

/**
 * The groups to open so that a node is seen: those around it.
 * @returns `open` itself where it is in sight
 */
export function openAround(
  { groups, groupOf }: GraphScope,
  node: number,
  open: ReadonlySet<string>,
): ReadonlySet<string> {
  const wanted: string[] = [];
  for (let group = groupOf[node] ?? -1; group >= 0; group = groups[group]!.parent)
    if (!open.has(groups[group]!.path)) wanted.push(groups[group]!.path);
  return wanted.length === 0 ? open : new Set([...open, ...wanted]);
}

/** Graphs up to this many nodes are shown whole. */
const SMALL_GRAPH = 60;

/** What is open at first: everything of a small graph, nothing of a large one. */
export function openAtFirst({ nodes, groups }: GraphScope): ReadonlySet<string> {
  return new Set(nodes.length <= SMALL_GRAPH ? groups.map(({ path }) => path) : []);
}

/** A repeat opens with its first instance open too: that is what one wants to see of it. */
export function opened({ groups }: GraphScope, group: number, open: ReadonlySet<string>): ReadonlySet<string> {
  const paths = [groups[group]!.path];
  if (groups[group]!.kind === 'repeat') {
    const first = groups.findIndex(({ parent }) => parent === group);
    if (first >= 0 && !groups.some(({ parent, path }) => parent === group && open.has(path)))
      paths.push(groups[first]!.path);
  }
  return new Set([...open, ...paths]);
}

/** Closed with everything inside. */
export function closed({ groups }: GraphScope, group: number, open: ReadonlySet<string>): ReadonlySet<string> {
  const path = groups[group]!.path;
  return new Set([...open].filter((other) => other !== path && !other.startsWith(`${path} / `)));
}
