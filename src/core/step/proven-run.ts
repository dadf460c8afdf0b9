/**
 * Cleanup and fusion with two guards: a step that outgrows its budget is left out of a second go, and so is one that
 * makes the model compute something else, which is found by bisection.
 */
import type { OutputError } from './compare-outputs.ts';
import type { PrecisionClass } from './define.ts';
import { type ProofRecord, Prover, skippedProof } from './proof.ts';
import type { PlannedStep, RolledBack, RunStepsOptions, StepRecord } from './run-steps.ts';
import { GrewTooMuch, StepsRun } from './steps-run.ts';

export interface ProvenRun {
  readonly run: StepsRun;
  readonly rounds: number;
  readonly settled: boolean;
  /** The ledger's rows of steps that were taken back. */
  readonly rolledBack: ReadonlyMap<PlannedStep, StepRecord>;
  readonly proof?: ProofRecord;
}

/** After so many culprits what is left is not trusted either. */
const MAX_CULPRITS = 4;

/** @param steps cleanup and fusion steps, in the order to run them */
export async function provenRun(options: RunStepsOptions, steps: readonly PlannedStep[]): Promise<ProvenRun> {
  const guard = new Guard(options);
  let go = await guard.go(steps);
  if (!options.proof) return guard.result(go);
  if (firedIn(go.run, steps).length === 0) return guard.result(go, skippedProof('no step changed the model'));
  if (!options.executor) return guard.result(go, skippedProof('this host cannot run models'));
  const { model, executor, job, proof } = options;
  const prover = await Prover.of(model, executor, job, proof);
  if (typeof prover === 'string') return guard.result(go, skippedProof(prover));

  for (let culprits = 0; ; culprits++) {
    const left = guard.allowed(steps);
    const found = await prover.errorOf(go.run.model, precisionOf(firedIn(go.run, left)));
    if (found.error <= found.tolerance)
      return guard.result(go, keptProof(found, prover, culprits > 0 ? guard.rolledBack.size : 0));
    if (culprits === 0 && !(await prover.isRepeatable()))
      return guard.result(go, skippedProof('the original gives other outputs each time it runs'));
    if (culprits === MAX_CULPRITS) {
      for (const step of firedIn(go.run, left))
        guard.takeBack(step, go.run.row(step)!, driftOf(go.run.row(step)!, found));
    } else {
      const culprit = await culpritAmong(left, firedIn(go.run, left), guard, prover);
      guard.takeBack(culprit.step, culprit.row, driftOf(culprit.row, culprit.found));
    }
    go = await guard.go(steps);
  }
}

interface Go {
  readonly run: StepsRun;
  readonly rounds: number;
  readonly settled: boolean;
}

class Guard {
  readonly rolledBack = new Map<PlannedStep, StepRecord>();
  readonly #options: RunStepsOptions;

  constructor(options: RunStepsOptions) {
    this.#options = options;
  }

  allowed(steps: readonly PlannedStep[]): PlannedStep[] {
    return steps.filter((step) => !this.rolledBack.has(step));
  }

  /** A fresh run of the steps that were not taken back; one that outgrows its budget is, and the run begins again. */
  async go(steps: readonly PlannedStep[]): Promise<Go> {
    for (;;) {
      const run = new StepsRun(this.#options);
      try {
        return { run, ...(await run.untilNothingFires(this.allowed(steps))) };
      } catch (error) {
        if (!(error instanceof GrewTooMuch)) throw error;
        this.takeBack(error.step, error.row, growthIn(error.row));
      }
    }
  }

  takeBack(step: PlannedStep, row: StepRecord, rolledBack: RolledBack): void {
    this.rolledBack.set(step, {
      ...row,
      fired: 0,
      nodesAfter: row.nodesBefore,
      fileBytesAfter: row.fileBytesBefore,
      macsAfter: row.macsBefore,
      peakActivationBytesAfter: row.peakActivationBytesBefore,
      entries: [],
      rolledBack,
    });
  }

  result(go: Go, proof?: ProofRecord): ProvenRun {
    return { ...go, rolledBack: this.rolledBack, ...(proof && { proof }) };
  }
}

const firedIn = (run: StepsRun, steps: readonly PlannedStep[]): PlannedStep[] =>
  steps.filter((step) => (run.row(step)?.fired ?? 0) > 0);

function precisionOf(steps: readonly PlannedStep[]): PrecisionClass {
  const isExact = steps.every(({ definition }) => definition.precision === 'exact');
  return isExact
    ? 'exact'
    : steps.some(({ definition }) => definition.precision === 'lossy')
      ? 'lossy'
      : 'exact-within-fp';
}

/**
 * The first step with which the model drifts: without it and those after it all is well. Only steps that fired count.
 */
async function culpritAmong(
  steps: readonly PlannedStep[],
  fired: readonly PlannedStep[],
  guard: Guard,
  prover: Prover,
): Promise<{ readonly step: PlannedStep; readonly row: StepRecord; readonly found: OutputError }> {
  const attempt = async (count: number) => {
    const chosen = new Set(fired.slice(0, count));
    const { run } = await guard.go(steps.filter((step) => chosen.has(step)));
    return { run, found: await prover.errorOf(run.model, precisionOf([...chosen])) };
  };
  let [good, bad] = [0, fired.length];
  let last = await attempt(bad);
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    const tried = await attempt(middle);
    if (tried.found.error > tried.found.tolerance) [bad, last] = [middle, tried];
    else good = middle;
  }
  const step = fired[bad - 1]!;
  return { step, row: last.run.row(step)!, found: last.found };
}

function driftOf(row: StepRecord, found: OutputError & { readonly message?: string }): RolledBack {
  const { output, error, tolerance, message } = found;
  const what =
    message !== undefined
      ? `the model did not run with it (${message})`
      : `output "${output}" was off by ${Number.isFinite(error) ? error.toPrecision(2) : 'more than can be told'} of its range, ${tolerance} is allowed`;
  return {
    reason: 'drift',
    message: `"${row.title}" was taken back: ${what}.`,
    fired: row.fired,
    ...(output !== undefined && { output }),
    maxRelativeError: Number.isFinite(error) ? error : null,
    tolerance,
  };
}

function growthIn(row: StepRecord): RolledBack {
  const nodes = row.nodesAfter - row.nodesBefore;
  const bytes = row.fileBytesAfter - row.fileBytesBefore;
  return {
    reason: 'growth',
    message: `"${row.title}" was taken back: it would have made the model larger by ${Math.max(0, nodes)} nodes and ${Math.max(0, bytes)} bytes, more than its budget.`,
    fired: row.fired,
  };
}

function keptProof({ output, error, tolerance }: OutputError, prover: Prover, undone: number): ProofRecord {
  const { samples, taskSamples } = prover;
  const inputs = samples === 1 ? '1 input' : `${samples} inputs`;
  const whose =
    taskSamples === 0 ? '' : taskSamples === samples ? ' of the task' : `, ${taskSamples} of them the task's`;
  const subject =
    undone === 0
      ? 'The'
      : `Without the ${undone === 1 ? 'step that was' : `${undone} steps that were`} taken back, the`;
  return {
    status: undone > 0 ? 'rolled-back' : 'kept',
    reason: `${subject} simplified model gives the original's outputs on ${inputs}${whose}: largest error ${error.toPrecision(2)} of an output's range.`,
    samples,
    maxRelativeError: error,
    output: output ?? null,
    tolerance,
  };
}
