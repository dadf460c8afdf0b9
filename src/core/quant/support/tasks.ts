/** What the threads of a TaskPool can be asked for, by name. */
import { columnsTask } from './gptq/gptq-columns.ts';
import { slabTask } from './nbits-slab.ts';

const tasks = {
  'nbits-slab': slabTask,
  'gptq-columns': columnsTask,
} as const;

export type TaskName = keyof typeof tasks;
export type TaskInput<Name extends TaskName> = Parameters<(typeof tasks)[Name]>[0];
export type TaskOutput<Name extends TaskName> = ReturnType<(typeof tasks)[Name]>;

/**
 * The other thread's side.
 * @returns the output, and which buffers of it may be given away
 */
export function runTask(name: string, input: unknown): { output: object; transfer: ArrayBuffer[] } {
  if (!Object.hasOwn(tasks, name)) throw new Error(`no task "${name}"`);
  const output = (tasks[name as TaskName] as (input: unknown) => object)(input);
  return { output, transfer: ownBuffers(output) };
}

/** Outputs are flat records of typed arrays made for them. */
function ownBuffers(output: object): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const value of Object.values(output))
    if (ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer) buffers.add(value.buffer);
  return [...buffers];
}
