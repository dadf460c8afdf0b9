/** Workers for the quantizers' loops, opened by the transform worker. */
import type { TaskPool } from '../../core/step/task-pool.ts';
import { connectWorker } from '../../rpc/client.ts';
import type { ComputeContract } from '../../rpc/contract.ts';
import { type Lane, lanePool } from '../../runtime/lane-pool.ts';

/** Beyond this many, handing out and collecting takes what one more worker would bring. */
const MAX_THREADS = 16;

/** Undefined on a single processor. */
export function computePool(): TaskPool | undefined {
  const threads = Math.min(MAX_THREADS, navigator.hardwareConcurrency || 1);
  if (threads < 2) return undefined;
  return lanePool({ threads, sharesMemory: globalThis.crossOriginIsolated === true, openLane });
}

async function openLane(): Promise<Lane> {
  // The bundler recognizes only this literal form.
  const worker = new Worker(new URL('../../../workers/compute.ts', import.meta.url), {
    type: 'module',
    name: 'compute',
  });
  const client = connectWorker<ComputeContract>(worker, { name: 'compute' });
  await client.call('warm', null);
  return {
    run: (task, input, transfer) => client.call('run', { task, input }, { transfer }),
    close: () => client.terminate(),
  };
}
