import type { Model } from '../ir/types.ts';
import { forEachNode, opName } from '../ir/walk.ts';
import { type OpFamily, opFamily } from './op-families.ts';

export interface OpCount {
  /** 'Conv', 'com.microsoft.Gelu'. */
  readonly op: string;
  readonly family: OpFamily;
  /** In the main graph, subgraphs and function bodies together. */
  readonly count: number;
  readonly mainCount: number;
}

/** Operators by how often they occur, most frequent first, then by name. A function body counts once. */
export function opHistogram(model: Model): readonly OpCount[] {
  const counts = new Map<string, { op: string; family: OpFamily; count: number; mainCount: number }>();
  forEachNode(model, (node, { graph }) => {
    const op = opName(node);
    const entry = counts.get(op) ?? { op, family: opFamily(node.opType), count: 0, mainCount: 0 };
    entry.count += 1;
    if (graph === model.graph) entry.mainCount += 1;
    counts.set(op, entry);
  });
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1));
}
