/** Arranging graphs, in a worker that is started with the first and replaced when it was stopped. */
import type { JobContext } from '../core/base/progress.ts';
import type { LayoutRequest, LayoutResult } from '../core/graph-view/layout/types.ts';
import type { WorkerClient } from '../rpc/client.ts';
import type { LayoutContract } from '../rpc/contract.ts';
import { spawnLayout } from './worker/spawn-layout.ts';

let client: WorkerClient<LayoutContract> | null = null;

/** @throws StudioError job/cancelled, worker/* */
export function arrangeGraph(request: LayoutRequest, job: JobContext): Promise<LayoutResult> {
  const current = client ?? start();
  return current.call('layOut', request, job);
}

function start(): WorkerClient<LayoutContract> {
  const started = spawnLayout();
  client = started;
  void started.ended.then(() => {
    if (client === started) client = null;
  });
  return started;
}
