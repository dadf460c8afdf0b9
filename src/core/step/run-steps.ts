/**
 * Applies steps to a model: runs them, and takes back those that made the model too large or computed something else.
 * The recipe layer chooses the steps; hosts supply the executor and the store.
 */
import type { JsonObject } from '../base/json.ts';
import type { JobContext } from '../base/progress.ts';
import type { Model } from '../ir/types.ts';
import type { Advisory, CalibrationSource, Executor, StepDefinition, TensorStore } from './define.ts';
import type { LedgerEntry } from './ledger.ts';
import type { ProofOptions, ProofRecord } from './proof.ts';
import { provenRun } from './proven-run.ts';

export interface PlannedStep {
  readonly definition: StepDefinition;
  /** Already parsed by the definition's schema. */
  readonly params: Record<string, unknown>;
}

export interface RunStepsOptions {
  /** Left as it is; the steps work on a copy. */
  readonly model: Model;
  /** In the order to run them. */
  readonly steps: readonly PlannedStep[];
  readonly job: JobContext;
  readonly store: TensorStore;
  readonly executor?: Executor | undefined;
  readonly calibration?: CalibrationSource | undefined;
  /** Values of free dimensions by symbol, for the ledger's figures. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** Compares the model after cleanup and fusion with the original, where there is an executor. Absent: no proof. */
  readonly proof?: ProofOptions | undefined;
  /** Checks the whole graph after every step that changed something; slow, for tests and for tracking down a step. */
  readonly validate?: boolean;
  /** How often cleanup and fusion may go round before they are stopped. */
  readonly maxRounds?: number;
  /** Milliseconds since some fixed moment; without it durations are 0. */
  readonly now?: () => number;
}

/** Why a step is not part of the result although it ran. */
export interface RolledBack {
  /** growth: the model became larger than the step's budget allows. drift: it computed something else. */
  reason: 'growth' | 'drift';
  /** One plain sentence with the figures. */
  message: string;
  /** How often it had fired. */
  fired: number;
  /** Of a drift: the output that is off most, by how much of its range, and what would have been allowed. */
  output?: string;
  /** Null: not a number at all, or the model did not run. */
  maxRelativeError?: number | null;
  tolerance?: number;
}

/** One row of the report's ledger (study/results.ts `ledgerStepSchema`); the rounds of a step are added up. */
export interface StepRecord {
  step: string;
  title: string;
  fired: number;
  nodesBefore: number;
  nodesAfter: number;
  fileBytesBefore: number;
  fileBytesAfter: number;
  /** Predicted; null where a size is not known or the model is too large to ask after every step. */
  macsBefore: number | null;
  macsAfter: number | null;
  peakActivationBytesBefore: number | null;
  peakActivationBytesAfter: number | null;
  durationMs: number;
  entries: LedgerEntry[];
  /** What the step left for the report; absent where it left nothing. */
  facts?: JsonObject;
  /** The step was taken back; the row's other figures are then those of a step that did nothing. */
  rolledBack?: RolledBack;
}

export interface StepsOutcome {
  readonly model: Model;
  readonly ledger: readonly StepRecord[];
  readonly advisories: readonly Advisory[];
  /** Rounds that cleanup and fusion took until nothing fired any more. */
  readonly rounds: number;
  /** False when they still fired in the last round that `maxRounds` allows; an advisory says so too. */
  readonly settled: boolean;
  /** Absent where no proof was asked for. */
  readonly proof?: ProofRecord;
}

/**
 * Runs the steps on a copy of the model. Cleanup and fusion steps repeat until a whole round changes nothing, since one
 * opens the way for another; quantization steps then run once, in order, and last the fusions that must follow them.
 * @throws StudioError job/cancelled; whatever a step throws on purpose; `pass/failed` for anything else it throws
 */
export async function runSteps(options: RunStepsOptions): Promise<StepsOutcome> {
  const { steps } = options;
  const once = steps.filter(({ definition }) => definition.section === 'quantization');
  const last = once.length > 0 ? steps.filter(({ definition }) => definition.afterQuantization) : [];
  const repeated = steps.filter((step) => !once.includes(step) && !last.includes(step));
  const { run, rounds, settled, rolledBack, proof } = await provenRun(options, repeated);
  if (once.length > 0) run.startQuantization();
  for (const step of [...once, ...last]) await run.apply(step);
  const ledger = steps.flatMap((step) => rolledBack.get(step) ?? run.row(step) ?? []);
  const unsettled: Advisory = {
    level: 'warning',
    code: 'steps/unsettled',
    message: `Clean-up and fusion were stopped after ${rounds} rounds in which steps still found something to do.`,
  };
  const undone = [...rolledBack.values()].map(
    (row): Advisory => ({
      level: 'warning',
      code: `steps/${row.rolledBack!.reason}`,
      message: row.rolledBack!.message,
    }),
  );
  const advisories = [...undone, ...(settled ? [] : [unsettled]), ...run.advisories()];
  return { model: run.model, ledger, advisories, rounds, settled, ...(proof && { proof }) };
}
