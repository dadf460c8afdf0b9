/**
 * Other threads for our own loops. A task is a pure function that both sides know by name (quant/support/tasks.ts): what goes in and
 * comes out must survive structured cloning.
 */
export interface TaskPool {
  /** Tasks that run at the same time. */
  readonly threads: number;
  /** Whether SharedArrayBuffers may be part of an input; they are then not copied. */
  readonly sharesMemory: boolean;
  /** Whether `bytes` of an input may be a FilePart, which the thread then reads itself. */
  readonly readsFiles: boolean;
  /**
   * @param transfer buffers of the input that the caller gives away
   * @throws whatever the task throws; StudioError worker/* when its thread ended
   */
  run(task: string, input: object, transfer: readonly ArrayBuffer[]): Promise<unknown>;
}
