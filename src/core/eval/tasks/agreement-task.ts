/**
 * Agreement with the original (or with the outputs a user expects), for models without labelled data: random inputs and
 * the user's own arrays both end here.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import type { JobContext } from '../../base/progress.ts';
import type { HostTensor } from '../../step/define.ts';
import {
  type AgreementTerms,
  addTerms,
  agreementTerms,
  classAgreement,
  classKind,
  classOutputs,
  noTerms,
  SQNR_LIMIT_DB,
  sqnrDecibels,
} from '../agreement.ts';
import {
  type AgreementPrimary,
  agreementPrimary,
  equalCount,
  type NumberStatistics,
  numberStatistics,
  similarity,
  varianceKept,
} from '../agreement-rule.ts';
import { isFloating, numbersOf } from '../host-tensors.ts';
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
  same: {
    id: 'same-values',
    title: 'Same values as the original',
    short: 'Same values',
    direction: 'higher-is-better',
    format: 'percent',
    decimals: 1,
  },
  r2: {
    id: 'r2',
    title: 'R² against the original',
    short: 'R²',
    direction: 'higher-is-better',
    format: 'decimal',
    decimals: 4,
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

const { cosine, top1, same, r2, divergence, sqnr, maxAbs } = definitions;
const metricsBy: Readonly<Record<AgreementPrimary, readonly MetricDefinition[]>> = {
  'top1-agreement': [top1, divergence, cosine, sqnr, maxAbs],
  // A distance between labels means nothing.
  'same-values': [same],
  r2: [r2, sqnr, maxAbs],
  cosine: [cosine, sqnr, maxAbs],
};

/** The primary one first. */
export function agreementMetrics(primary: AgreementPrimary): readonly MetricDefinition[] {
  return metricsBy[primary];
}

/** Whether a stored evaluation's first metric is one of these. */
export function isAgreementPrimary(id: string | undefined): id is AgreementPrimary {
  return id !== undefined && id in metricsBy;
}

/** @throws StudioError task/bad-inputs when there are no inputs at all */
export function agreementTask(source: AgreementSource): Task {
  const { feeds } = source;
  const firstFeeds = feeds[0];
  if (!firstFeeds) throw new StudioError('task/bad-inputs', { reason: 'there are no inputs' });
  return {
    id: 'agreement',
    title: 'Agreement with the original',
    metrics: agreementMetrics(primaryOf(source)),
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

const primaryOf = (source: AgreementSource): AgreementPrimary => {
  const classes = classesOf(source);
  if (source.references) return agreementPrimary(source.references, classes);
  return classes.length > 0 ? 'top1-agreement' : 'cosine';
};

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
  const sheet = new AgreementSheet(primaryOf(source), new Set(classesOf(source)), numberStatistics(references));
  const done = await evaluateEach(feeds, limit, job, async (inputs, index) => {
    sheet.add(await runner.run(inputs), references[index]!);
  });
  return sheet.evaluation(done.length);
}

/** A sample's cosine is the mean over its outputs' `similarity`, so that a small output weighs as much as a large one. */
class AgreementSheet {
  readonly #primary: AgreementPrimary;
  readonly #classOutputs: ReadonlySet<string>;
  readonly #numbers: ReadonlyMap<string, NumberStatistics>;
  readonly #cosine = new ScoreSheet('continuous');
  readonly #top1 = new ScoreSheet();
  readonly #same = new ScoreSheet();
  readonly #kept = new ScoreSheet('continuous');
  readonly #divergence = new ScoreSheet('continuous');
  readonly #terms: AgreementTerms[] = [];
  #values = 0;
  #notFinite = 0;

  constructor(
    primary: AgreementPrimary,
    classOutputs: ReadonlySet<string>,
    numbers: ReadonlyMap<string, NumberStatistics>,
  ) {
    this.#primary = primary;
    this.#classOutputs = classOutputs;
    this.#numbers = numbers;
  }

  /** Outputs that the reference does not have, or that hold no numbers, are not compared. */
  add(got: Feeds, expected: Feeds): void {
    let total = noTerms;
    let cosines = 0;
    let compared = 0;
    let sameTop = 0;
    let divergence = 0;
    let rows = 0;
    let equal = 0;
    let entries = 0;
    let kept = 0;
    let varying = 0;
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
      const numbers = this.#numbers.get(name);
      cosines += similarity(terms, x, y, isFloating(reference), numbers);
      compared += 1;
      this.#countNotFinite(reference, y);
      equal += equalCount(x, y);
      entries += y.length;
      if (numbers) {
        const sums = varianceKept(x, y, numbers);
        kept += sums.kept;
        varying += sums.total;
      }
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
    this.#same.add(equal, entries);
    this.#kept.add(kept, varying);
    this.#divergence.add(divergence, rows);
  }

  #countNotFinite(reference: HostTensor, values: ArrayLike<number>): void {
    if (!isFloating(reference)) return;
    this.#values += values.length;
    for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) this.#notFinite += 1;
  }

  evaluation(n: number): Evaluation {
    const sheets = { 'top1-agreement': this.#top1, 'same-values': this.#same, r2: this.#kept, cosine: this.#cosine };
    const metrics = metricsBy[this.#primary].flatMap((definition) => this.#value(definition, n));
    const notFinite = this.#notFinite > 0 ? { notFiniteShare: this.#notFinite / this.#values } : {};
    return { metrics, scores: sheets[this.#primary].scores(), n, ...notFinite };
  }

  #value(definition: MetricDefinition, n: number): MetricValue[] {
    switch (definition) {
      case top1:
        return [this.#top1.value(top1)];
      case same:
        return [this.#same.value(same)];
      case r2:
        return [this.#kept.value(r2)];
      case divergence:
        return [this.#divergence.value(divergence)];
      case cosine:
        return [this.#cosine.value(cosine)];
      case sqnr:
        return [this.#sqnr(n)];
      default:
        return this.#maxAbs(n);
    }
  }

  /** With a value that is not finite there is no largest error; cosine and SQNR then stand at their worst. */
  #maxAbs(n: number): MetricValue[] {
    if (this.#terms.some(({ notFinite }) => notFinite > 0)) return [];
    const value = this.#terms.reduce((worst, terms) => Math.max(worst, terms.maxAbs), 0);
    return [{ metric: maxAbs.id, value, n }];
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
      metric: sqnr.id,
      value,
      interval: Math.abs(value) === SQNR_LIMIT_DB ? undefined : interval,
      n,
    };
  }
}
