/**
 * Agreement with the original (or with the outputs a user expects), for models without labelled data: random inputs and
 * the user's own arrays both end here.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import type { JobContext } from '../../base/progress.ts';
import {
  type AgreementTerms,
  addTerms,
  agreementTerms,
  classAgreement,
  classKind,
  classOutputs,
  cosineSimilarity,
  noTerms,
  SQNR_LIMIT_DB,
  sqnrDecibels,
} from '../agreement.ts';
import { numbersOf } from '../host-tensors.ts';
import { bootstrapInterval } from '../intervals.ts';
import type { Evaluation, Feeds, MetricDefinition, MetricValue, Runner, Task, TaskSource } from '../types.ts';
import { evaluateEach, ScoreSheet } from './evaluate-samples.ts';

type AgreementSource = Extract<TaskSource, { kind: 'agreement' }>;

const definitions = {
  cosine: {
    id: 'cosine',
    title: 'Cosine similarity with the original',
    short: 'Cosine',
    direction: 'higher-is-better',
    format: 'decimal',
    decimals: 4,
  },
  top1: {
    id: 'top1-agreement',
    title: 'Same best class as the original',
    short: 'Top-1 agreement',
    direction: 'higher-is-better',
    format: 'percent',
    decimals: 1,
  },
  divergence: {
    id: 'kl-divergence',
    title: 'KL divergence from the original (nats)',
    short: 'KL',
    direction: 'lower-is-better',
    format: 'decimal',
    decimals: 4,
  },
  sqnr: {
    id: 'sqnr',
    title: 'Signal to quantization noise',
    short: 'SQNR',
    direction: 'higher-is-better',
    format: 'decibel',
    decimals: 1,
  },
  maxAbs: {
    id: 'max-abs-error',
    title: 'Largest absolute error',
    short: 'Max error',
    direction: 'lower-is-better',
    format: 'decimal',
    decimals: 4,
  },
} as const satisfies Record<string, MetricDefinition>;

/** With class outputs: top-1 agreement first and KL divergence second; without: cosine similarity first. */
export function agreementMetrics(classOutputs: readonly string[]): readonly MetricDefinition[] {
  const { cosine, top1, divergence, sqnr, maxAbs } = definitions;
  return classOutputs.length > 0 ? [top1, divergence, cosine, sqnr, maxAbs] : [cosine, sqnr, maxAbs];
}

/** @throws StudioError task/bad-inputs when there are no inputs at all */
export function agreementTask(source: AgreementSource): Task {
  const { feeds } = source;
  const firstFeeds = feeds[0];
  if (!firstFeeds) throw new StudioError('task/bad-inputs', { reason: 'there are no inputs' });
  return {
    id: 'agreement',
    title: 'Agreement with the original',
    metrics: agreementMetrics(classesOf(source)),
    sampleCount: feeds.length,
    latencyFeeds: () => firstFeeds,
    async *calibrationFeeds() {
      yield* feeds;
    },
    evaluate: (runner, job, limit) => evaluateAgreement(source, runner, job, limit),
  };
}

/** What the source says, else what its references show. */
const classesOf = ({ classOutputs: named, references }: AgreementSource): readonly string[] =>
  named ?? (references ? classOutputs(references) : []);

/** Runs the model over all inputs: the references that other variants are compared with. */
export async function collectOutputs(runner: Runner, feeds: readonly Feeds[], job: JobContext): Promise<Feeds[]> {
  const collected: Feeds[] = [];
  for (const [index, inputs] of feeds.entries()) {
    throwIfCancelled(job.signal);
    job.onProgress({ stage: 'collecting reference outputs', done: index, total: feeds.length, unit: 'samples' });
    collected.push(await runner.run(inputs));
    await job.yield();
  }
  return collected;
}

async function evaluateAgreement(
  source: AgreementSource,
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const { feeds, references } = source;
  if (!references) throw new StudioError('task/no-references', {});
  if (references.length !== feeds.length)
    throw new StudioError('task/bad-inputs', {
      reason: `there are ${feeds.length} inputs but ${references.length} expected outputs`,
    });
  const sheet = new AgreementSheet(new Set(classesOf(source)));
  const done = await evaluateEach(feeds, limit, job, async (inputs, index) => {
    sheet.add(await runner.run(inputs), references[index]!);
  });
  return sheet.evaluation(done.length);
}

/** A sample's cosine is the mean over its outputs, so that a small output weighs as much as a large one. */
class AgreementSheet {
  readonly #classOutputs: ReadonlySet<string>;
  readonly #cosine = new ScoreSheet();
  readonly #top1 = new ScoreSheet();
  readonly #divergence = new ScoreSheet();
  readonly #terms: AgreementTerms[] = [];

  constructor(classOutputs: ReadonlySet<string>) {
    this.#classOutputs = classOutputs;
  }

  /** Outputs that the reference does not have, or that hold no numbers, are not compared. */
  add(got: Feeds, expected: Feeds): void {
    let total = noTerms;
    let cosines = 0;
    let compared = 0;
    let sameTop = 0;
    let divergence = 0;
    let rows = 0;
    for (const [name, reference] of expected) {
      const y = numbersOf(reference);
      if (!y) continue;
      const output = got.get(name);
      if (!output || output.dims.join() !== reference.dims.join())
        throw new StudioError('task/shape-mismatch', {
          input: name,
          expected: `the original's [${reference.dims.join(', ')}]`,
          actual: output ? `[${output.dims.join(', ')}]` : 'no such output',
        });
      const x = numbersOf(output) ?? new Float32Array(y.length).fill(Number.NaN);
      const terms = agreementTerms(x, y);
      total = addTerms(total, terms);
      cosines += cosineSimilarity(terms);
      compared += 1;
      const kind = this.#classOutputs.has(name) ? classKind(name, reference) : 'none';
      if (kind === 'none') continue;
      const agreement = classAgreement(x, y, reference.dims.at(-1)!, kind);
      sameTop += agreement.sameTop;
      divergence += agreement.divergence;
      rows += agreement.rows;
    }
    if (compared === 0) throw new StudioError('task/bad-inputs', { reason: 'no output holds numbers to compare' });
    this.#terms.push(total);
    this.#cosine.add(cosines, compared);
    this.#top1.add(sameTop, rows);
    this.#divergence.add(divergence, rows);
  }

  evaluation(n: number): Evaluation {
    const classes = this.#classOutputs.size > 0;
    const metrics: MetricValue[] = classes
      ? [this.#top1.value(definitions.top1), this.#divergence.value(definitions.divergence)]
      : [];
    metrics.push(this.#cosine.value(definitions.cosine), this.#sqnr(n));
    // With a value that is not finite there is no largest error; cosine and SQNR then stand at their worst.
    if (this.#terms.every(({ notFinite }) => notFinite === 0)) {
      const value = this.#terms.reduce((worst, { maxAbs }) => Math.max(worst, maxAbs), 0);
      metrics.push({ metric: definitions.maxAbs.id, value, n });
    }
    return { metrics, scores: classes ? this.#top1.scores() : this.#cosine.scores(), n };
  }

  /** Over all samples together: 10 log10 of summed signal over summed noise. */
  #sqnr(n: number): MetricValue {
    const all = this.#terms;
    const interval = bootstrapInterval(
      n,
      (draw) => {
        let total = noTerms;
        for (const i of draw) total = addTerms(total, all[i]!);
        return sqnrDecibels(total);
      },
      { resamples: 1000 },
    );
    const value = sqnrDecibels(all.reduce(addTerms, noTerms));
    return {
      metric: definitions.sqnr.id,
      value,
      interval: Math.abs(value) === SQNR_LIMIT_DB ? undefined : interval,
      n,
    };
  }
}
