/** Runs a variant on WASM beside its target, so that wrong numbers are noticed. */
import type { Feeds } from '../eval/types.ts';
import { comparePlaces } from './parity.ts';
import type { InferPort } from './ports.ts';
import type { Parity } from './results.ts';
import { orCancelled, rethrowIfCancelled } from './run.ts';
import type { Target } from './schema.ts';
import { type Contestant, laneJob, openPlace, type TargetRequest } from './target-request.ts';

/**
 * Runs the same file on WASM with the same input and compares. WASM itself needs no check.
 * @param got what the contestant computed from the task's latency feeds
 */
export async function checkParity<Handle>(
  request: TargetRequest<Handle>,
  contestant: Contestant<Handle>,
  got: Feeds,
): Promise<Parity | null> {
  const { run, target, task } = request;
  if (target.provider === 'wasm' || target.provider === 'cpu') return null;
  const job = laneJob(request, contestant);
  job.onProgress({ stage: 'checking against WASM', done: 0, total: 1, unit: 'runs' });
  const reference: Target = { provider: 'wasm', threads: 0 };
  let port: InferPort<Handle> | undefined;
  try {
    port = await openPlace(run, job, reference);
    const settings = contestant.recipe.runtime;
    await orCancelled(job, port.open(contestant.variant.files, { target: reference, settings, inspect: false }, job));
    const { outputs } = await orCancelled(job, port.run(task.summary.latencyFeeds));
    return comparePlaces('WASM', [{ got, expected: outputs }]);
  } catch (error) {
    // A variant that WASM cannot run has nothing to be compared with; the target's own figures stand.
    rethrowIfCancelled(error);
    return null;
  } finally {
    port?.dispose();
  }
}
