/**
 * Tasks: data + preprocessing + metric. A task runs the model only through `Runner`, so the same task judges any
 * variant on any target, in a worker or in Node.
 */
import type { JobContext } from '../base/progress.ts';
import type { DType } from '../ir/dtype.ts';
import type { HostTensor } from '../step/define.ts';

export type Feeds = ReadonlyMap<string, HostTensor>;

export interface Runner {
  /** One inference. */
  run(feeds: Feeds): Promise<Feeds>;
}

export interface MetricDefinition {
  readonly id: string;
  /** e.g. "Character error rate". */
  readonly title: string;
  /** e.g. "CER". */
  readonly short: string;
  readonly direction: 'higher-is-better' | 'lower-is-better';
  /** How a value is shown: a fraction as percent, or a plain number with this many decimals. */
  readonly format: 'percent' | 'decimal' | 'decibel';
  readonly decimals: number;
}

export interface MetricValue {
  readonly metric: string;
  readonly value: number;
  /** Two-sided confidence interval; absent when the metric has no sampling distribution (max abs error). */
  readonly interval?: readonly [low: number, high: number] | undefined;
  /** Units the interval was resampled over: lines, snippets, clips, samples. */
  readonly n: number;
}

/**
 * Sufficient statistics of each evaluated sample for the primary metric: metric = sum(numerator) / sum(denominator).
 * Kept so that two variants can be compared pairwise on the same samples (paired bootstrap).
 */
export interface SampleScores {
  readonly numerators: readonly number[];
  readonly denominators: readonly number[];
  /**
   * Numerators are measurements, such as similarities: that all of them happen to be 0 or 1 does not make them a
   * proportion, whose interval stays open however often nothing went wrong.
   */
  readonly continuous?: boolean | undefined;
}

export interface Evaluation {
  readonly metrics: readonly MetricValue[];
  /** For the primary metric (the first of the definition's list). Absent where the metric is not a ratio of sums. */
  readonly scores?: SampleScores | undefined;
  readonly n: number;
  /** Share, 0 to 1, of the values to agree with that are NaN or infinite; absent where none is. */
  readonly notFiniteShare?: number | undefined;
  /** Human-readable examples of what went wrong (e.g. expected against read text), at most 20. */
  readonly examples?: readonly { readonly expected: string; readonly got: string }[] | undefined;
}

export type TaskFiles = (name: string) => Promise<Uint8Array>;

export interface Task {
  readonly id: string;
  readonly title: string;
  /** The first is the primary one, which the gate judges. */
  readonly metrics: readonly MetricDefinition[];
  /** How many samples there are to evaluate. */
  readonly sampleCount: number;
  /** Feeds of one representative inference, for latency. */
  latencyFeeds(): Feeds;
  /** Inputs for calibration, from the calibration split only: never shared with evaluation. */
  calibrationFeeds(): AsyncIterable<Feeds>;
  /**
   * Runs the evaluation split.
   * @param limit evaluate only the first so many samples
   */
  evaluate(runner: Runner, job: JobContext, limit?: number): Promise<Evaluation>;
}

/** A kind of task that samples name by id; `load` fetches its data through `files`. */
export interface TaskDefinition {
  readonly id: string;
  readonly title: string;
  load(files: TaskFiles): Promise<Task>;
}

/** The part of a study's gate that judging needs (study/schema.ts `Gate`). */
export interface GateRule {
  readonly mode: 'relative' | 'absolute';
  /** 0.02 is 2 % of the original's value (relative) or 0.02 of the metric's unit (absolute). */
  readonly maxWorse: number;
  /** Two-sided. */
  readonly confidence: number;
}

/** What judging finds (study/results.ts `Verdict`). */
export interface VerdictRecord {
  verdict: 'pass' | 'fail' | 'inconclusive' | 'not-evaluated';
  /** One plain sentence with the figures that decided. */
  reason: string;
  /** How much worse than the original, in the gate's mode; positive is worse. */
  worse: number | null;
  worseInterval: [low: number, high: number] | null;
}

/** One input of a model, with a number for every dimension and how to fill it (study/schema.ts `inputSpecSchema`). */
export interface InputSpec {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dtype: DType;
  readonly distribution: 'normal' | 'uniform' | 'uniform-signed' | 'integers' | 'zeros' | 'ones';
  /** For `integers`: exclusive upper bound. */
  readonly max: number;
}

/** Where a task's data comes from, as something that can be posted to a worker. */
export type TaskSource =
  /** `assetBase`: absolute URL or directory that ends in '/', under which the task's files lie. */
  | { readonly kind: 'sample-task'; readonly id: string; readonly assetBase: string }
  /** Agreement with references: the original's outputs for these inputs, or what the user expects. */
  | {
      readonly kind: 'agreement';
      readonly feeds: readonly Feeds[];
      /** The feeds are random numbers, no data. */
      readonly generated?: boolean;
      /** null: not known yet; `collectOutputs` makes them from the original. Nothing can be evaluated before. */
      readonly references: readonly Feeds[] | null;
      /**
       * Outputs whose last axis holds the scores of classes (`classOutputs` finds them): then top-1 agreement is the
       * primary metric, else `agreementPrimary` says which. Absent: found from the references, if there are any.
       */
      readonly classOutputs?: readonly string[];
    };
