/** Questions that rewrites ask of shape inference, with answers that are yes only when it is proven. */
import type { Dim, Graph } from '../../ir/types.ts';
import type { ShapeTable, ValueFacts } from '../../shape/types.ts';

/** Facts of the values that a graph sees; nothing is known inside a subgraph that inference did not enter. */
export function factsIn(table: ShapeTable, graph: Graph, kind: 'main' | 'subgraph' | 'function'): FactLookup {
  if (kind === 'function') return () => undefined;
  const scope = kind === 'main' ? table : table.scope(graph);
  return (value) => scope?.get(value);
}

export type FactLookup = (value: string) => ValueFacts | undefined;

/** All dims known and equal, as numbers or as equal symbolic expressions. */
export function sameShape(a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): boolean {
  if (!a || !b || a.length !== b.length) return false;
  return a.every((dim, axis) => dim !== null && dim === b[axis]);
}

/** The shape, where every dim is a number. */
export function staticShape(facts: ValueFacts | undefined): readonly number[] | undefined {
  const shape = facts?.shape;
  return shape?.every((dim) => typeof dim === 'number') ? (shape as readonly number[]) : undefined;
}

export function rankOf(facts: ValueFacts | undefined): number | undefined {
  return facts?.shape?.length;
}
