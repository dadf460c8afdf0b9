/**
 * The caller's side of a worker. Beyond comlink it gives: cancellation by signal, progress, StudioErrors that keep code,
 * data and cause, and the promise that no call hangs: whatever ends the worker rejects every pending call at once.
 */
import * as Comlink from 'comlink';
import type { CancelSignal } from '../core/base/cancel.ts';
import { fromErrorRecord, StudioError } from '../core/base/errors/index.ts';
import type { OnProgress } from '../core/base/progress.ts';
import type { Contract } from './contract.ts';
import type { Dispatcher } from './wire.ts';

/** A Worker, or whatever a test puts in its place. */
export type WorkerLike = Comlink.Endpoint & { terminate(): void };

export interface CallOptions {
  readonly signal?: CancelSignal;
  readonly onProgress?: OnProgress;
  /** Buffers that the caller gives away. */
  readonly transfer?: readonly Transferable[];
}

export interface WorkerClient<Api extends Contract> {
  /**
   * @throws StudioError whatever the method throws; job/cancelled; worker/crashed, worker/terminated,
   * worker/failed-to-start when the worker is gone
   */
  call<Method extends keyof Api & string>(
    method: Method,
    request: Api[Method]['request'],
    options?: CallOptions,
  ): Promise<Api[Method]['response']>;
  /** Stops the worker at once. Pending calls reject with worker/terminated. */
  terminate(): void;
  /** Resolves with the reason once the worker is gone, for whatever reason. */
  readonly ended: Promise<StudioError>;
}

export interface ClientOptions {
  /** For messages: "infer", "transform". */
  readonly name: string;
  /** How long a cancelled call may take to give up before its worker is terminated. */
  readonly abortGraceMs?: number;
}

/** Long enough for one slice of work to end, short enough that Cancel answers within 300 ms. */
const ABORT_GRACE_MS = 250;

export function connectWorker<Api extends Contract>(worker: WorkerLike, options: ClientOptions): WorkerClient<Api> {
  return new Client<Api>(worker, options);
}

interface PendingCall {
  reject: (error: StudioError) => void;
  readonly onProgress: OnProgress | undefined;
  sent: boolean;
  aborted: boolean;
}

class Client<Api extends Contract> implements WorkerClient<Api> {
  readonly ended: Promise<StudioError>;
  readonly #worker: WorkerLike;
  readonly #name: string;
  readonly #abortGraceMs: number;
  readonly #remote: Comlink.Remote<Dispatcher>;
  readonly #connected: Promise<void>;
  readonly #pending = new Map<number, PendingCall>();
  readonly #lockWatch = new AbortController();
  #resolveEnded: (error: StudioError) => void = () => {};
  #end: StudioError | undefined;
  #started = false;
  #nextCall = 1;

  constructor(worker: WorkerLike, { name, abortGraceMs = ABORT_GRACE_MS }: ClientOptions) {
    this.#worker = worker;
    this.#name = name;
    this.#abortGraceMs = abortGraceMs;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    worker.addEventListener('error', this.#onError);
    worker.addEventListener('messageerror', this.#onMessageError);
    this.#remote = Comlink.wrap<Dispatcher>(worker);
    this.#connected = this.#connect();
    // Calls await it and are rejected through `#pending`; without calls there is nobody to tell.
    this.#connected.catch(() => {});
  }

  async #connect(): Promise<void> {
    const lockName = `whittle-worker-${uniqueSuffix()}`;
    const onProgress = Comlink.proxy<Parameters<Dispatcher['connect']>[1]>((call, progress) => {
      this.#pending.get(call)?.onProgress?.(progress);
    });
    await this.#remote.connect(lockName, onProgress);
    this.#started = true;
    if (this.#end) return;
    this.#watchLock(lockName);
  }

  /** The worker holds the lock for life, so being given it means that the worker is gone without a word. */
  #watchLock(lockName: string): void {
    const locks = (globalThis.navigator as Navigator | undefined)?.locks;
    if (!locks) return;
    locks
      .request(lockName, { signal: this.#lockWatch.signal }, () => this.#die('it ended without saying why'))
      .catch(() => {});
  }

  call<Method extends keyof Api & string>(
    method: Method,
    request: Api[Method]['request'],
    { signal, onProgress, transfer }: CallOptions = {},
  ): Promise<Api[Method]['response']> {
    if (this.#end) return Promise.reject(this.#end);
    if (signal?.aborted) return Promise.reject(new StudioError('job/cancelled', {}));
    const call = this.#nextCall++;
    return new Promise((resolve, reject) => {
      const pending: PendingCall = { reject, onProgress, sent: false, aborted: false };
      this.#pending.set(call, pending);
      const stopListening = this.#abortOnSignal(call, pending, signal);
      const settle = () => {
        stopListening();
        this.#pending.delete(call);
      };
      pending.reject = (error) => {
        settle();
        reject(error);
      };
      this.#send(call, pending, method, request, transfer).then(
        (value) => {
          settle();
          resolve(value as Api[Method]['response']);
        },
        (error) => pending.reject(error),
      );
    });
  }

  async #send(
    call: number,
    pending: PendingCall,
    method: string,
    request: unknown,
    transfer: readonly Transferable[] | undefined,
  ): Promise<unknown> {
    await this.#connected;
    if (pending.aborted) throw new StudioError('job/cancelled', {});
    pending.sent = true;
    const payload = transfer ? Comlink.transfer(request as object, [...transfer]) : request;
    const reply = await this.#remote.call(call, method, payload);
    if (reply.ok) return reply.value;
    throw fromErrorRecord(reply.error);
  }

  /** @returns how to stop listening; a signal outlives many calls, so listeners must not pile up on it */
  #abortOnSignal(call: number, pending: PendingCall, signal: CancelSignal | undefined): () => void {
    if (!signal) return () => {};
    let grace: ReturnType<typeof setTimeout> | undefined;
    const onAbort = () => {
      pending.aborted = true;
      if (!pending.sent) return pending.reject(new StudioError('job/cancelled', {}));
      this.#remote.abort(call).catch(() => {});
      grace = setTimeout(() => this.terminate(), this.#abortGraceMs);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return () => {
      clearTimeout(grace);
      signal.removeEventListener('abort', onAbort);
    };
  }

  terminate(): void {
    this.#finish(new StudioError('worker/terminated', { worker: this.#name }));
  }

  readonly #onError = (event: Event): void => {
    // Told through the pending calls, so not once more on the console.
    event.preventDefault();
    // A script that could not be loaded or parsed gives an event without a message.
    this.#die((event as ErrorEvent).message || 'its script could not be loaded');
  };

  readonly #onMessageError = (): void => {
    this.#die('it sent a message that could not be read');
  };

  #die(reason: string): void {
    const code = this.#started ? 'worker/crashed' : 'worker/failed-to-start';
    this.#finish(new StudioError(code, { worker: this.#name, reason }));
  }

  #finish(error: StudioError): void {
    if (this.#end) return;
    this.#end = error;
    this.#lockWatch.abort();
    this.#worker.removeEventListener('error', this.#onError);
    this.#worker.removeEventListener('messageerror', this.#onMessageError);
    this.#worker.terminate();
    // Copied, since rejecting removes from the map.
    for (const pending of [...this.#pending.values()]) {
      pending.reject(pending.aborted ? new StudioError('job/cancelled', {}) : error);
    }
    this.#resolveEnded(error);
  }
}

/** Not `crypto.randomUUID`, which pages outside secure contexts do not have. */
function uniqueSuffix(): string {
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}
