/** Starts the transform worker. Apart from spawn-infer.ts, since the transform worker itself imports that one. */
import { connectWorker, type WorkerClient } from '../../rpc/client.ts';
import type { TransformContract } from '../../rpc/contract.ts';

export function spawnTransform(): WorkerClient<TransformContract> {
  // The bundler recognizes only this literal form.
  const worker = new Worker(new URL('../../../workers/transform.ts', import.meta.url), {
    type: 'module',
    name: 'transform',
  });
  return connectWorker<TransformContract>(worker, { name: 'transform' });
}
