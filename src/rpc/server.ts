/** The worker's side: answers calls of a contract, reports their progress, stops them when the caller gives up. */
import * as Comlink from 'comlink';
import { StudioError, toErrorRecord } from '../core/base/errors/index.ts';
import type { JobContext, Progress } from '../core/base/progress.ts';
import type { Contract } from './contract.ts';
import { buffersGivenAway } from './transfer.ts';
import type { Dispatcher, Reply } from './wire.ts';

export type Handlers<Api extends Contract> = {
  readonly [Method in keyof Api]: (
    request: Api[Method]['request'],
    job: JobContext,
  ) => Promise<Api[Method]['response']>;
};

/** More often than this nobody can see; a new stage is always told. */
const PROGRESS_INTERVAL_MS = 50;

/** @param endpoint the worker's own global scope, or a port */
export function serve<Api extends Contract>(handlers: Handlers<Api>, endpoint: Comlink.Endpoint): void {
  const running = new Map<number, AbortController>();
  let tell: (call: number, progress: Progress) => unknown = () => {};

  const dispatcher: Dispatcher = {
    async connect(lockName, onProgress) {
      tell = onProgress;
      await holdForLife(lockName);
    },
    async call(call, method, request) {
      const controller = new AbortController();
      running.set(call, controller);
      let told: unknown;
      try {
        const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
        if (!handler) throw new StudioError('internal/unexpected', { message: `no method ${method}` });
        const job: JobContext = {
          signal: controller.signal,
          onProgress: throttled((progress) => {
            // What the caller does with it is the caller's own affair.
            told = Promise.resolve(tell(call, progress)).catch(() => {});
          }),
          yield: turnOfTheEventLoop,
        };
        const value = await handler(request as never, job);
        const reply: Reply = { ok: true, value };
        return Comlink.transfer(reply, [...buffersGivenAway(value)]);
      } catch (error) {
        return { ok: false, error: toErrorRecord(error) };
      } finally {
        running.delete(call);
        // Progress goes through a port of its own; the reply must not overtake it.
        await told;
      }
    },
    abort(call) {
      running.get(call)?.abort();
    },
  };
  Comlink.expose(dispatcher, endpoint);
  surfaceRejections();
}

/**
 * A rejection that nobody handles is silent in a worker, and usually means that some call will never be answered; as an
 * uncaught error it reaches the client, which then gives the worker up.
 */
function surfaceRejections(): void {
  if (!('WorkerGlobalScope' in globalThis)) return;
  globalThis.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    reportError(event.reason);
  });
}

/** Holds a Web Lock until the worker is gone: the browser releases it however that happens. */
function holdForLife(lockName: string): Promise<void> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (!locks) return Promise.resolve();
  return new Promise((granted, refused) => {
    locks
      .request(lockName, () => {
        granted();
        return new Promise<never>(() => {});
      })
      .catch(refused);
  });
}

function throttled(report: (progress: Progress) => void): JobContext['onProgress'] {
  let stage: string | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  return (progress) => {
    const now = performance.now();
    if (progress.stage === stage && now - toldAt < PROGRESS_INTERVAL_MS && progress.done !== progress.total) return;
    stage = progress.stage;
    toldAt = now;
    report(progress);
  };
}

const turn = new MessageChannel();
const waiting: (() => void)[] = [];
turn.port1.onmessage = () => waiting.shift()?.();
// In Node an open port keeps the process alive.
(turn.port1 as { unref?: () => void }).unref?.();

/** A message to oneself: unlike a timer it is not held back, and unlike a promise it lets other messages through. */
function turnOfTheEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    turn.port2.postMessage(null);
  });
}
