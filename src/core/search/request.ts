import type { JobContext } from '../base/progress.ts';
import type { Environment, Report } from '../study/results.ts';
import type { Gate, Target, TaskRef } from '../study/schema.ts';
import type { SearchHost } from './ports.ts';
import type { Objective, SearchState, SearchUpdate } from './results.ts';

export interface SearchRequest<Handle> {
  readonly host: SearchHost<Handle>;
  readonly job: JobContext;
  readonly environment: Environment;
  readonly model: Report['model'];
  /** What judges; its data come from the host. */
  readonly task: TaskRef;
  readonly gate: Gate;
  readonly target: Target;
  readonly objective: Objective;
  /** How many recipes may be evaluated, the original not counted. */
  readonly budget: number;
  /** Of an earlier run, perhaps cancelled: what it measured is not measured again. */
  readonly state?: SearchState | undefined;
  /** Only the first so many calibration inputs, for sensitivities. */
  readonly calibrationSamples?: number | undefined;
  /** After everything that became known. */
  readonly onUpdate?: ((update: SearchUpdate) => void) | undefined;
}
