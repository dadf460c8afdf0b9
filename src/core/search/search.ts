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
import { type BisectOutcome, bisect, type Mixture, measureMixture, uniformLoss } from './mixture.ts';
import { blockStepIds, familyRecipes, originalRecipe, PLAIN_BLOCK_STEP } from './proposals.ts';
import { reasonFor } from './reason.ts';
import type { SearchRequest } from './request.ts';
import { SEARCH_VERSION, type SearchResult } from './results.ts';
import { Runner } from './runner.ts';
import { type Bench, noMetric, referenceSource, withSession } from './trial.ts';

export type { SearchRequest } from './request.ts';

/** Trials of one bisection: a factor of ten in losses is then known to a few percent. */
const TRIALS = 7;
const RUNNERS_UP = 3;

/**
 * @throws StudioError job/cancelled (the last update has the state to go on from); errors of the task's data, of the
 *   original's build and of its run: nothing can be judged without them
 */
export async function runSearch<Handle>(request: SearchRequest<Handle>): Promise<SearchResult> {
  const { host, job, target, gate } = request;
  const task = await orCancelled(job, host.task(job));
  const key = canonicalHash({
    model: request.model.sha256 ?? request.model.ref,
    task: task.key,
    target,
    engine: host.engineKey,
  });
  const book = new SearchBook(request, key);
  const { title, metrics, sampleCount } = task.summary;
  book.setTask(title, metrics, sampleCount);
  const original = originalRecipe();
  const built = await orCancelled(job, host.build(original, job));
  const references = await withSession({ host, job, target } as Bench<Handle>, original, built, (port) =>
    referenceSource(job, task, port),
  );
  const [definition] = references.metrics;
  if (!definition) throw noMetric();
  book.setTask(title, references.metrics, sampleCount);
  const bench: Bench<Handle> = { host, job, target, gate, task, source: references.source, definition };
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
    const ranked = await this.#ranked();
    const [recommended = null] = ranked;
    return {
      format: 'whittle-search',
      version: SEARCH_VERSION,
      objective,
      report: book.report(),
      points: book.entries.map((entry) => entry.point),
      recommended,
      runnersUp: ranked.slice(1, 1 + RUNNERS_UP),
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
    const bySize = (await this.#families()).sort((a, b) => runner.bytesOf(a) - runner.bytesOf(b));
    const isBlocks = (index: number) => runner.entry(index).recipe.steps.some(({ id }) => id === PLAIN_BLOCK_STEP);
    // Methods in blocks are judged once plain rounding has shown which sizes are near.
    const isOther = (index: number) =>
      runner.entry(index).recipe.steps.some(({ id }) => blockStepIds().includes(id)) && !isBlocks(index);
    let best: number | null = null;
    for (const index of bySize.filter((candidate) => !isOther(candidate))) {
      if (runner.isSpent) break;
      if (best !== null || runner.bytesOf(index) >= runner.bytesOf(0)) {
        const against = best === null ? 'the original' : `${runner.entry(best).recipe.name}, which passes`;
        runner.skip(index, `It is not smaller than ${against}.`);
      } else if (await runner.judge(index)) best = index;
    }
    for (const index of bySize.filter(isOther)) {
      if (runner.isSpent) break;
      if (best !== null && runner.bytesOf(index) >= runner.bytesOf(best))
        runner.skip(index, `It is not smaller than ${runner.entry(best).recipe.name}, which passes.`);
      else if (await runner.judge(index)) best = index;
    }
    await this.#mix(best);
  }

  /** Bits for each layer; then the same choices by better methods, and further with the best of them. */
  async #mix(best: number | null): Promise<void> {
    const { runner } = this;
    if (runner.isSpent) return;
    const mixture = await this.#mixture('weights');
    if (!mixture || mixture.groups.length === 0) return;
    const below = () => {
      const passed = this.#passed().map((index) => runner.bytesOf(index));
      return Math.min(runner.bytesOf(0), ...passed);
    };
    // Four bits are where most models are near the gate.
    const startLoss = uniformLoss(mixture, '4') || undefined;
    const first = await bisect(runner, mixture, {
      stepId: methodOf(runner, best) ?? PLAIN_BLOCK_STEP,
      belowBytes: below(),
      startLoss,
      mostTrials: TRIALS,
    });
    for (const stepId of blockStepIds()) {
      if (runner.isSpent) break;
      if (stepId === PLAIN_BLOCK_STEP || first.fails === undefined) continue;
      // A better method passes where rounding does not; what rounding passes, it has no need to.
      await this.#further(mixture, stepId, first, below());
    }
  }

  async #further(mixture: Mixture, stepId: string, first: BisectOutcome, belowBytes: number): Promise<void> {
    const { passes, fails } = first;
    await bisect(this.runner, mixture, {
      stepId,
      belowBytes,
      startLoss: fails,
      ...(passes === undefined ? {} : { passes }),
      mostTrials: 3,
    });
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
  async #ranked(): Promise<number[]> {
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

/** The step by which a recipe stores weights in blocks. */
function methodOf<Handle>(runner: Runner<Handle>, index: number | null): string | undefined {
  if (index === null) return undefined;
  const ids = blockStepIds();
  return runner.entry(index).recipe.steps.find(({ id }) => ids.includes(id))?.id;
}
