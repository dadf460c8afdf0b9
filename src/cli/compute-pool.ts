/** Threads of the command line for the quantizers' loops. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ErrorRecord, fromErrorRecord, StudioError } from '../core/base/errors/index.ts';
import type { TaskPool } from '../core/step/task-pool.ts';
import { type Lane, lanePool } from '../runtime/lane-pool.ts';
import { fileReader } from '../runtime/node-file-source.ts';

export interface ThreadRequest {
  readonly id: number;
  readonly task: string;
  readonly input: object;
}

export interface ThreadReply {
  readonly id: number;
  readonly output?: object;
  readonly error?: ErrorRecord;
}

/** The bundler puts the module that holds this either beside the worker's script or a folder below it. */
const SCRIPTS = ['./compute-worker.js', '../compute-worker.js'];

let shared: TaskPool | undefined;

/** One for the process. Undefined with a single processor, and where the sources run unbundled. */
export function nodePool(): TaskPool | undefined {
  if (shared) return shared;
  const script = SCRIPTS.map((path) => new URL(path, import.meta.url)).find((url) => existsSync(fileURLToPath(url)));
  const threads = availableParallelism();
  if (!script || threads < 2) return undefined;
  shared = openNodePool(script, threads);
  return shared;
}

/** @param script compute-worker.ts, bundled */
export function openNodePool(script: URL, threads: number): TaskPool & { close(): void } {
  return lanePool({
    threads,
    sharesMemory: true,
    withFileBytes: fileReader(),
    openLane: () => ThreadLane.open(script),
  });
}

interface Pending {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class ThreadLane implements Lane {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #ready: Promise<void>;
  #lastId = 0;
  #end: StudioError | undefined;

  /** @throws StudioError worker/crashed when the script cannot be loaded */
  static async open(script: URL): Promise<ThreadLane> {
    const lane = new ThreadLane(script);
    await lane.#ready;
    lane.#worker.unref();
    lane.#worker.on('message', (reply: ThreadReply) => lane.#settle(reply));
    return lane;
  }

  private constructor(script: URL) {
    this.#worker = new Worker(script);
    // 'online' comes before the script is loaded.
    this.#ready = new Promise((resolve, reject) => {
      this.#worker.once('message', () => resolve());
      this.#worker.once('error', reject);
    });
    this.#worker.on('error', (error: Error) => this.#die(error.message));
    this.#worker.on('exit', (code) => this.#die(`it ended with code ${code}`));
  }

  run(task: string, input: object, transfer: readonly ArrayBuffer[]): Promise<unknown> {
    if (this.#end) return Promise.reject(this.#end);
    this.#lastId += 1;
    const request: ThreadRequest = { id: this.#lastId, task, input };
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
      // Only while it works does it keep the process alive.
      this.#worker.ref();
      this.#worker.postMessage(request, [...transfer]);
    });
  }

  close(): void {
    void this.#worker.terminate();
  }

  #settle({ id, output, error }: ThreadReply): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#worker.unref();
    if (error) pending?.reject(fromErrorRecord(error));
    else pending?.resolve(output);
  }

  #die(reason: string): void {
    this.#end ??= new StudioError('worker/crashed', { worker: 'compute', reason });
    for (const { reject } of this.#pending.values()) reject(this.#end);
    this.#pending.clear();
  }
}
