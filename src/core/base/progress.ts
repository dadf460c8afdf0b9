import { type CancelSignal, neverCancelled } from './cancel.ts';

/** What a long action is doing right now. `total` is null while it is not known. */
export interface Progress {
  /** A short present participle with its object, e.g. "quantizing weights". */
  readonly stage: string;
  readonly done: number;
  readonly total: number | null;
  readonly unit: 'bytes' | 'nodes' | 'tensors' | 'samples' | 'runs' | 'steps' | 'files';
}

export type OnProgress = (progress: Progress) => void;

/** What every long action takes: a way to be stopped, a way to report, and a way to let the host's event loop breathe. */
export interface JobContext {
  readonly signal: CancelSignal;
  readonly onProgress: OnProgress;
  /**
   * Resolves after the host's event loop has turned once, so that a cancel message can arrive. Cheap enough to call
   * about every 20 ms of work; must not be called per element.
   */
  readonly yield: () => Promise<void>;
}

/** A context that reports to nobody and cannot be cancelled. */
export const quietJob: JobContext = {
  signal: neverCancelled,
  onProgress: () => {},
  yield: () => Promise.resolve(),
};
