/** Arranging graphs, in a worker that is started with the first and replaced when it was stopped. */
import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import type { LayoutRequest, LayoutResult } from '../core/graph-view/layout/types.ts';
import type { WorkerClient } from '../rpc/client.ts';
import type { LayoutContract } from '../rpc/contract.ts';
import { spawnLayout } from './worker/spawn-layout.ts';

let client: WorkerClient<LayoutContract> | null = null;

/** @throws StudioError job/cancelled, worker/* */
export async function arrangeGraph(request: LayoutRequest, job: JobContext): Promise<LayoutResult> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await (client ?? start()).call('layOut', request, job);
    } catch (error) {
      // A layout before this one was cancelled and did not notice in time: that took the worker down with it.
      const wasTakenDown = error instanceof StudioError && error.code === 'worker/terminated' && !job.signal.aborted;
      if (!wasTakenDown || tries === 2) throw error;
    }
  }
}

function start(): WorkerClient<LayoutContract> {
  const started = spawnLayout();
  client = started;
  void started.ended.then(() => {
    if (client === started) client = null;
  });
  return started;
}
