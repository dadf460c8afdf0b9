import type { JobContext } from '../base/progress.ts';
import type { Feeds } from '../eval/types.ts';
import type { InferPort } from './ports.ts';
import { orCancelled } from './run.ts';
import type { RunPlan } from './schema.ts';

/** Beyond the plan's own warm-up runs. */
const MOST_WARMUP_RUNS = 12;

interface WarmUp {
  readonly job: JobContext;
  readonly plan: RunPlan;
  /** As progress names it. */
  readonly stage: string;
}

/**
 * Runs until nothing becomes faster any more: engines compile WebAssembly a second time, better, while it runs.
 * @returns how many runs that took
 * @throws StudioError runtime/run-failed, job/cancelled
 */
export async function warmUp<Handle>(
  port: InferPort<Handle>,
  feeds: Feeds,
  { job, plan, stage }: WarmUp,
): Promise<number> {
  const most = Math.max(1, plan.warmupRuns) + MOST_WARMUP_RUNS;
  let best = Number.POSITIVE_INFINITY;
  let spentMs = 0;
  let sinceBest = 0;
  for (let run = 1; ; run += 1) {
    job.onProgress({ stage, done: run - 1, total: null, unit: 'runs' });
    const [ms] = await orCancelled(job, port.time(feeds, 1));
    spentMs += ms!;
    sinceBest = ms! < 0.9 * best ? 0 : sinceBest + 1;
    best = Math.min(best, ms!);
    const isSteady = sinceBest >= 2 && run >= plan.warmupRuns;
    if (isSteady || run >= most || spentMs > plan.latencyBudgetMs) return run;
  }
}
