/** Which values a variant makes by other nodes, or from other constants, than the original does. */
import type { Graph, Model, Node } from '../ir/types.ts';
import { usedValuesOf } from '../ir/walk.ts';

export function producersOf(graph: Graph): Map<string, Node> {
  const made = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') made.set(output, node);
  return made;
}

/**
 * @param matched values that both models have: what lies before them does not count
 * @returns whether the value is made differently from the matched values before it
 */
export function changeDetector(
  original: Model,
  variant: Model,
  matched: ReadonlySet<string>,
): (value: string) => boolean {
  const makers = [producersOf(original.graph), producersOf(variant.graph)] as const;
  return (value) => {
    const pending: [string, string][] = [[value, value]];
    const seen = new Set<string>();
    for (let pair = pending.pop(); pair; pair = pending.pop()) {
      const [ours, theirs] = pair;
      const key = `${ours}\u0000${theirs}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > 1 && (matched.has(ours) || matched.has(theirs))) {
        if (ours !== theirs) return true;
        continue;
      }
      const [a, b] = [makers[0].get(ours), makers[1].get(theirs)];
      if (!a || !b) {
        if (a || b || !isSameConstant(original, ours, variant, theirs)) return true;
        continue;
      }
      const [reads, readsToo] = [usedValuesOf(a), usedValuesOf(b)];
      if (reads.length !== readsToo.length || !isSameOperation(a, b)) return true;
      for (const [index, name] of reads.entries()) pending.push([name, readsToo[index]!]);
    }
    return false;
  };
}

/** Tensors are immutable and shared, so one whose data is the same object has not changed. */
function isSameConstant(original: Model, ours: string, variant: Model, theirs: string): boolean {
  const [a, b] = [original.graph.initializers.get(ours), variant.graph.initializers.get(theirs)];
  return a && b ? a.data === b.data && a.dtype === b.dtype : a === b && ours === theirs;
}

function isSameOperation(a: Node, b: Node): boolean {
  if (a.opType !== b.opType || a.domain !== b.domain || a.attributes.size !== b.attributes.size) return false;
  for (const [name, attribute] of a.attributes) {
    const other = b.attributes.get(name);
    if (other?.type !== attribute.type) return false;
    if (attribute.type === 'tensor' && other.type === 'tensor') {
      if (attribute.value.data !== other.value.data || attribute.value.dtype !== other.value.dtype) return false;
      // Graphs are drafts of their own in every copy of a model; steps that edit them also edit around them.
    } else if (attribute.type !== 'graph' && attribute.type !== 'graphs') {
      if ('value' in attribute && 'value' in other && !isSameValue(attribute.value, other.value)) return false;
    }
  }
  return true;
}

/** Numbers, and lists of them. */
function isSameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [left, right] = [a as ArrayLike<unknown>, b as ArrayLike<unknown>];
  return left.length === right.length && Array.from(left).every((item, index) => Object.is(item, right[index]));
}
