import { StudioError } from './errors/index.ts';

/**
 * The part of the DOM's AbortSignal that the core uses. A real AbortSignal fits; the core itself is compiled without
 * the DOM library, so it cannot name the original.
 */
export interface CancelSignal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** A signal that never fires, for callers that cannot cancel (tests, one-off scripts). */
export const neverCancelled: CancelSignal = {
  aborted: false,
  addEventListener: () => {},
  removeEventListener: () => {},
};

/** Throws `job/cancelled` once the signal has fired. Call it in every loop that can run longer than about 50 ms. */
export function throwIfCancelled(signal: CancelSignal): void {
  if (signal.aborted) throw new StudioError('job/cancelled', {});
}
