/**
 * Random graphs out of the pieces in ./pieces: every graph must keep its outputs under all passes, under a random choice
 * of them in random order, and under a few of them alone, which takes all passes in turn. Many graphs are checked as one
 * model; one that fails is then taken alone, shrunk by fast-check and printed.
 * WHITTLE_RANDOM_GRAPHS sets how many graphs, WHITTLE_RANDOM_SEED where they start, WHITTLE_RANDOM_ALONE how many passes
 * each batch meets alone.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRng } from '../../../../src/core/base/rng.ts';
import { printModel } from '../../../../src/core/ir/print.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import { type Checked, checkSteps, type Outputs, reference } from './random/check.ts';
import { anyPlan, graphOf, type Plan, type RandomGraph, sideBySide } from './random/generate.ts';

const count = Number(process.env.WHITTLE_RANDOM_GRAPHS ?? 2000);
const firstSeed = Number(process.env.WHITTLE_RANDOM_SEED ?? 1);
// The time that the runtime takes for a session grows with the square of its nodes.
const BATCH = 10;
const ALONE_PER_BATCH = Number(process.env.WHITTLE_RANDOM_ALONE ?? 3);
const BATCHES_PER_TEST = 10;
const opsets = [17, 13, 21, 14, 18, 20, 23];
const SHRINK_MS = 20_000;

const steps = [...stepRegistry.values()].filter(({ section }) => section !== 'quantization').map(({ id }) => id);
const simplify = [...stepRegistry.values()]
  .filter(({ precision, optIn }) => precision !== 'lossy' && !optIn)
  .map(({ id }) => id);

/** A failure of a batch as one of a single, small graph. */
async function explain(seed: number, opset: number, ids: readonly string[], problems: readonly string[]) {
  const fails = async (plan: Plan): Promise<string | undefined> => {
    const graph = await graphOf(plan, opset, 'g_');
    const { problems: found } = await checkSteps(graph, await reference(graph), ids);
    return found.length > 0 ? `${found.join('\n')}\n${printModel(graph.model)}` : undefined;
  };
  const property = fc.asyncProperty(anyPlan, async (plan) => {
    const problem = await fails(plan);
    if (problem) throw new Error(problem);
  });
  const result = await fc.check(property, { seed, numRuns: BATCH, interruptAfterTimeLimit: SHRINK_MS });
  const head = `WHITTLE_RANDOM_SEED=${seed} opset ${opset}, steps ${ids.join(', ')}`;
  const [plan] = result.counterexample ?? [];
  if (!plan) return `${head}: only side by side\n${problems.join('\n')}`;
  return `${head}\n${JSON.stringify(plan)}\n${await fails(plan)}`;
}

interface Batch {
  readonly seed: number;
  readonly opset: number;
  readonly graph: RandomGraph;
  readonly expected: Outputs;
}

async function makeBatch(seed: number, size: number): Promise<Batch> {
  const opset = opsets[seed % opsets.length]!;
  const plans = fc.sample(anyPlan, { seed, numRuns: size });
  const graph = sideBySide(await Promise.all(plans.map((plan, at) => graphOf(plan, opset, `g${at}_`))));
  return { seed, opset, graph, expected: await reference(graph) };
}

async function expectKept({ seed, opset, graph, expected }: Batch, ids: readonly string[]): Promise<Checked> {
  const checked = await checkSteps(graph, expected, ids).catch(async (error: unknown) => {
    throw new Error(await explain(seed, opset, ids, [String(error)]), { cause: error });
  });
  if (checked.problems.length > 0) expect.fail(await explain(seed, opset, ids, checked.problems));
  return checked;
}

describe('random graphs', () => {
  const reached = new Set<string>();
  const batches = Math.ceil(count / BATCH);
  for (let start = 0; start < batches; start += BATCHES_PER_TEST) {
    const end = Math.min(start + BATCHES_PER_TEST, batches);
    it(`seeds ${firstSeed + start} to ${firstSeed + end - 1}, ${BATCH} graphs each`, async () => {
      for (let at = start; at < end; at++) {
        const seed = firstSeed + at;
        const batch = await makeBatch(seed, Math.min(BATCH, count - at * BATCH));
        const all = await expectKept(batch, simplify);
        const nodes = batch.graph.model.graph.nodes.length;
        expect(all.outcome.model.graph.nodes.length, `seed ${seed}`).toBeLessThanOrEqual(nodes);
        const rng = createRng(`choice ${seed}`);
        const some = await expectKept(batch, rng.shuffle(steps.filter(() => rng.int(2) === 0)));
        const alone: Checked[] = [];
        for (let pass = 0; pass < ALONE_PER_BATCH; pass++)
          alone.push(await expectKept(batch, [steps[(at * ALONE_PER_BATCH + pass) % steps.length]!]));
        for (const { outcome } of [all, some, ...alone])
          for (const row of outcome.ledger) if (row.fired > 0) reached.add(row.step);
      }
    });
  }

  it('made nearly every step fire', () => {
    // Weights as inputs below IR version 4: these graphs have none.
    const others = ['weights-not-inputs'];
    expect(steps.filter((id) => !reached.has(id) && !others.includes(id))).toEqual([]);
  });
});
