/** A profile as figures of the file's nodes, for whoever colours them: the graph view's "share of latency". */
import type { NodeValues } from '../core/graph-view/node-values.ts';
import { targetLabel } from '../core/study/run.ts';
import type { ProfileEntry } from './profile-slice.ts';
import type { StudioState } from './store.ts';

/** The profile of a variant that was made last, on whatever target; of the original, also as part of a variant's. */
export function profileOfVariant(
  { profiles, history }: Pick<StudioState, 'profiles' | 'history'>,
  variantId: string,
): ProfileEntry | undefined {
  const isBaseline = history?.present.ids[0] === variantId;
  return Object.entries(profiles)
    .filter(([slot]) => isBaseline || slot.startsWith(`${variantId} `))
    .map(([, entry]) => entry)
    .sort((a, b) => b.run.measuredAt.localeCompare(a.run.measuredAt))[0];
}

/**
 * Percent of the time of all nodes. What the runtime made of several nodes counts at the one that it is named after;
 * nodes that went into it have no figure of their own, nor has what the runtime added.
 * @returns null while the variant was not profiled, or failed
 */
export function latencyShares(state: Pick<StudioState, 'profiles' | 'history'>, variantId: string): NodeValues | null {
  const entry = profileOfVariant(state, variantId);
  const isBaseline = state.history?.present.ids[0] === variantId;
  const value = (isBaseline ? entry?.run.outcomes[0] : entry?.run.outcomes.at(-1))?.value;
  if (!entry || !value) return null;
  const byNode = new Map<string, number>();
  for (const { fileNodes, share } of value.profile.nodes) {
    const [name] = fileNodes;
    if (name !== undefined) byNode.set(name, (byNode.get(name) ?? 0) + 100 * share);
  }
  const level = entry.run.level === 'disabled' ? ', runtime optimization off' : '';
  return {
    id: 'latency',
    title: 'Share of latency',
    unit: '%',
    byNode,
    combine: 'sum',
    source: `measured on ${targetLabel(entry.run.target)}${level}`,
  };
}
