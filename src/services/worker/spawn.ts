/** Starts workers. The only file that names their entries, so that the bundler finds them. */
import type { InferPort } from '../../core/study/ports.ts';
import { connectWorker, type WorkerClient } from '../../rpc/client.ts';
import type { BrowserModelHandle, InferContract } from '../../rpc/contract.ts';
import { inferPort } from '../../rpc/infer.ts';

/** Where the page's own assets lie: an absolute URL that ends in '/'. Call it on the main thread. */
export function pageAssetBase(): string {
  return new URL(import.meta.env.BASE_URL, document.baseURI).href;
}

/** A fresh worker with one session to come; `dispose` ends it. */
export function spawnInfer(assetBase: string): InferPort<BrowserModelHandle> {
  return inferPort(spawnInferClient(), assetBase);
}

export function spawnInferClient(): WorkerClient<InferContract> {
  // The bundler recognizes only this literal form.
  const worker = new Worker(new URL('../../../workers/infer.ts', import.meta.url), { type: 'module', name: 'infer' });
  return connectWorker<InferContract>(worker, { name: 'infer' });
}
