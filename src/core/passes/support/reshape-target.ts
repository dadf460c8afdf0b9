/** Targets for a Reshape that do not have to be computed. */
import type { Dim } from '../../ir/types.ts';
import type { ShapeTable } from '../../shape/types.ts';
import type { StepContext } from '../../step/define.ts';

/** Sizes that the graph's inputs have, by name: a caller gives them, and they are hardly ever 0. */
export function inputSizes(ctx: StepContext, table: ShapeTable): ReadonlySet<Dim> {
  return new Set(ctx.model.graph.inputs.flatMap(({ name }) => table.get(name)?.shape ?? []));
}

/**
 * A constant target for a Reshape: numbers as they are, 0 for a size copied from the same axis of the input, and -1 for
 * at most one other. Undefined when the shapes do not say enough.
 */
export function constantTarget(
  from: readonly Dim[] | undefined,
  to: readonly Dim[] | undefined,
  sizes: ReadonlySet<Dim>,
): number[] | undefined {
  if (!from || !to) return undefined;
  const target = to.map((dim, axis) => (typeof dim === 'number' ? dim : dim !== null && dim === from[axis] ? 0 : -1));
  // A size that is 0 would be taken for a copy.
  if (to.includes(0)) return undefined;
  const free = target.filter((dim) => dim === -1).length;
  if (free > 1) return undefined;
  // Beside a -1, a copied size must not be 0, or the rest cannot be divided out.
  const copied = to.filter((_, axis) => target[axis] === 0);
  return free === 0 || copied.every((dim) => sizes.has(dim)) ? target : undefined;
}
