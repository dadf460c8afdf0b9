/** A profile as figures of the file's nodes, for whoever colours them: the graph view's "share of latency". */
import type { NodeLabels, NodeValues } from '../core/graph-view/node-values.ts';
import { targetLabel } from '../core/study/run.ts';
import { type ProfileEntry, profileKey } from './profile-slice.ts';
import type { StudioState } from './store.ts';

type Profiled = Pick<StudioState, 'profiles' | 'history'>;

/** The profile of a variant that was made last, on whatever target; of the original, also as part of a variant's. */
export function profileOfVariant({ profiles, history }: Profiled, variantId: string): ProfileEntry | undefined {
  const isBaseline = history?.present.ids[0] === variantId;
  return Object.entries(profiles)
    .filter(([slot]) => isBaseline || slot.startsWith(`${variantId} `))
    .map(([, entry]) => entry)
    .sort((a, b) => b.run.measuredAt.localeCompare(a.run.measuredAt))[0];
}

/**
 * Percent of the time of all nodes. What the runtime made of several nodes counts at the one that it is named after;
 * nodes that went into it have no figure of their own, nor has what the runtime added.
 * @returns null while the variant, as it is now, was not profiled
 */
export function latencyShares(state: Profiled, variantId: string): NodeValues | null {
  const found = profileFor(state, variantId);
  if (!found) return null;
  const byNode = new Map<string, number>();
  for (const { fileNodes, share } of found.profile.nodes) {
    const [name] = fileNodes;
    if (name !== undefined) byNode.set(name, (byNode.get(name) ?? 0) + 100 * share);
  }
  return { id: 'latency', title: 'Share of latency', unit: '%', byNode, combine: 'sum', source: found.source };
}

/** Which execution provider ran a node; of several nodes that became one, all have its provider. */
export function nodeProviders(state: Profiled, variantId: string): NodeLabels | null {
  const found = profileFor(state, variantId);
  if (!found) return null;
  const byNode = new Map<string, string>();
  for (const { fileNodes, provider } of found.profile.nodes)
    for (const name of fileNodes) byNode.set(name, provider.replace(/ExecutionProvider$/, ''));
  return { id: 'provider', title: 'Execution provider', byNode, source: found.source };
}

function profileFor(state: Profiled, variantId: string) {
  const entry = profileOfVariant(state, variantId);
  const draft = state.history?.present;
  const recipe = draft?.study.variants[draft.ids.indexOf(variantId)];
  if (!entry || !draft || !recipe) return null;
  const at = draft.ids[0] === variantId ? 0 : entry.run.outcomes.length - 1;
  const value = entry.run.outcomes[at]?.value;
  if (!value || entry.keys[at] !== profileKey(recipe, draft.study.task)) return null;
  const level = entry.run.level === 'disabled' ? ', runtime optimization off' : '';
  return { profile: value.profile, source: `measured on ${targetLabel(entry.run.target)}${level}` };
}
