/**
 * Applies steps to a model: the one place that knows how a step is prepared, timed, judged and recorded. The recipe
 * layer chooses the steps; hosts supply the executor and the store.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { asStudioError, StudioError } from '../base/errors/index.ts';
import type { JsonObject } from '../base/json.ts';
import type { JobContext } from '../base/progress.ts';
import { cloneModel } from '../ir/clone.ts';
import type { Model } from '../ir/types.ts';
import { validateModel } from '../ir/validate.ts';
import { inferShapes } from '../shape/infer.ts';
import type { ShapeTable } from '../shape/types.ts';
import type { Advisory, CalibrationSource, Executor, StepContext, StepDefinition, TensorStore } from './define.ts';
import { Ledger, type LedgerEntry } from './ledger.ts';
import { type ModelSize, modelSize } from './model-size.ts';
import { RescaledValues } from './rescaled.ts';

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
  /** Checks the whole graph after every step that changed something; slow, for tests and for tracking down a step. */
  readonly validate?: boolean;
  /** How often cleanup and fusion may go round before they are stopped. */
  readonly maxRounds?: number;
  /** Milliseconds since some fixed moment; without it durations are 0. */
  readonly now?: () => number;
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
  durationMs: number;
  entries: LedgerEntry[];
  /** What the step left for the report; absent where it left nothing. */
  facts?: JsonObject;
}

export interface StepsOutcome {
  readonly model: Model;
  readonly ledger: readonly StepRecord[];
  readonly advisories: readonly Advisory[];
  /** Rounds that cleanup and fusion took until nothing fired any more. */
  readonly rounds: number;
  /** False when they still fired in the last round that `maxRounds` allows. */
  readonly settled: boolean;
}

const DEFAULT_MAX_ROUNDS = 6;

/**
 * Runs the steps on a copy of the model. Cleanup and fusion steps repeat until a whole round changes nothing, since one
 * opens the way for another; quantization steps then run once, in order.
 * @throws StudioError job/cancelled; whatever a step throws on purpose; `pass/failed` for anything else it throws
 */
export async function runSteps(options: RunStepsOptions): Promise<StepsOutcome> {
  const run = new StepsRun(options);
  const repeated = options.steps.filter(({ definition }) => definition.section !== 'quantization');
  const once = options.steps.filter(({ definition }) => definition.section === 'quantization');
  const { rounds, settled } = await run.untilNothingFires(repeated);
  if (once.length > 0) run.startQuantization();
  for (const step of once) await run.apply(step);
  return { model: run.model, ledger: run.rows(), advisories: run.advisories(), rounds, settled };
}

class StepsRun {
  readonly model: Model;
  readonly #options: RunStepsOptions;
  #original: Model | undefined;
  readonly #rescaled = new RescaledValues();
  readonly #facts = new Map<PlannedStep, JsonObject>();
  readonly #rows = new Map<PlannedStep, StepRecord>();
  readonly #advisories = new Map<string, Advisory>();
  #shapes: { readonly edits: number; readonly table: ShapeTable } | undefined;
  /** Ledger entries so far. */
  #edits = 0;
  #size: ModelSize;
  #done = 0;

  constructor(options: RunStepsOptions) {
    this.#options = options;
    this.model = cloneModel(options.model);
    this.#size = modelSize(this.model);
  }

  rows(): StepRecord[] {
    return this.#options.steps.flatMap((step) => {
      const [row, facts] = [this.#rows.get(step), this.#facts.get(step)];
      return row ? [{ ...row, ...(facts && { facts }) }] : [];
    });
  }

  /** Keeps the floating-point model: tensors are shared, so the copy costs its nodes only. */
  startQuantization(): void {
    this.#original = cloneModel(this.model);
  }

  advisories(): Advisory[] {
    return [...this.#advisories.values()];
  }

  /** A step rests while nothing has changed since it last ran without effect. */
  async untilNothingFires(steps: readonly PlannedStep[]): Promise<{ rounds: number; settled: boolean }> {
    const maxRounds = this.#options.maxRounds ?? DEFAULT_MAX_ROUNDS;
    const restingSince = new Map<PlannedStep, number>();
    for (let rounds = 1; rounds <= maxRounds; rounds++) {
      let fired = 0;
      if (this.#shapes?.edits !== this.#edits) this.#shapes = undefined;
      for (const step of steps) {
        if (restingSince.get(step) === this.#edits) continue;
        const count = await this.apply(step);
        fired += count;
        if (count === 0) restingSince.set(step, this.#edits);
      }
      if (fired === 0) return { rounds, settled: true };
    }
    return { rounds: maxRounds, settled: steps.length === 0 };
  }

  /** @returns how often the step fired */
  async apply(step: PlannedStep): Promise<number> {
    const { job, now } = this.#options;
    const { definition } = step;
    throwIfCancelled(job.signal);
    await job.yield();
    job.onProgress({
      stage: definition.title,
      done: this.#done++,
      total: this.#options.steps.length,
      unit: 'steps',
    });
    const ledger = new Ledger();
    const started = now?.() ?? 0;
    const before = this.#size;
    await this.#guarded(step, ledger);
    this.#edits += ledger.count;
    if (ledger.count > 0) {
      this.#size = modelSize(this.model);
      this.#validate(definition);
    }
    this.#note(step, ledger, before, (now?.() ?? 0) - started);
    return ledger.count;
  }

  /** Errors that a step raises on purpose pass through; anything else names the step. */
  async #guarded(step: PlannedStep, ledger: Ledger): Promise<void> {
    const { definition } = step;
    try {
      await definition.run(this.#context(step, ledger), step.params);
    } catch (error) {
      if (error instanceof StudioError && error.code !== 'internal/unexpected') throw error;
      const reason = asStudioError(error).data.message ?? String(error);
      throw new StudioError('pass/failed', { step: definition.title, id: definition.id, reason }, error);
    }
  }

  #context(step: PlannedStep, ledger: Ledger): StepContext {
    const { section } = step.definition;
    const { job, store, executor, calibration } = this.#options;
    return {
      signal: job.signal,
      onProgress: job.onProgress,
      yield: job.yield,
      model: this.model,
      ledger,
      store,
      executor,
      calibration,
      shapes: async () => this.#inferShapes(section, ledger),
      original: this.#original ?? this.model,
      rescaled: this.#rescaled,
      leave: (facts) => void this.#facts.set(step, { ...this.#facts.get(step), ...facts }),
      advise: (advisory) => this.#advise(advisory),
    };
  }

  /**
   * Cleanup and fusion keep the value behind every name that survives, so what was inferred at the start of a round
   * holds through it and is only silent about new values; the next round sees those. Quantization gets a fresh look.
   */
  #inferShapes(section: StepDefinition['section'], ledger: Ledger): ShapeTable {
    const edits = this.#edits + ledger.count;
    const isUsable = this.#shapes && (section !== 'quantization' || this.#shapes.edits === edits);
    if (!isUsable) this.#shapes = { edits, table: inferShapes(this.model) };
    return this.#shapes!.table;
  }

  #advise(advisory: Advisory): void {
    this.#advisories.set(`${advisory.code}\u0000${advisory.message}`, advisory);
  }

  #validate(definition: StepDefinition): void {
    if (!this.#options.validate) return;
    const [problem] = validateModel(this.model);
    if (problem) {
      const reason = `it left an invalid graph (${problem.message})`;
      throw new StudioError('pass/failed', { step: definition.title, id: definition.id, reason }, problem);
    }
  }

  #note(step: PlannedStep, ledger: Ledger, before: ModelSize, durationMs: number): void {
    const row = this.#rows.get(step) ?? {
      step: step.definition.id,
      title: step.definition.title,
      fired: 0,
      nodesBefore: before.nodes,
      nodesAfter: before.nodes,
      fileBytesBefore: before.fileBytes,
      fileBytesAfter: before.fileBytes,
      durationMs: 0,
      entries: [],
    };
    row.fired += ledger.count;
    // Differences, not states: a later round must not be credited with what other steps did in between.
    row.nodesAfter += this.#size.nodes - before.nodes;
    row.fileBytesAfter += this.#size.fileBytes - before.fileBytes;
    row.durationMs += durationMs;
    row.entries.push(...ledger.entries);
    this.#rows.set(step, row);
  }
}
