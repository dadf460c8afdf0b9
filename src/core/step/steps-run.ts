/** One go of steps over a copy of a model: how a step is prepared, timed, judged and recorded. */
import { throwIfCancelled } from '../base/cancel.ts';
import { asStudioError, StudioError } from '../base/errors/index.ts';
import type { JsonObject } from '../base/json.ts';
import { cloneModel } from '../ir/clone.ts';
import type { Model } from '../ir/types.ts';
import { validateModel } from '../ir/validate.ts';
import { inferShapes } from '../shape/infer.ts';
import type { ShapeTable } from '../shape/types.ts';
import { type Advisory, growthOf, type StepContext, type StepDefinition } from './define.ts';
import { type Figures, FigureTracker } from './figures.ts';
import { Ledger } from './ledger.ts';
import { type ModelSize, modelSize } from './model-size.ts';
import { RescaledValues } from './rescaled.ts';
import type { PlannedStep, RunStepsOptions, StepRecord } from './run-steps.ts';

/** Thrown inside a run: the step made the model larger than its budget allows. */
export class GrewTooMuch extends Error {
  readonly step: PlannedStep;
  readonly row: StepRecord;

  constructor(step: PlannedStep, row: StepRecord) {
    super(`${step.definition.id} made the model too large`);
    this.step = step;
    this.row = row;
  }
}

const DEFAULT_MAX_ROUNDS = 6;

export class StepsRun {
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
  readonly #tracker: FigureTracker;
  #figures: Figures;
  #done = 0;

  constructor(options: RunStepsOptions) {
    this.#options = options;
    this.model = cloneModel(options.model);
    this.#size = modelSize(this.model);
    this.#tracker = new FigureTracker(options.dims);
    this.#figures = this.#tracker.of(this.model, this.#size.nodes, true);
  }

  /** Absent before the step has run. */
  row(step: PlannedStep): StepRecord | undefined {
    const [row, facts] = [this.#rows.get(step), this.#facts.get(step)];
    return row && { ...row, ...(facts && { facts }) };
  }

  /** Keeps the floating-point model: tensors are shared, so the copy costs its nodes only. */
  startQuantization(): void {
    this.#original = cloneModel(this.model);
  }

  advisories(): Advisory[] {
    return [...this.#advisories.values()];
  }

  /**
   * A step rests while nothing has changed since it last ran without effect. Those that follow quantization wait until
   * the others have nothing left to do.
   */
  async untilNothingFires(steps: readonly PlannedStep[]): Promise<{ rounds: number; settled: boolean }> {
    const outcome = await this.#repeat(steps.filter(({ definition }) => !definition.afterQuantization));
    for (const step of steps) if (step.definition.afterQuantization) await this.apply(step);
    return outcome;
  }

  async #repeat(steps: readonly PlannedStep[]): Promise<{ rounds: number; settled: boolean }> {
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
    const before = { ...this.#size, ...this.#figures };
    await this.#guarded(step, ledger);
    const durationMs = (now?.() ?? 0) - started;
    this.#edits += ledger.count;
    if (ledger.count > 0) {
      this.#size = modelSize(this.model);
      this.#figures = this.#tracker.of(this.model, this.#size.nodes, definition.section === 'quantization');
      this.#validate(definition);
    }
    const row = this.#note(step, ledger, before, durationMs);
    if (isTooLarge(step, row)) throw new GrewTooMuch(step, row);
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

  #note(step: PlannedStep, ledger: Ledger, before: ModelSize & Figures, durationMs: number): StepRecord {
    const row = this.#rows.get(step) ?? {
      step: step.definition.id,
      title: step.definition.title,
      fired: 0,
      nodesBefore: before.nodes,
      nodesAfter: before.nodes,
      fileBytesBefore: before.fileBytes,
      fileBytesAfter: before.fileBytes,
      macsBefore: before.macs,
      macsAfter: before.macs,
      peakActivationBytesBefore: before.peakActivationBytes,
      peakActivationBytesAfter: before.peakActivationBytes,
      durationMs: 0,
      entries: [],
    };
    row.fired += ledger.count;
    // Differences, not states: a later round must not be credited with what other steps did in between.
    row.nodesAfter += this.#size.nodes - before.nodes;
    row.fileBytesAfter += this.#size.fileBytes - before.fileBytes;
    const { macs, peakActivationBytes } = this.#figures;
    row.macsAfter = moved(row.macsAfter, before.macs, macs);
    row.peakActivationBytesAfter = moved(row.peakActivationBytesAfter, before.peakActivationBytes, peakActivationBytes);
    row.durationMs += durationMs;
    row.entries.push(...ledger.entries);
    this.#rows.set(step, row);
    return row;
  }
}

/** A figure that is not known at one end is not known. */
function moved(figure: number | null, from: number | null, to: number | null): number | null {
  return figure === null || from === null || to === null ? null : figure + to - from;
}

function isTooLarge({ definition, params }: PlannedStep, row: StepRecord): boolean {
  if (definition.section === 'quantization' || row.fired === 0) return false;
  const budget = growthOf(definition, params);
  return (
    row.nodesAfter - row.nodesBefore > budget.nodesShare * row.nodesBefore + budget.nodes ||
    row.fileBytesAfter - row.fileBytesBefore > budget.bytesShare * row.fileBytesBefore + budget.bytes
  );
}
