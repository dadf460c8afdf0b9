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

type Ledger = GraphAnswer['ledger'];

/** Names followed; beyond it a node was taken apart into so many that none stands for it. */
const MAX_NAMES = 64;

/**
 * What a node of one variant may be called in another: back through the steps of the one to the original, and forth
 * through those of the other.
 * @returns its own name, then its values, then what steps made of it, latest first
 */
export function counterparts(from: Ledger, to: Ledger, { name, outputs }: GraphNode): string[] {
  const own = [name, ...outputs.filter((output) => output !== '')];
  const names = new Set(own);
  const follow = (entries: readonly { readonly has: readonly string[]; readonly gives: readonly string[] }[]) => {
    for (const { has, gives } of entries)
      if (names.size < MAX_NAMES && has.some((each) => names.has(each))) for (const each of gives) names.add(each);
  };
  for (const { entries } of from.toReversed())
    follow(entries.toReversed().map((entry) => ({ has: entry.to, gives: entry.from })));
  const origins = [...names];
  for (const { entries } of to) follow(entries.map((entry) => ({ has: entry.from, gives: entry.to })));
  const made = [...names].filter((each) => !origins.includes(each)).reverse();
  return [...own, ...made, ...origins];
}
