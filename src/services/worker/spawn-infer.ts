/** Starts infer workers: the page with a port, other workers bare. */
import type { InferPort } from '../../core/study/ports.ts';
import { connectWorker, type WorkerClient } from '../../rpc/client.ts';
import type { BrowserModelHandle, InferContract } from '../../rpc/contract.ts';
import { inferPort } from '../../rpc/infer.ts';
import { runtimeFile } from '../runtime-files.ts';

/**
 * A fresh worker with one session to come; `dispose` ends it.
 * @param assetBase see asset-base.ts
 */
export function spawnInfer(assetBase: string): InferPort<BrowserModelHandle> {
  return inferPort(spawnInferClient(), async ({ target }, job) => {
    const wasm = await runtimeFile(target.provider, assetBase, job);
    return { assetBase, ...(wasm && { wasm }) };
  });
}

export function spawnInferClient(): WorkerClient<InferContract> {
  // The bundler recognizes only this literal form.
  const worker = new Worker(new URL('../../../workers/infer.ts', import.meta.url), { type: 'module', name: 'infer' });
  return connectWorker<InferContract>(worker, { name: 'infer' });
}
