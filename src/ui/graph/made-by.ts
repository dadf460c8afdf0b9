/** Which step of the recipe made a node, or changed it. */
import type { GraphNode } from '../../core/graph-view/document.ts';
import type { GraphAnswer } from '../../rpc/contract.ts';

export interface Origin {
  /** Of the step. */
  readonly title: string;
  readonly action: string;
  readonly from: readonly string[];
}

/** Entries name nodes, or first outputs, or the initializers that took a node's place; the last step comes first. */
export function madeBy(ledger: GraphAnswer['ledger'], { name, outputs, weights }: GraphNode): Origin[] {
  const own = new Set([name, ...outputs.filter((output) => output !== '')]);
  const read = new Set(weights.map((weight) => weight.name));
  const origins: Origin[] = [];
  for (const { title, entries } of ledger)
    for (const { action, from, to } of entries)
      if (to.some((made) => own.has(made) || read.has(made)) || (to.length === 0 && from.some((was) => own.has(was))))
        origins.unshift({ title, action, from });
  return origins.slice(0, MAX_ORIGINS);
}

const MAX_ORIGINS = 12;
