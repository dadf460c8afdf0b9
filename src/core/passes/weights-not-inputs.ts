import { z } from 'zod';
import { defineStep, runsEverywhere } from '../step/define.ts';

const params = z.object({
  overridable: z.boolean().default(false).meta({
    title: 'Also fix overridable inputs',
    description:
      'From IR version 4 on a caller may replace an initializer that is also an input. Switch on to give that up and let the weights be folded.',
  }),
});

/**
 * Below IR version 4 every weight had to be listed as a graph input although no caller could set it. Such entries go,
 * and the model becomes IR version 4, which is what allows that.
 */
export const step = defineStep({
  id: 'weights-not-inputs',
  title: 'Weights are no inputs',
  summary: 'Takes weights out of the list of graph inputs, where old exporters repeated them.',
  section: 'cleanup',
  order: 100,
  params,
  precision: 'exact',
  needs: {},
  source: 'ONNX IR specification, "Graphs": initializers and inputs before and after IR version 4',
  runsOn: () => runsEverywhere,
  run: async (ctx, { overridable }) => {
    const { model } = ctx;
    const { graph } = model;
    const isOld = model.irVersion < 4;
    if (!isOld && !overridable) return;
    for (const { name } of graph.inputs) {
      if (graph.initializers.has(name)) ctx.ledger.record('took a weight out of the inputs', [name]);
    }
    graph.inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
    if (isOld) model.irVersion = 4;
  },
});
