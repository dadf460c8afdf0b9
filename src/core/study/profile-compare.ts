/** Two profiles of the same target side by side: by operator, and node by node. */
import type { OpFamily } from '../analysis/op-families.ts';
import { spreadOf } from '../base/percentile.ts';
import { profileByOp } from '../profile/by-op.ts';
import { NameIndex } from '../profile/name-pieces.ts';
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
  /** What became of it: quantizing a layer makes several nodes out of one. */
  readonly variants: readonly ProfileNode[];
  /** All of them together. */
  readonly variant: Timed | null;
  readonly difference: TimeDifference;
}

/** Node by node, by the larger of the two times, most first. See `relateNodes` for what belongs together. */
export function compareNodes(original: ModelProfile, variant: ModelProfile): ComparedNode[] {
  const origins = relateNodes(original, variant);
  const variantsOf = new Map<ProfileNode, ProfileNode[]>();
  const compared: ComparedNode[] = [];
  for (const node of variant.nodes) {
    const origin = origins.get(node);
    const siblings = origin && variantsOf.get(origin);
    if (siblings) siblings.push(node);
    else if (origin) variantsOf.set(origin, [node]);
    else
      compared.push({
        id: `variant ${node.id}`,
        original: null,
        variants: [node],
        variant: node,
        difference: 'only in the variant',
      });
  }
  for (const node of original.nodes) {
    const variants = variantsOf.get(node) ?? [];
    const together = variants.length > 0 ? sumOf(variants) : null;
    compared.push({
      id: node.id,
      original: node,
      variants,
      variant: together,
      difference: compareTimes(together, node),
    });
  }
  return compared.sort((a, b) => larger(b) - larger(a));
}

/**
 * Which node of the original each node of the variant comes from: the one that stands for the same node of the file, else
 * the one out of whose name, or value, its own name is built, as quantizers and fusions build them. What quantizes a value
 * is named after it, but does so for whoever reads it: it comes from none. Nor does what the runtime added.
 */
export function relateNodes(original: ModelProfile, variant: ModelProfile): Map<ProfileNode, ProfileNode> {
  const index = new NameIndex<{ readonly node: ProfileNode; readonly isValue: boolean }>();
  for (const node of original.nodes) for (const name of node.fileValues) index.add(name, { node, isValue: true });
  for (const node of original.nodes) for (const name of node.fileNodes) index.add(name, { node, isValue: false });
  const origins = new Map<ProfileNode, ProfileNode>();
  for (const node of variant.nodes) {
    const names = node.fileNodes;
    const same = names.map((name) => index.get(name)).find((found) => found && !found.isValue);
    const found = same ?? (names[0] === undefined ? undefined : index.ofLongestPiece(names[0]));
    const origin = found?.isValue && node.family === 'quantization' ? undefined : found?.node;
    if (origin) origins.set(node, origin);
  }
  return origins;
}

/** "Conv", or "Conv → ConvInteger, Cast, Mul" where the variant's differ. */
export function operatorText({ original, variants }: ComparedNode): string {
  const ops = [...new Set(variants.map(({ opType }) => opType))];
  const text = ops.length > 3 ? `${ops.slice(0, 3).join(', ')}, …` : ops.join(', ');
  if (!original || ops.length === 0) return original?.opType ?? text;
  return text === original.opType ? text : `${original.opType} → ${text}`;
}

function sumOf(nodes: readonly ProfileNode[]): Timed {
  const samplesUs = nodes[0]!.samplesUs.map((_, run) => nodes.reduce((sum, node) => sum + node.samplesUs[run]!, 0));
  return { samplesUs, medianUs: spreadOf(samplesUs).median };
}

const larger = ({ original, variant }: { readonly original: Timed | null; readonly variant: Timed | null }) =>
  Math.max(original?.medianUs ?? 0, variant?.medianUs ?? 0);
