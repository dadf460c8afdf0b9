/** Do the steps keep what random graphs compute? onnxruntime is the judge. */

import { stepRegistry } from '../../../../../src/core/recipe/registry.ts';
import type { HostTensor } from '../../../../../src/core/step/define.ts';
import type { StepsOutcome } from '../../../../../src/core/step/run-steps.ts';
import { type ApplyOptions, apply, numbersOf, runOrt } from '../helpers.ts';
import type { RandomGraph } from './generate.ts';

/**
 * Largest error relative to the output's range (at least 1) by precision class. Half precision has 11 bits, and the
 * runtime computes chains of it in single precision, so a chain cut in another place rounds elsewhere.
 */
const FLOAT_TOLERANCE = 1e-4;
const HALF_TOLERANCE = 3e-2;

export interface Checked {
  readonly outcome: StepsOutcome;
  /** What is wrong, each with the name of the output; empty where all is well. */
  readonly problems: readonly string[];
}

export type Outputs = ReadonlyMap<string, HostTensor>;

export const reference = (graph: RandomGraph): Promise<Outputs> => runOrt(graph.model, graph.feeds);

/** @param expected the outputs of the graph as it is, from `reference` */
export async function checkSteps(
  graph: RandomGraph,
  expected: Outputs,
  ids: readonly string[],
  options: ApplyOptions = {},
): Promise<Checked> {
  const outcome = await apply(graph.model, ids, options);
  const problems: string[] = [];
  if (!outcome.settled) problems.push('the steps did not settle');
  const fired = outcome.ledger.filter((row) => row.fired > 0);
  if (fired.length === 0) return { outcome, problems };
  const isExact = fired.every(({ step }) => stepRegistry.get(step)?.precision === 'exact');
  const got = await runOrt(outcome.model, graph.feeds);
  if ([...got.keys()].join() !== [...expected.keys()].join()) problems.push('other outputs');
  for (const [name, want] of expected) {
    const have = got.get(name);
    const tolerance = want.dtype === 'float16' ? HALF_TOLERANCE : isExact ? 0 : FLOAT_TOLERANCE;
    const problem = have ? difference(have, want, tolerance) : 'is missing';
    if (problem) problems.push(`${name} ${problem}`);
  }
  return { outcome, problems };
}

/** @param tolerance 0 asks for the same numbers (0 and -0 are the same, and so are all NaNs) */
function difference(got: HostTensor, want: HostTensor, tolerance: number): string | undefined {
  if (got.dtype !== want.dtype) return `became ${got.dtype}`;
  if (got.dims.join() !== want.dims.join()) return `has shape [${got.dims}] instead of [${want.dims}]`;
  const a = numbersOf(got);
  const b = numbersOf(want);
  let range = 1;
  for (const value of b) if (Number.isFinite(value)) range = Math.max(range, Math.abs(value));
  // Near the end of half precision one more rounding is an infinity.
  if (want.dtype === 'float16' && (range > 10_000 || b.some((value) => !Number.isFinite(value)))) return undefined;
  let worst = 0;
  for (let at = 0; at < b.length; at++) {
    const [x, y] = [a[at]!, b[at]!];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const error = Math.abs(x - y) / range;
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  return worst > tolerance ? `is off by ${worst} of its range` : undefined;
}
