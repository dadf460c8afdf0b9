/** The part of a graph around some of its nodes: themselves, and what touches them. */
import type { GraphScope } from '../../core/graph-view/document.ts';
import { producers } from '../../core/graph-view/visible.ts';

export interface Part {
  /** Without groups; nodes as in the whole. */
  readonly scope: GraphScope;
  /** By node of the part: whether it is one of those asked for. */
  readonly isOwn: readonly boolean[];
  /** By node of the part: its position in the whole. */
  readonly places: readonly number[];
}

/** Neighbours beyond this many say nothing more: a value that everything reads. */
const MAX_NEIGHBOURS = 24;

export function partAround(scope: GraphScope, own: readonly number[]): Part {
  const { nodes } = scope;
  const producerOf = producers(nodes);
  const wanted = new Set(own);
  const around = new Set<number>();
  const add = (index: number | undefined) => {
    if (index !== undefined && !wanted.has(index) && around.size < MAX_NEIGHBOURS) around.add(index);
  };
  const made = new Set<string>();
  for (const index of own) {
    for (const input of nodes[index]!.inputs) add(producerOf.get(input));
    for (const output of nodes[index]!.outputs) made.add(output);
  }
  for (const [index, { inputs }] of nodes.entries()) if (inputs.some((input) => made.has(input))) add(index);
  const places = [...wanted, ...around].sort((a, b) => a - b);
  return partOf(scope, places, (index) => wanted.has(index));
}

/** @param places of its nodes, ascending */
function partOf(scope: GraphScope, places: readonly number[], isOwn: (place: number) => boolean): Part {
  const nodes = places.map((index) => scope.nodes[index]!);
  return { scope: { ...scope, nodes, groups: [], groupOf: places.map(() => -1) }, isOwn: places.map(isOwn), places };
}

/** Where what is gone would be: the nodes of the other graph that its neighbours are the same as; null without any. */
export function placeIn(part: Part, other: GraphScope): Part | null {
  const names = new Map(other.nodes.map(({ name, op }, index) => [`${op}\n${name}`, index]));
  const places = part.scope.nodes.flatMap(({ name, op }, index) => {
    const found = part.isOwn[index] ? undefined : names.get(`${op}\n${name}`);
    return found === undefined ? [] : [found];
  });
  if (places.length === 0) return null;
  return partOf(
    other,
    places.sort((a, b) => a - b),
    () => false,
  );
}
