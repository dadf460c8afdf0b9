/** Steps that lie: no step of the registry does, so what the run does with such is shown with these. */
import { z } from 'zod';
import type { Model } from '../../../../src/core/ir/types.ts';
import { defineStep, runsEverywhere, type StepContext, type StepDefinition } from '../../../../src/core/step/define.ts';
import { model, noise, scalar } from '../passes/helpers.ts';

/** The model that wrong steps are tried on. */
export const subject = (): Model =>
  model({
    inputs: { x: ['n', 8] },
    outputs: ['y', 'z'],
    weights: { w: noise('w', [8, 8]), b: noise('b', [8]), two: scalar(2) },
    nodes: ['m = MatMul(x, w)', 'a = Add(m, b)', 'i = Identity(a)', 'y = Relu(i)', 'z = Mul(a, two)'],
  });

export function stepThat(id: string, run: (ctx: StepContext) => void, rest: Partial<StepDefinition> = {}) {
  const definition = defineStep({
    id,
    title: `The step ${id}`,
    summary: '',
    section: 'fusion',
    order: 250,
    params: z.object({}),
    precision: 'exact-within-fp',
    needs: {},
    source: 'none',
    runsOn: () => runsEverywhere,
    run: async (ctx) => run(ctx),
    ...rest,
  } as StepDefinition);
  return { definition, params: {} };
}

/** Relu becomes LeakyRelu, once. */
export const wrong = (id = 'wrong') =>
  stepThat(id, ({ model: draft, ledger }) => {
    for (const relu of draft.graph.nodes)
      if (relu.opType === 'Relu') {
        relu.opType = 'LeakyRelu';
        ledger.record('made it leaky', ['y']);
      }
  });
