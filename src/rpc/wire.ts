/** What client and server of this folder say to each other, through comlink. */
import type { ErrorRecord } from '../core/base/errors/index.ts';
import type { Progress } from '../core/base/progress.ts';

/** Errors are values on the wire: comlink would keep their message and lose code, data and cause. */
export type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: ErrorRecord };

/** What the server exposes. Calls are numbered by the client so that they can be aborted and report progress. */
export interface Dispatcher {
  /**
   * Must be called first. @param lockName a Web Lock that the worker holds as long as it lives, where the host has
   * Web Locks: its release is the only sign of some deaths
   */
  connect(lockName: string, onProgress: (call: number, progress: Progress) => void): Promise<void>;
  call(call: number, method: string, request: unknown): Promise<Reply>;
  abort(call: number): void;
}
