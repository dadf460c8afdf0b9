import { z } from 'zod';
import { constantNodeTensor } from '../ir/constant.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { editEveryGraph, labelOf } from './support/scopes.ts';

/**
 * A Constant node becomes an initializer of the same name in the same graph. One whose output the graph returns stays:
 * runtimes differ in how they take an initializer as an output. Function bodies have no initializers and keep theirs.
 */
export const step = defineStep({
  id: 'lift-constants',
  title: 'Lift constants',
  summary: 'Turns Constant nodes into initializers, so that every weight is where runtimes and quantizers look for it.',
  section: 'cleanup',
  order: 110,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification, Constant-13',
  runsOn: () => runsEverywhere,
  run: (ctx) =>
    editEveryGraph(ctx, ({ editor, graph, nodes }) => {
      for (const node of nodes) {
        const output = node.outputs[0] ?? '';
        const tensor = constantNodeTensor(node);
        if (!tensor || output === '' || editor.isGraphOutput(output)) continue;
        editor.removeNode(node);
        graph.initializers.set(output, tensor.name === output ? tensor : { ...tensor, name: output });
        graph.valueInfo.delete(output);
        ctx.ledger.record('lifted a Constant to an initializer', [labelOf(node)], [output]);
      }
    }),
});
