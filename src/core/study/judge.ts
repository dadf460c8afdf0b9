/** Applies the gate to what was measured on one target. */
import { throwIfCancelled } from '../base/cancel.ts';
import { judge } from '../eval/gate.ts';
import type { MetricDefinition } from '../eval/types.ts';
import type { TargetMeasurement, Verdict } from './results.ts';
import type { StudyRun } from './run.ts';
import type { Gate, Target } from './schema.ts';

export async function judgeTarget<Handle>(run: StudyRun<Handle>, target: Target): Promise<void> {
  const [definition] = run.metrics;
  const { gate } = run.request.study;
  const original = originalEvaluation(run, target);
  for (const [index] of run.variants.entries()) {
    const measurement = run.measurement(index, target);
    if (!measurement) continue;
    // Resampling takes up to tens of milliseconds a variant, and the host may be a page.
    await run.request.job.yield();
    throwIfCancelled(run.request.job.signal);
    const verdict = verdictOf(index, measurement, definition, gate, original);
    run.setMeasurement(index, { ...measurement, verdict });
  }
}

/** The original on the same target, or where it does not run there, on the first target where it does. */
function originalEvaluation<Handle>(run: StudyRun<Handle>, target: Target): TargetMeasurement['evaluation'] {
  return (
    run.measurement(0, target)?.evaluation ??
    run.variants[0]?.measurements.find((measurement) => measurement.evaluation)?.evaluation ??
    null
  );
}

export function verdictOf(
  index: number,
  measurement: TargetMeasurement,
  definition: MetricDefinition | undefined,
  gate: Gate,
  original: TargetMeasurement['evaluation'],
): Verdict {
  const nothing = { worse: null, worseInterval: null };
  if (measurement.error) return { verdict: 'not-evaluated', reason: measurement.error.message, ...nothing };
  if (index === 0)
    return { verdict: 'baseline', reason: 'The original, which the others are compared with.', ...nothing };
  if (!definition || !measurement.evaluation)
    return { verdict: 'not-evaluated', reason: 'Not evaluated yet.', ...nothing };
  if (!original)
    return {
      verdict: 'not-evaluated',
      reason: 'The original could not be evaluated, so there is nothing to compare with.',
      ...nothing,
    };
  const verdict = judge({ definition, gate, original, variant: measurement.evaluation });
  if (measurement.parity?.verdict === 'mismatch')
    return {
      ...verdict,
      verdict: 'fail',
      reason: `This target computes other numbers than WASM does from the same file. ${verdict.reason}`,
    };
  return verdict;
}
