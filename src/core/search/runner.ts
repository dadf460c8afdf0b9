/** Tries recipes: builds them, evaluates them on more and more samples until the gate speaks, and notes all of it. */

import { toErrorRecord } from '../base/errors/index.ts';
import type { Evaluation } from '../eval/types.ts';
import type { Recipe } from '../recipe/schema.ts';
import { compareLatency } from '../study/latency.ts';
import type { BuiltVariant, InferPort } from '../study/ports.ts';
import type { TargetMeasurement, Verdict } from '../study/results.ts';
import { rethrowIfCancelled } from '../study/run.ts';
import type { Entry, SearchBook } from './book.ts';
import type { SearchPoint } from './results.ts';
import {
  type Bench,
  build,
  evaluate,
  evaluationOfFirst,
  rounds,
  timeInTurns,
  verdictOn,
  withSession,
} from './trial.ts';

const TIMED_RUNS = 9;

export class Runner<Handle> {
  readonly #built = new Map<string, BuiltVariant<Handle>>();
  readonly #originals = new Map<number, Evaluation>();

  constructor(
    readonly bench: Bench<Handle>,
    readonly book: SearchBook<Handle>,
    readonly budget: number,
  ) {}

  get isSpent(): boolean {
    return this.book.evaluations >= this.budget;
  }

  entry(index: number): Entry {
    return this.book.entries[index]!;
  }

  /** Bytes of the file; infinite where it could not be built. */
  bytesOf(index: number): number {
    return this.entry(index).record.facts?.fileBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Builds a recipe, so that its size is known. @returns its place in the book, the same for the same recipe */
  async prepare(recipe: Recipe, origin: SearchPoint['origin'], predictedLoss: number | null = null): Promise<number> {
    const known = this.book.find(recipe);
    if (known >= 0) return known;
    const index = this.book.add(recipe, origin, predictedLoss);
    if (this.entry(index).record.facts === null) await this.#build(index);
    return index;
  }

  async #build(index: number): Promise<BuiltVariant<Handle> | null> {
    const { record, built } = await build(this.bench, this.entry(index).record);
    if (built) this.#built.set(record.id, built);
    const isBroken = record.error !== null;
    this.book.update(index, {
      record,
      ...(isBroken ? { point: { status: 'broken', reason: record.error!.message } } : {}),
    });
    return built;
  }

  async #session<T>(index: number, use: (port: InferPort<Handle>) => Promise<T>): Promise<T | null> {
    const { recipe, record } = this.entry(index);
    const built = this.#built.get(record.id) ?? (await this.#build(index));
    return built && withSession(this.bench, recipe, built, use);
  }

  /** Evaluates the original on all samples. */
  async baseline(index: number): Promise<void> {
    await this.#evaluateAt(index, [this.bench.samples], () => null);
  }

  /** @returns whether it stays within the gate on all samples; what was judged before is not judged again */
  async judge(index: number): Promise<boolean> {
    const { status } = this.entry(index).point;
    if (status === 'passed') return true;
    if (status !== 'open') return false;
    this.book.countEvaluation();
    const limits = rounds(this.bench.samples);
    await this.#evaluateAt(index, limits, async (evaluation, limit) => {
      const isLast = limit === limits.at(-1);
      const verdict: Verdict = verdictOn(this.bench, await this.#originalAt(limit), evaluation);
      const isDecided = isLast || verdict.verdict === 'fail';
      if (isDecided) this.#note(index, verdict, limit);
      return { verdict, isDecided };
    });
    this.#built.delete(this.entry(index).point.id);
    return this.entry(index).point.status === 'passed';
  }

  #note(index: number, verdict: Verdict, samples: number): void {
    const statuses = { pass: 'passed', fail: 'failed', inconclusive: 'inconclusive' } as const;
    const status = statuses[verdict.verdict as keyof typeof statuses] ?? 'broken';
    this.book.update(index, { point: { status, reason: verdict.reason, samples } });
  }

  skip(index: number, reason: string): void {
    if (this.entry(index).point.status === 'open') this.book.update(index, { point: { status: 'skipped', reason } });
  }

  async #evaluateAt(
    index: number,
    limits: readonly number[],
    decide: (evaluation: Evaluation, limit: number) => Promise<{ verdict: Verdict; isDecided: boolean }> | null,
  ): Promise<void> {
    const run = async (port: InferPort<Handle> | null): Promise<boolean> => {
      for (const limit of limits) {
        const { record } = this.entry(index);
        const known = record.evaluations.find((entry) => entry.limit === limit);
        if (!known && !port) return false;
        const evaluation = known?.evaluation ?? (await evaluate(this.bench, port!, record, limit));
        const evaluations = known ? record.evaluations : [...record.evaluations, { limit, evaluation }];
        this.book.update(index, { record: { ...record, evaluations: evaluations as typeof record.evaluations } });
        const decision = await decide(evaluation, limit);
        this.book.update(index, { measurement: this.#measurement(index, evaluation, decision?.verdict ?? null) });
        if (decision?.isDecided) return true;
      }
      return true;
    };
    try {
      // With everything known from an earlier run nothing has to be built.
      if (!(await run(null))) await this.#session(index, run);
    } catch (error) {
      rethrowIfCancelled(error);
      const record = { ...this.entry(index).record, error: toErrorRecord(error) };
      this.book.update(index, { record, point: { status: 'broken', reason: record.error.message } });
    }
  }

  async #originalAt(limit: number): Promise<Evaluation> {
    const known = this.#originals.get(limit);
    if (known) return known;
    const whole = this.entry(0).record.evaluations.at(-1)!.evaluation as Evaluation;
    let evaluation = evaluationOfFirst(whole, limit);
    if (!evaluation) {
      const { record } = this.entry(0);
      const found = await this.#session(0, (port) => evaluate(this.bench, port, record, limit));
      evaluation = found ?? whole;
    }
    this.#originals.set(limit, evaluation);
    return evaluation;
  }

  /** Times a recipe in turns with the original. */
  async time(index: number): Promise<void> {
    if (this.entry(index).record.latency) return this.#noteLatency(index);
    const both = await this.#session(0, (first) =>
      this.#session(index, (second) => timeInTurns(this.bench, [first, second], TIMED_RUNS)),
    );
    if (!both) return;
    for (const [at, latency] of [0, index].map((place, i) => [place, both[i]!] as const)) {
      // The original's first turns stand; its turns with others are compared through each pair's own ratio.
      if (at === 0 && this.entry(0).record.latency) continue;
      this.book.update(at, { record: { ...this.entry(at).record, latency } });
    }
    const [original, own] = both as [(typeof both)[0], (typeof both)[0]];
    const difference = compareLatency(own, original);
    this.#ratios.set(index, { ratio: own.medianMs / original.medianMs, difference });
    for (const at of [0, index]) this.#noteLatency(at);
  }

  readonly #ratios = new Map<number, { ratio: number; difference: ReturnType<typeof compareLatency> }>();

  /** Median latency over the original's in the same turns; NaN where it was not timed. */
  speedOf(index: number): { ratio: number; difference: ReturnType<typeof compareLatency> } {
    const known = this.#ratios.get(index);
    if (known) return known;
    const [own, original] = [this.entry(index).record.latency, this.entry(0).record.latency];
    if (!own || !original) return { ratio: Number.NaN, difference: 'within noise' };
    return { ratio: own.medianMs / original.medianMs, difference: compareLatency(own, original) };
  }

  #noteLatency(index: number): void {
    const { measurement, record } = this.entry(index);
    if (measurement) this.book.update(index, { measurement: { ...measurement, latency: record.latency } });
  }

  #measurement(index: number, evaluation: Evaluation, verdict: Verdict | null): TargetMeasurement {
    const { host, target } = this.bench;
    const baseline: Verdict = {
      verdict: 'baseline',
      reason: 'The original, which the others are compared with.',
      worse: null,
      worseInterval: null,
    };
    return {
      target,
      engine: { name: '', version: '' },
      threads: 0,
      measuredAt: host.wallClock(),
      createMs: null,
      firstRunMs: null,
      latency: this.entry(index).record.latency,
      memory: null,
      placement: null,
      optimizers: null,
      parity: null,
      evaluation: evaluation as TargetMeasurement['evaluation'],
      verdict: verdict ?? baseline,
      error: null,
    };
  }
}
