/** The loop that every task's evaluation runs, and the metric values made from its scores. */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import type { JobContext } from '../../base/progress.ts';
import { numbersOf, outputNamed } from '../host-tensors.ts';
import { ratioOfSums, scoreInterval } from '../intervals.ts';
import type { Feeds, MetricDefinition, MetricValue, SampleScores } from '../types.ts';

/** The host's event loop gets a turn this often: browsers make each turn cost up to 4 ms. */
const YIELD_EVERY_MS = 20;

/**
 * Calls `one` for each of the first `limit` samples, in order; every 20 ms reports progress and lets a cancel through.
 * @returns what was evaluated
 */
export async function evaluateEach<Sample>(
  samples: readonly Sample[],
  limit: number | undefined,
  job: JobContext,
  one: (sample: Sample, index: number) => Promise<void>,
): Promise<readonly Sample[]> {
  const chosen = samples.slice(0, limit ?? samples.length);
  const report = (done: number) => job.onProgress({ stage: 'evaluating', done, total: chosen.length, unit: 'samples' });
  report(0);
  let last = Date.now();
  for (const [index, sample] of chosen.entries()) {
    throwIfCancelled(job.signal);
    await one(sample, index);
    if (Date.now() - last < YIELD_EVERY_MS) continue;
    report(index + 1);
    await job.yield();
    last = Date.now();
  }
  throwIfCancelled(job.signal);
  report(chosen.length);
  return chosen;
}

/** Collects numerator and denominator of one metric, sample by sample. */
export class ScoreSheet implements SampleScores {
  readonly continuous: boolean;
  readonly numerators: number[] = [];
  readonly denominators: number[] = [];

  /** @param kind `counts`: how many of how many; `continuous`: measurements, as similarities are */
  constructor(kind: 'counts' | 'continuous' = 'counts') {
    this.continuous = kind === 'continuous';
  }

  add(numerator: number, denominator: number): void {
    this.numerators.push(numerator);
    this.denominators.push(denominator);
  }

  /** The metric over all samples, with its confidence interval. */
  value(metric: MetricDefinition): MetricValue {
    return {
      metric: metric.id,
      value: ratioOfSums(this),
      interval: scoreInterval(this),
      n: this.numerators.length,
    };
  }

  /** As plain data that may be posted and stored. */
  scores(): SampleScores {
    const { numerators, denominators, continuous } = this;
    return { numerators, denominators, ...(continuous ? { continuous } : {}) };
  }
}

/**
 * The named output (or the only one) as numbers.
 * @throws StudioError task/shape-mismatch when there is none, it holds no numbers, or its rank is another
 */
export function readOutput(
  outputs: Feeds,
  name: string,
  rank: number,
): { readonly dims: readonly number[]; readonly values: ArrayLike<number> } {
  const tensor = outputNamed(outputs, name);
  const values = tensor && numbersOf(tensor);
  if (!tensor || !values || tensor.dims.length !== rank)
    throw new StudioError('task/shape-mismatch', {
      input: name,
      expected: `an output of rank ${rank}`,
      actual: tensor ? `${tensor.dtype} [${tensor.dims.join(', ')}]` : `only ${[...outputs.keys()].join(', ')}`,
    });
  return { dims: tensor.dims, values };
}
