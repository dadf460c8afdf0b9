/** One long action at a time: its signal, its progress, and the yield that lets the page breathe. */
import type { JobContext, Progress } from '../../core/base/progress.ts';
import { studio } from '../store.ts';

let controller: AbortController | null = null;

/** How often progress may redraw the page. */
const PROGRESS_INTERVAL_MS = 60;

/** Starts a job; the one before, if it still runs, is cancelled. */
export function beginJob(onProgress: (progress: Progress) => void): JobContext & { readonly signal: AbortSignal } {
  controller?.abort();
  controller = new AbortController();
  const { signal } = controller;
  let lastStage = '';
  let lastAt = 0;
  return {
    signal,
    onProgress(progress) {
      if (signal.aborted) return;
      const now = performance.now();
      if (progress.stage === lastStage && now - lastAt < PROGRESS_INTERVAL_MS) return;
      lastStage = progress.stage;
      lastAt = now;
      onProgress(progress);
    },
    // A message task, unlike a timer, is not held back to 4 ms or, in hidden tabs, to seconds.
    yield: () =>
      new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          resolve();
        };
        port2.postMessage(null);
      }),
  };
}

/** Only the job that is current may write what it found, or clear what the screen says of it. */
export function isCurrent(job: JobContext): boolean {
  return controller !== null && controller.signal === job.signal && !controller.signal.aborted;
}

/** The job before, until its workers are gone: a cancelled build may take its worker down with it. */
let previous: Promise<unknown> = Promise.resolve();

export function workersAreFree(): Promise<unknown> {
  return previous;
}

export function holdWorkers(work: Promise<unknown>): void {
  previous = work.catch(() => {});
}

/** The page is free at once; workers that are slow to notice are terminated by their clients. */
export function cancelJob(): void {
  controller?.abort();
  studio.setState({ job: null, opening: null });
}
