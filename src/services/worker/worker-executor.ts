/**
 * Executor in a worker of its own: a model that crashes the runtime then costs a new worker, not the models that the
 * transform worker has open; and the runtime loads while the model is still being read.
 */
import { StudioError } from '../../core/base/errors/index.ts';
import type { Executor } from '../../core/step/define.ts';
import type { WorkerClient } from '../../rpc/client.ts';
import type { InferContract } from '../../rpc/contract.ts';
import { computePool } from './compute-pool.ts';
import { spawnInferClient } from './spawn-infer.ts';

export interface WorkerExecutor extends Executor {
  /**
   * Starts the worker, if it has not been started.
   * @param assetBase absolute URL, ending in '/', under which the page's assets lie
   */
  use(assetBase: string): void;
}

export function workerExecutor(): WorkerExecutor {
  let client: WorkerClient<InferContract> | undefined;
  let base: string | undefined;

  function start(assetBase: string): WorkerClient<InferContract> {
    const started = spawnInferClient();
    client = started;
    void started.ended.then(() => {
      if (client === started) client = undefined;
    });
    // A runtime that cannot be loaded shows again when something is run.
    started.call('warm', { assetBase }).catch(() => {});
    return started;
  }

  function connected(): { readonly client: WorkerClient<InferContract>; readonly assetBase: string } {
    if (base === undefined) throw new StudioError('internal/unexpected', { message: 'the executor was not started' });
    return { client: client ?? start(base), assetBase: base };
  }

  return {
    pool: computePool(),
    use(assetBase) {
      base = assetBase;
      if (!client) start(assetBase);
    },
    run(model, feeds) {
      const { client: worker, assetBase } = connected();
      return worker.call('execute', { model, feeds, assetBase });
    },
    runEach(model, feeds) {
      const { client: worker, assetBase } = connected();
      return worker.call('executeEach', { model, feeds, assetBase });
    },
    async open(model) {
      const { client: worker, assetBase } = connected();
      const { session } = await worker.call('openExecution', { model, assetBase });
      return {
        run: (feeds) => worker.call('executeIn', { session, feeds }),
        close: async () => void (await worker.call('closeExecution', { session })),
      };
    },
  };
}
