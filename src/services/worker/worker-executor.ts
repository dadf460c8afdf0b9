/**
 * Executor in a worker of its own: a model that crashes the runtime then costs a new worker, not the models that the
 * transform worker has open; and the runtime loads while the model is still being read.
 */
import { StudioError } from '../../core/base/errors/index.ts';
import type { Executor } from '../../core/step/define.ts';
import type { WorkerClient } from '../../rpc/client.ts';
import type { InferContract, RuntimePlace } from '../../rpc/contract.ts';
import { computePool } from './compute-pool.ts';
import { spawnInferClient } from './spawn-infer.ts';

export interface WorkerExecutor extends Executor {
  /**
   * Starts the worker, if it has not been started.
   * @param place where its runtime comes from, once that is known; must not reject
   */
  use(place: Promise<RuntimePlace>): void;
}

export function workerExecutor(): WorkerExecutor {
  let client: WorkerClient<InferContract> | undefined;
  let base: Promise<RuntimePlace> | undefined;

  function start(place: Promise<RuntimePlace>): WorkerClient<InferContract> {
    const started = spawnInferClient();
    client = started;
    void started.ended.then(() => {
      if (client === started) client = undefined;
    });
    // A runtime that cannot be loaded shows again when something is run.
    place.then((known) => started.call('warm', known)).catch(() => {});
    return started;
  }

  async function connected(): Promise<{ readonly worker: WorkerClient<InferContract>; readonly place: RuntimePlace }> {
    if (base === undefined) throw new StudioError('internal/unexpected', { message: 'the executor was not started' });
    const place = await base;
    return { worker: client ?? start(base), place };
  }

  return {
    pool: computePool(),
    use(place) {
      base = place;
      if (!client) start(place);
    },
    async run(model, feeds) {
      const { worker, place } = await connected();
      return worker.call('execute', { model, feeds, ...place });
    },
    async runEach(model, feeds) {
      const { worker, place } = await connected();
      return worker.call('executeEach', { model, feeds, ...place });
    },
    async open(model) {
      const { worker, place } = await connected();
      const { session } = await worker.call('openExecution', { model, ...place });
      return {
        run: (feeds) => worker.call('executeIn', { session, feeds }),
        close: async () => void (await worker.call('closeExecution', { session })),
      };
    },
  };
}
