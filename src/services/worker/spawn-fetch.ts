/** Starts the worker that fetches from other servers. */
import { connectWorker, type WorkerClient } from '../../rpc/client.ts';
import type { FetchContract } from '../../rpc/contract.ts';

export function spawnFetch(): WorkerClient<FetchContract> {
  // The bundler recognizes only this literal form.
  const worker = new Worker(new URL('../../../workers/fetch.ts', import.meta.url), { type: 'module', name: 'fetch' });
  return connectWorker<FetchContract>(worker, { name: 'fetch' });
}
