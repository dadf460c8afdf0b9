/** Two profiles of the same target side by side: by operator, and node by node. */
import type { OpFamily } from '../analysis/op-families.ts';
import { profileByOp } from '../profile/by-op.ts';
import type { ModelProfile, ProfileNode } from '../profile/types.ts';
import { mannWhitneyZ } from './latency.ts';

/** A difference that the runs do not bear out is noise, whatever its size. */
export type TimeDifference = 'faster' | 'slower' | 'within noise' | 'only in the original' | 'only in the variant';

export interface Timed {
  readonly samplesUs: readonly number[];
  readonly medianUs: number;
}

/** Shares and microseconds below which medians are called equal: the clock counts whole microseconds. */
const SAME_SHARE = 0.05;
const SAME_US = 2;

/**
 * Mann–Whitney U at the 1 % level (see study/latency.ts), and at least 5 % and 2 microseconds of difference.
 */
export function compareTimes(variant: Timed | null, original: Timed | null): TimeDifference {
  if (!variant) return 'only in the original';
  if (!original) return 'only in the variant';
  const differenceUs = variant.medianUs - original.medianUs;
  if (Math.abs(differenceUs) < Math.max(SAME_US, SAME_SHARE * original.medianUs)) return 'within noise';
  if (Math.abs(mannWhitneyZ(variant.samplesUs, original.samplesUs)) < 2.576) return 'within noise';
  return differenceUs < 0 ? 'faster' : 'slower';
}

export interface ComparedOp {
  readonly opType: string;
  readonly family: OpFamily;
  readonly original: (Timed & { readonly nodes: number }) | null;
  readonly variant: (Timed & { readonly nodes: number }) | null;
  readonly difference: TimeDifference;
}

/** By the larger of the two times, most first. */
export function compareByOp(original: ModelProfile, variant: ModelProfile): ComparedOp[] {
  const before = new Map(profileByOp(original).map((op) => [op.opType, op]));
  const after = new Map(profileByOp(variant).map((op) => [op.opType, op]));
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((opType): ComparedOp => {
      const [a, b] = [before.get(opType) ?? null, after.get(opType) ?? null];
      return { opType, family: (a ?? b)!.family, original: a, variant: b, difference: compareTimes(b, a) };
    })
    .sort((a, b) => larger(b) - larger(a));
}

export interface ComparedNode {
  readonly id: string;
  readonly original: ProfileNode | null;
  readonly variant: ProfileNode | null;
  readonly difference: TimeDifference;
}

/** Nodes are the same where they stand for the same node of the file, or, where the runtime added them, by their name. */
export function compareNodes(original: ModelProfile, variant: ModelProfile): ComparedNode[] {
  const keyOf = ({ fileNodes, id }: ProfileNode) => (fileNodes[0] === undefined ? `+${id}` : `=${fileNodes[0]}`);
  const rest = new Map(variant.nodes.map((node) => [keyOf(node), node]));
  const compared: ComparedNode[] = original.nodes.map((node) => {
    const twin = rest.get(keyOf(node)) ?? null;
    if (twin) rest.delete(keyOf(node));
    return { id: node.id, original: node, variant: twin, difference: compareTimes(twin, node) };
  });
  for (const node of rest.values())
    compared.push({ id: `variant ${node.id}`, original: null, variant: node, difference: 'only in the variant' });
  return compared.sort((a, b) => larger(b) - larger(a));
}

const larger = ({ original, variant }: { readonly original: Timed | null; readonly variant: Timed | null }) =>
  Math.max(original?.medianUs ?? 0, variant?.medianUs ?? 0);
