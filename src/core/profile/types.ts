/** What a runtime's own profile says, and what becomes of it once its nodes are traced back to those of the file. */
import type { OpFamily } from '../analysis/op-families.ts';

/** One node as the runtime executed it. Times are microseconds, one a run, in the order of the runs. */
export interface TraceNode {
  /** The runtime's own name for it. */
  readonly name: string;
  /** The runtime's index; for nodes that it took over from the file, their position there (Constant nodes left out). */
  readonly index: number | null;
  readonly opType: string;
  readonly provider: string;
  /** Shapes of the inputs that the runtime lists (it leaves out weights it has packed). */
  readonly inputs: readonly TraceValue[];
  readonly outputs: readonly TraceValue[];
  /** Bytes as the runtime counts them; null where it does not say. */
  readonly activationBytes: number | null;
  readonly parameterBytes: number | null;
  readonly outputBytes: number | null;
  /** Executions a run: above 1 in the body of a loop. */
  readonly calls: number;
  /**
   * Time of the thread that ran it, nested nodes (the body of an If or a Loop) taken out. For a node on the GPU this is
   * what handing it over took; for a copy from the GPU it holds the wait for everything that was handed over before.
   */
  readonly hostUs: readonly number[];
  /** Time on the GPU, by its timestamps; null for nodes that ran no GPU program, or where the device tells no times. */
  readonly gpuUs: readonly number[] | null;
  /** Host time less the waiting for GPU work that other nodes are charged with; equal to `hostUs` but for copies. */
  readonly ownUs: readonly number[];
}

export interface TraceValue {
  /** The runtime's word for it: 'float', 'uint8', 'int64'. */
  readonly type: string;
  readonly dims: readonly number[];
}

export interface RuntimeTrace {
  /** In the order in which they first ran. */
  readonly nodes: readonly TraceNode[];
  /** Each run as the runtime timed it, copying of inputs and outputs left out. */
  readonly runsUs: readonly number[];
  /** Lines that were no events: cut off, or written by something else. */
  readonly unreadableLines: number;
  /** Events after the last run that has an end: the trace was cut off, or its buffer was full. */
  readonly lostEvents: number;
}

/**
 * file: it ran as it stands in the file. rewritten: the runtime made it out of nodes of the file (fused, moved to
 * another layout or data type). runtime: the runtime added it (copies, transposes, casts).
 */
export type NodeOrigin = 'file' | 'rewritten' | 'runtime';

export interface ProfileNode {
  /** Unique in this profile. */
  readonly id: string;
  /** The runtime's name. */
  readonly name: string;
  readonly opType: string;
  readonly family: OpFamily;
  readonly provider: string;
  readonly origin: NodeOrigin;
  /**
   * Names of the file's nodes that it stands for. The first is the one the runtime named it after; the others are
   * inferred: nodes that did not run themselves and whose values only lead to, or from, this one.
   */
  readonly fileNodes: readonly string[];
  /** Names of the values that these nodes make. */
  readonly fileValues: readonly string[];
  readonly calls: number;
  readonly onGpu: boolean;
  /** One figure a run, warm-up left out: GPU time where the GPU tells it, else time of the thread. Microseconds. */
  readonly samplesUs: readonly number[];
  readonly medianUs: number;
  readonly p5Us: number;
  readonly p95Us: number;
  /** Of the sum of the medians of all nodes. */
  readonly share: number;
  /** Median of what handing it to the GPU took; null for nodes that did not run there. */
  readonly dispatchUs: number | null;
  /** Multiply-accumulates and operations (2 per MAC, and what is not a product); null where sizes are unknown. */
  readonly macs: number | null;
  readonly flops: number | null;
  /** Bytes of inputs, weights and outputs in the types it really ran with; null where unknown. */
  readonly bytes: number | null;
  readonly outputs: readonly TraceValue[];
}

/** Of one variant on one target. */
export interface ModelProfile {
  /** By execution. */
  readonly nodes: readonly ProfileNode[];
  readonly runs: number;
  /** The runtime's own time of a run while it profiles. Microseconds. */
  readonly runUs: { readonly median: number; readonly p5: number; readonly p95: number };
  /** Median over the runs of the sum of all nodes. Microseconds. */
  readonly sumUs: number;
  /** Median over the runs of what handing nodes to the GPU took in all; null without a GPU. */
  readonly dispatchUs: number | null;
  /** False where GPU nodes ran but the device told no times: then their figures are dispatch only. */
  readonly hasGpuTimes: boolean;
  /**
   * Nodes of the file's main graph that did not run themselves: part of others, or computed while loading (or rewritten
   * under names that say nothing of them).
   */
  readonly notRun: { readonly absorbed: number; readonly untraced: number };
  readonly unreadableLines: number;
  readonly lostEvents: number;
}
