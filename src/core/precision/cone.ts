/** The part of a model behind a value: what has to run again when the value changes. */
import type { DType } from '../ir/dtype.ts';
import type { Graph } from '../ir/types.ts';
import { isDefaultDomain, usedValuesOf } from '../ir/walk.ts';
import { nodesBetween } from './part.ts';

/** Types that both a runtime's boundary and `modelPart` can take. What is of another type is computed again. */
const feedable: ReadonlySet<DType> = new Set(['float32', 'float16', 'int64', 'int32', 'bool']);

export interface Cone {
  /** Values made outside that it reads: with these and the changed ones it can run alone. */
  readonly boundary: readonly string[];
  /** Wanted values that the changed ones have a part in. */
  readonly reached: readonly string[];
}

/**
 * @param changed values of the main graph
 * @param wanted values that are made from them, perhaps
 */
export function coneBehind(
  graph: Graph,
  changed: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
  dtypeOf: (value: string) => DType | undefined,
): Cone {
  const dependent = new Set(changed);
  for (const node of graph.nodes)
    if (usedValuesOf(node).some((value) => dependent.has(value)))
      for (const output of node.outputs) if (output !== '') dependent.add(output);
  const reached = [...wanted].filter((value) => dependent.has(value));
  const made = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  // What makes the changed values themselves is no part of it.
  const behind = new Set(reached.filter((value) => !changed.has(value)));
  const { nodes } = nodesBetween(graph.nodes, changed, behind);
  const boundary = new Set<string>();
  for (const node of nodes) {
    if (!node.outputs.some((output) => dependent.has(output))) continue;
    for (const value of usedValuesOf(node)) {
      const maker = made.get(value);
      if (dependent.has(value) || !maker || !feedable.has(dtypeOf(value) ?? 'undefined')) continue;
      if (maker.opType !== 'Constant' || !isDefaultDomain(maker.domain)) boundary.add(value);
    }
  }
  return { boundary: [...boundary], reached };
}
