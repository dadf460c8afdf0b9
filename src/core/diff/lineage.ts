/** Where nodes came from, by what the steps wrote down: several steps, one after the other, on the same nodes. */
import type { GraphNode } from '../graph-view/document.ts';
import type { StepLog } from './types.ts';

export interface Origin {
  /** Positions of nodes of the graph before. */
  readonly nodes: ReadonlySet<number>;
  readonly steps: readonly string[];
}

export interface Lineage {
  /** What a name of the graph after was made of; undefined where no step wrote it down. */
  originOf(names: readonly string[]): Origin | undefined;
  /** Steps that wrote down that they took a node of the graph before away or changed it. */
  takenBy(names: readonly string[]): readonly string[];
}

/** More than this many origins of one node say nothing any more: a folded table, say. */
const MAX_ORIGINS = 4096;

/** By what names a ledger may call a node: its own, or those of its outputs. */
export function namesOf({ name, outputs }: GraphNode): string[] {
  return [name, ...outputs.filter((output) => output !== '' && output !== name)];
}

/** @param before nodes of the graph that the log starts from */
export function lineageOf(before: readonly GraphNode[], log: StepLog): Lineage {
  const origins = new Map<string, { nodes: Set<number>; steps: Set<string> }>();
  const first = new Map<string, number>();
  for (const [index, node] of before.entries())
    for (const name of namesOf(node)) if (!first.has(name)) first.set(name, index);
  const taken = new Map<string, Set<string>>();
  for (const { title, entries } of log)
    for (const { from, to } of entries) {
      const nodes = new Set<number>();
      const steps = new Set<string>();
      for (const name of from) {
        const known = origins.get(name);
        for (const node of known?.nodes ?? []) if (nodes.size < MAX_ORIGINS) nodes.add(node);
        for (const step of known?.steps ?? []) steps.add(step);
        const own = first.get(name);
        if (own !== undefined && !known) nodes.add(own);
        note(taken, name, title);
      }
      steps.add(title);
      for (const name of to) {
        const known = origins.get(name);
        if (!known || from.includes(name)) origins.set(name, { nodes: new Set(nodes), steps: new Set(steps) });
        else {
          for (const node of nodes) known.nodes.add(node);
          for (const step of steps) known.steps.add(step);
        }
      }
    }
  return {
    originOf: (names) => {
      for (const name of names) {
        const found = origins.get(name);
        if (found && found.nodes.size > 0) return { nodes: found.nodes, steps: [...found.steps] };
      }
      return undefined;
    },
    takenBy: (names) => [...new Set(names.flatMap((name) => [...(taken.get(name) ?? [])]))],
  };
}

function note(map: Map<string, Set<string>>, key: string, value: string): void {
  const known = map.get(key);
  if (known) known.add(value);
  else map.set(key, new Set([value]));
}
