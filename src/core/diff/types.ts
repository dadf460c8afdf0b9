/** What is different between two graphs. Plain data: it crosses a worker's border, and the command line prints it. */
import type { LedgerEntry } from '../step/ledger.ts';

/** What the steps of a recipe did to the original, in order. */
export type StepLog = readonly {
  readonly title: string;
  readonly entries: readonly LedgerEntry[];
}[];

/**
 * fused: several nodes became fewer. replaced: as many or more took their place. removed, added: without a counterpart.
 * changed: the same node with other attributes, weights or types.
 */
export type DiffKind = 'fused' | 'replaced' | 'removed' | 'added' | 'changed';

export interface DiffItem {
  readonly kind: DiffKind;
  /** Positions in the node lists of the scopes below. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Scopes of the two documents; -1 where it has none. */
  readonly beforeScope: number;
  readonly afterScope: number;
  /** Titles of the steps that did it, in order; empty where no step says so. */
  readonly steps: readonly string[];
  /** One line: "Conv, BatchNormalization, Relu → FusedConv". */
  readonly title: string;
  /** What changed, one short sentence each. */
  readonly details: readonly string[];
}

export interface GraphDiff {
  readonly items: readonly DiffItem[];
  readonly counts: Readonly<Record<DiffKind, number>>;
  /** Operators on each side, subgraphs included, graph inputs and outputs not. */
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  /** Nodes that are the same on both sides. */
  readonly unchanged: number;
  /** Bytes of weights on each side, each counted once. */
  readonly weightBytesBefore: number;
  readonly weightBytesAfter: number;
}
