/** A TaskPool over threads that the host opens: as many as are wanted, no earlier than needed, closed when idle. */
import { runTask } from '../core/quant/support/tasks.ts';
import type { TaskPool } from '../core/step/task-pool.ts';

/** One thread. */
export interface Lane {
  /** @throws what the task throws; StudioError worker/* when the thread ended, and then always */
  run(task: string, input: object, transfer: readonly ArrayBuffer[]): Promise<unknown>;
  close(): void;
}

export interface LanePoolOptions {
  readonly threads: number;
  readonly sharesMemory: boolean;
  /** Given where the threads read parts of files: does it for a task that has to be done here. */
  readonly withFileBytes?: (input: object) => object;
  /** Resolves when the thread is ready; rejects where none can be had, and then there is none for good. */
  readonly openLane: () => Promise<Lane>;
}

/** Threads keep what their kernels needed, up to some hundreds of MB. */
const IDLE_MS = 10_000;

export function lanePool(options: LanePoolOptions): TaskPool & { close(): void } {
  return new LanePool(options);
}

class LanePool implements TaskPool {
  readonly threads: number;
  readonly sharesMemory: boolean;
  readonly readsFiles: boolean;
  readonly #withFileBytes: (input: object) => object;
  readonly #openLane: () => Promise<Lane>;
  readonly #free: Lane[] = [];
  /** Opened or being opened. */
  #lanes = 0;
  readonly #waiting: ((lane: Lane | undefined) => void)[] = [];
  #isImpossible = false;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor({ threads, sharesMemory, withFileBytes, openLane }: LanePoolOptions) {
    this.threads = threads;
    this.sharesMemory = sharesMemory;
    this.readsFiles = withFileBytes !== undefined;
    this.#withFileBytes = withFileBytes ?? ((input) => input);
    this.#openLane = openLane;
  }

  async run(task: string, input: object, transfer: readonly ArrayBuffer[]): Promise<unknown> {
    const lane = await this.#lane();
    if (!lane) return runTask(task, this.#withFileBytes(input)).output;
    try {
      const output = await lane.run(task, input, transfer);
      this.#give(lane);
      return output;
    } catch (error) {
      if (isThreadsEnd(error)) this.#drop(lane);
      else this.#give(lane);
      throw error;
    }
  }

  close(): void {
    clearTimeout(this.#idle);
    for (const lane of this.#free.splice(0)) this.#drop(lane);
  }

  /** @returns undefined where there are no threads */
  async #lane(): Promise<Lane | undefined> {
    clearTimeout(this.#idle);
    const free = this.#free.pop();
    if (free) return free;
    if (this.#isImpossible) return undefined;
    if (this.#lanes < this.threads) {
      this.#lanes += 1;
      try {
        return await this.#openLane();
      } catch {
        // The work is done here instead; slower is better than not at all.
        this.#lanes -= 1;
        this.#isImpossible ||= this.#lanes === 0;
        if (this.#isImpossible) for (const waiting of this.#waiting.splice(0)) waiting(undefined);
        return undefined;
      }
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #give(lane: Lane): void {
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting(lane);
      return;
    }
    this.#free.push(lane);
    if (this.#free.length < this.#lanes) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), IDLE_MS);
    // In Node a timer keeps the process alive.
    (this.#idle as { unref?: () => void }).unref?.();
  }

  /** Whoever waits gets a new one. */
  #drop(lane: Lane): void {
    lane.close();
    this.#lanes -= 1;
    const waiting = this.#waiting.shift();
    if (waiting) void this.#lane().then(waiting);
  }
}

const isThreadsEnd = (error: unknown): boolean => /^worker\//.test(String((error as { code?: unknown })?.code));
