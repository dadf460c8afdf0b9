/** A profile summed by operator. */
import type { OpFamily } from '../analysis/op-families.ts';
import { spreadOf } from '../base/percentile.ts';
import type { ModelProfile } from './types.ts';

export interface OpProfile {
  readonly opType: string;
  readonly family: OpFamily;
  readonly nodes: number;
  /** One figure a run. Microseconds. */
  readonly samplesUs: readonly number[];
  readonly medianUs: number;
  readonly p5Us: number;
  readonly p95Us: number;
  /** Of the sum over all operators. */
  readonly share: number;
}

/** Most time first. */
export function profileByOp({ nodes, runs }: ModelProfile): OpProfile[] {
  const groups = new Map<string, { family: OpFamily; nodes: number; samplesUs: number[] }>();
  for (const { opType, family, samplesUs } of nodes) {
    let group = groups.get(opType);
    if (!group) {
      group = { family, nodes: 0, samplesUs: new Array<number>(runs).fill(0) };
      groups.set(opType, group);
    }
    group.nodes += 1;
    for (const [run, us] of samplesUs.entries()) group.samplesUs[run]! += us;
  }
  const ops = [...groups].map(([opType, group]) => {
    const { median, p5, p95 } = spreadOf(group.samplesUs);
    return { opType, ...group, medianUs: median, p5Us: p5, p95Us: p95 };
  });
  const total = ops.reduce((sum, { medianUs }) => sum + (medianUs || 0), 0);
  return ops
    .map((op) => ({ ...op, share: total > 0 ? op.medianUs / total : 0 }))
    .sort((a, b) => b.medianUs - a.medianUs);
}
