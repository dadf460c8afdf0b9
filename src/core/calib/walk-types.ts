/** What a walk through a model's layers takes, shows and answers. */
import type { JobContext } from '../base/progress.ts';
import type { Model } from '../ir/types.ts';
import type { CalibrationSource, Executor, TensorStore } from '../step/define.ts';

export interface WalkRequest {
  /** Its nodes in topological order. A visitor that edits leaves them so (GraphEditor.finish). */
  readonly model: Model;
  readonly executor: Executor;
  readonly source: CalibrationSource;
  /** Values of the main graph in floating point: inputs, or made by nodes. */
  readonly wanted: Iterable<string>;
  readonly mode: 'read' | 'edit';
  readonly visitor: LayerVisitor;
  readonly job: JobContext;
  /** Only the first so many samples. */
  readonly maxSamples?: number;
  /** Takes what of a cut passes the budget. Without one everything stays in memory. */
  readonly store?: TensorStore;
  readonly limits?: Partial<WalkLimits>;
}

export interface WalkLimits {
  /** Weights of one part; a single larger node runs all the same, up to 1 GB. */
  readonly partWeightBytes: number;
  /** To read: what the wanted values of one part may take, for one sample. */
  readonly partValueBytes: number;
  /** What one cut may hold in memory. */
  readonly cutBytes: number;
}

export const defaultWalkLimits: WalkLimits = {
  partWeightBytes: 256 << 20,
  partValueBytes: 64 << 20,
  cutBytes: 512 << 20,
};

export interface LayerVisitor {
  /** Before the samples of a stop. */
  arrive?(stop: WalkStop): void | Promise<void>;
  /** Each value of the stop, for each sample in turn. */
  observe(value: WalkedValue): void | Promise<void>;
  /** After all samples. To edit: change the model here. */
  leave?(stop: WalkStop): void | Promise<void>;
}

export interface WalkStop {
  /** Seen at this stop, in no particular order. */
  readonly values: readonly string[];
  /** Of the wanted values, how many were seen at earlier stops. */
  readonly done: number;
  readonly total: number;
}

export interface WalkedValue {
  readonly name: string;
  /** From 0. */
  readonly sample: number;
  readonly dims: readonly number[];
  /** As float32, whatever the model computes in. Valid during the call only. */
  readonly values: Float32Array;
}

export interface WalkOutcome {
  readonly samples: number;
  readonly parts: number;
  /** Parts that ran a second time because the visitor changed what had made the values. */
  readonly repeated: number;
  /** The most that was kept between parts at once: bytes in memory and number of tensors, all samples together. */
  readonly peakCutBytes: number;
  readonly peakCutTensors: number;
  readonly spilledBytes: number;
}
