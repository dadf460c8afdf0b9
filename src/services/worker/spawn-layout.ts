/** Starts the worker that arranges graphs. */
import { connectWorker, type WorkerClient } from '../../rpc/client.ts';
import type { LayoutContract } from '../../rpc/contract.ts';

export function spawnLayout(): WorkerClient<LayoutContract> {
  // The bundler recognizes only this literal form.
  const worker = new Worker(new URL('../../../workers/layout.ts', import.meta.url), { type: 'module', name: 'layout' });
  return connectWorker<LayoutContract>(worker, { name: 'layout' });
}
