/**
 * Finds the best recipe under the gate: ready recipes first, then bits for each layer.
 *
 * Cheap figures rank (bytes of the built file, the sum of the layers' measured losses), the real metric decides: on a part
 * of the samples at first, since what fails mostly fails there, and on all of them before anything is recommended. The
 * search is a function of its measurements: with those of an earlier run (`state`) it comes to the same point and goes on.
 */

import { throwIfCancelled } from '../base/cancel.ts';
import { canonicalHash } from '../base/canonical-hash.ts';
import { StudioError } from '../base/errors/index.ts';
import type { CandidateFamily } from '../precision/mixed-recipe.ts';
import { orCancelled, rethrowIfCancelled } from '../study/run.ts';
import { SearchBook } from './book.ts';
import { bisect, type Mixture, measureMixture, uniformLoss } from './mixture.ts';
import {
  type BlockForm,
  blockForms,
  blockRecipe,
  blockStepIds,
  familyRecipes,
  originalRecipe,
  PLAIN_BLOCK_STEP,
} from './proposals.ts';
import { reasonFor } from './reason.ts';
import type { SearchRequest } from './request.ts';
import { SEARCH_VERSION, type SearchResult } from './results.ts';
import { Runner } from './runner.ts';
import { openBench } from './trial.ts';

export type { SearchRequest } from './request.ts';

/** Trials of one bisection: a factor of ten in losses is then known to a few percent. */
const TRIALS = 7;
/** Other methods than rounding that mixtures are tried with, and how often each. */
const METHODS_MIXED = 2;
const METHOD_TRIALS = 4;
const RUNNERS_UP = 3;

/**
 * @throws StudioError job/cancelled (the last update has the state to go on from); errors of the task's data, of the
 *   original's build and of its run: nothing can be judged without them
 */
export async function runSearch<Handle>(request: SearchRequest<Handle>): Promise<SearchResult> {
  const { host, job, target } = request;
  const task = await orCancelled(job, host.task(job));
  const key = canonicalHash({
    model: request.model.sha256 ?? request.model.ref,
    task: task.key,
    target,
    engine: host.engineKey,
  });
  const book = new SearchBook(request, key);
  const { title, metrics } = task.summary;
  const limit = request.task.kind === 'sample-task' ? request.task.limit : undefined;
  const samples = Math.min(limit ?? task.summary.sampleCount, task.summary.sampleCount);
  book.setTask(title, metrics, samples);
  const { bench, metrics: judging } = await openBench(request, task, samples);
  book.setTask(title, judging, samples);
  const runner = new Runner(bench, book, request.budget);
  return new Search(request, runner, book).run();
}

class Search<Handle> {
  constructor(
    readonly request: SearchRequest<Handle>,
    readonly runner: Runner<Handle>,
    readonly book: SearchBook<Handle>,
  ) {}

  async run(): Promise<SearchResult> {
    const { runner, book } = this;
    const original = await runner.prepare(originalRecipe(), 'original');
    await runner.baseline(original);
    const { point, record } = runner.entry(original);
    if (point.status === 'broken')
      throw new StudioError('task/bad-inputs', {
        reason: `the original could not be judged (${record.error?.message})`,
      });
    const { objective } = this.request;
    if (objective === 'size') await this.#smallest();
    else await this.#fastest();
    const ranked = this.#ranked();
    const [recommended = null] = ranked;
    const runnersUp = ranked.slice(1, 1 + RUNNERS_UP);
    // Whoever takes a small file wants to know what it costs in time.
    if (objective === 'size' && recommended !== null) await runner.time(recommended);
    return {
      format: 'whittle-search',
      version: SEARCH_VERSION,
      objective,
      report: book.report(),
      points: book.entries.map((entry) => entry.point),
      recommended,
      runnersUp,
      reason: reasonFor(runner, book, { objective, recommended }),
      evaluations: book.evaluations,
      budget: this.request.budget,
    };
  }

  async #families(): Promise<number[]> {
    const indices: number[] = [];
    for (const recipe of familyRecipes(this.request.objective)) {
      throwIfCancelled(this.request.job.signal);
      indices.push(await this.runner.prepare(recipe, 'family'));
    }
    return indices.filter((index) => this.runner.entry(index).point.status !== 'broken');
  }

  /** Smallest first: the first that passes ends the scan, since the others are larger. */
  async #smallest(): Promise<void> {
    const { runner } = this;
    const rounded = new Map<number, BlockForm>();
    for (const form of blockForms) {
      const recipe = blockRecipe(PLAIN_BLOCK_STEP, form);
      const index = recipe ? await runner.prepare(recipe, 'family') : -1;
      if (index >= 0 && runner.entry(index).point.status !== 'broken') rounded.set(index, form);
    }
    const indices = [...new Set([...(await this.#families()), ...rounded.keys()])];
    for (const index of indices.sort((a, b) => runner.bytesOf(a) - runner.bytesOf(b))) {
      if (runner.isSpent) break;
      if (runner.bytesOf(index) >= this.#bytesToBeat()) runner.skip(index, this.#whyNotSmaller());
      else await runner.judge(index);
    }
    // Files of a size are made by every method: where rounding passes, the others have nothing to gain.
    const failed = [...rounded].filter(([index]) => runner.bytesOf(index) < this.#bytesToBeat());
    const methods = await this.#methods(failed);
    await this.#mix(methods);
  }

  /** Bytes of the smallest within the gate, else of the original. */
  #bytesToBeat(): number {
    return Math.min(this.runner.bytesOf(0), ...this.#passed().map((index) => this.runner.bytesOf(index)));
  }

  #whyNotSmaller(): string {
    const [best] = this.#passed().sort((a, b) => this.runner.bytesOf(a) - this.runner.bytesOf(b));
    const against = best === undefined ? 'the original' : `${this.runner.entry(best).recipe.name}, which passes`;
    return `It is not smaller than ${against}.`;
  }

  /**
   * Other methods than rounding, in the forms that rounding failed in, smallest first; a form that no method can save is
   * followed by the next.
   * @returns methods, those that lost least first
   */
  async #methods(failed: readonly (readonly [number, BlockForm])[]): Promise<string[]> {
    const { runner } = this;
    const losses = new Map<string, number>();
    const others = blockStepIds().filter((id) => id !== PLAIN_BLOCK_STEP);
    // At the largest form all methods are near the gate, so that is where they are compared.
    for (const [index, form] of [...failed].reverse()) {
      const isHopeless = this.#worse(index) === null;
      let hasPassed = false;
      for (const stepId of isHopeless ? [] : others) {
        if (runner.isSpent) return byLoss(losses);
        const recipe = blockRecipe(stepId, form);
        if (!recipe) continue;
        const other = await runner.prepare(recipe, 'family');
        if (runner.entry(other).point.status === 'broken') continue;
        hasPassed = (await runner.judge(other)) || hasPassed;
        const worse = this.#worse(other);
        if (worse !== null && !losses.has(stepId)) losses.set(stepId, worse);
      }
      if (!hasPassed) break;
    }
    return byLoss(losses);
  }

  /** How much worse than the original, as far as it was evaluated. */
  #worse(index: number): number | null {
    return this.runner.entry(index).measurement?.verdict?.worse ?? null;
  }

  /** Bits for each layer by rounding; then further with the methods that lost least. */
  async #mix(methods: readonly string[]): Promise<void> {
    const { runner } = this;
    if (runner.isSpent) return;
    const mixture = await this.#mixture('weights');
    if (!mixture || mixture.groups.length === 0) return;
    // Four bits are where most models are near the gate.
    const startLoss = uniformLoss(mixture, '4') || undefined;
    const belowBytes = this.#bytesToBeat();
    const first = await bisect(runner, mixture, {
      stepId: PLAIN_BLOCK_STEP,
      belowBytes,
      startLoss,
      mostTrials: TRIALS,
    });
    for (const stepId of methods.slice(0, METHODS_MIXED)) {
      if (runner.isSpent || first.fails === undefined) return;
      const { passes, fails: begin } = first;
      const options = { stepId, belowBytes: this.#bytesToBeat(), startLoss: begin, mostTrials: METHOD_TRIALS };
      await bisect(runner, mixture, { ...options, ...(passes === undefined ? {} : { passes }) });
    }
  }

  async #fastest(): Promise<void> {
    const { runner } = this;
    const failed: CandidateFamily[] = [];
    for (const index of await this.#families()) {
      if (runner.isSpent) return;
      const passed = await runner.judge(index);
      if (passed) await runner.time(index);
      const ids = runner.entry(index).recipe.steps.map(({ id }) => id);
      if (passed || runner.entry(index).point.status === 'broken') continue;
      if (ids.includes('dynamic-int8')) failed.push('dynamic');
      if (ids.includes('static-int8')) failed.push('static');
    }
    // What integer arithmetic loses is mostly lost in a few layers: these are kept.
    for (const family of failed) {
      if (runner.isSpent) return;
      const mixture = await this.#mixture(family);
      if (!mixture || mixture.groups.length === 0) continue;
      await bisect(runner, mixture, { stepId: PLAIN_BLOCK_STEP, belowBytes: runner.bytesOf(0), mostTrials: TRIALS });
      for (const index of this.#passed()) if (!runner.entry(index).record.latency) await runner.time(index);
    }
  }

  /** A model without any layer to choose for has no mixture; that ends nothing. */
  async #mixture(family: CandidateFamily): Promise<Mixture | null> {
    const { host, job, calibrationSamples } = this.request;
    try {
      return await measureMixture(host, job, this.book, family, calibrationSamples);
    } catch (error) {
      rethrowIfCancelled(error);
      return null;
    }
  }

  #passed(): number[] {
    return this.book.entries.flatMap(({ point }, index) => (point.status === 'passed' ? [index] : []));
  }

  /** Those within the gate that are better than the original, best first. */
  #ranked(): number[] {
    const { runner } = this;
    const { objective } = this.request;
    const passed = this.#passed();
    if (objective === 'size') {
      const smaller = passed.filter((index) => runner.bytesOf(index) < runner.bytesOf(0));
      return smaller.sort((a, b) => runner.bytesOf(a) - runner.bytesOf(b) || a - b);
    }
    const faster = passed.filter((index) => runner.speedOf(index).difference === 'faster');
    return faster.sort((a, b) => runner.speedOf(a).ratio - runner.speedOf(b).ratio || a - b);
  }
}

function byLoss(losses: ReadonlyMap<string, number>): string[] {
  return [...losses].sort((a, b) => a[1] - b[1]).map(([stepId]) => stepId);
}
