import type { JobContext, Progress } from '../core/base/progress.ts';

/** In a log, one line in this time says enough. */
const LOG_INTERVAL_MS = 2000;

/**
 * A job whose progress goes to stderr: one line rewritten on a terminal, one line a stage elsewhere (logs). Ctrl+C
 * cancels cooperatively; a second one ends the process at once.
 */
export function terminalJob(): JobContext & { done(): void } {
  const controller = new AbortController();
  const onInterrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    process.stderr.write('\nCancelling... (press Ctrl+C again to end at once)\n');
  };
  process.on('SIGINT', onInterrupt);
  // Without a handler a process ends at once and leaves its temporary files.
  process.on('SIGTERM', onInterrupt);
  const live = process.stderr.isTTY === true;
  let lastStage = '';
  let lastWrite = 0;
  const onProgress = (progress: Progress) => {
    if (live) {
      const now = Date.now();
      if (now - lastWrite < 80 && progress.stage === lastStage) return;
      lastWrite = now;
      const count = progress.total ? ` ${progress.done}/${progress.total} ${progress.unit}` : '';
      process.stderr.write(`\r\x1b[2K${progress.stage}${count}`.slice(0, (process.stderr.columns ?? 100) + 4));
    } else if (progress.stage !== lastStage && Date.now() - lastWrite > LOG_INTERVAL_MS) {
      lastWrite = Date.now();
      process.stderr.write(`${progress.stage}\n`);
    }
    lastStage = progress.stage;
  };
  return {
    signal: controller.signal,
    onProgress,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    done: () => {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onInterrupt);
      if (live && lastStage) process.stderr.write('\r\x1b[2K');
    },
  };
}
