/** A worker without a thread: a MessageChannel whose far end serves, with the events of a Worker. */
import type { WorkerLike } from '../../../src/rpc/client.ts';
import type { Contract } from '../../../src/rpc/contract.ts';
import { type Handlers, serve } from '../../../src/rpc/server.ts';

export interface InProcessWorker extends WorkerLike {
  /** Delivers an event as a host does when its worker fails. */
  fail(type: 'error' | 'messageerror', message?: string): void;
  readonly terminated: boolean;
  /** What was posted to the far end so far. */
  readonly posted: number;
}

/** @param handlers undefined: the far end never answers, as a worker whose script hangs */
export function inProcessWorker<Api extends Contract>(handlers: Handlers<Api> | undefined): InProcessWorker {
  const { port1: near, port2: far } = new MessageChannel();
  const events = new EventTarget();
  let terminated = false;
  let posted = 0;
  if (handlers) serve<Api>(handlers, far);
  const source = (type: string): EventTarget => (type === 'message' ? near : events);
  return {
    postMessage(message: unknown, transfer?: Transferable[]) {
      posted += 1;
      near.postMessage(message, transfer ?? []);
    },
    addEventListener(type: string, listener: EventListenerOrEventListenerObject) {
      source(type).addEventListener(type, listener as EventListener);
    },
    removeEventListener(type: string, listener: EventListenerOrEventListenerObject) {
      source(type).removeEventListener(type, listener as EventListener);
    },
    start: () => near.start(),
    terminate() {
      terminated = true;
      near.close();
      far.close();
    },
    fail(type, message = '') {
      events.dispatchEvent(Object.assign(new Event(type, { cancelable: true }), { message }));
    },
    get terminated() {
      return terminated;
    },
    get posted() {
      return posted;
    },
  };
}
