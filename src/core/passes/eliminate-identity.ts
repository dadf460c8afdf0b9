import { z } from 'zod';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { factsIn } from './support/facts.ts';
import { passedThrough } from './support/no-ops.ts';
import { editEveryGraph, hasReferencedAttributes, labelOf } from './support/scopes.ts';

/**
 * A node whose first output always equals one of its inputs goes, and its readers read that input. It stays where the
 * graph returns its output and the input cannot take over that name (it is a graph input, a weight, an outer value).
 */
export const step = defineStep({
  id: 'eliminate-identity',
  title: 'Remove no-ops',
  summary:
    'Removes Identity, inference-time Dropout, and casts, reshapes, transposes, pads, slices and arithmetic that change nothing, and what is done twice (Relu of Relu, Neg of Neg).',
  section: 'cleanup',
  order: 120,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification up to opset 21; shapes proven by symbolic inference',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, nodes, opset, kind }) => {
        const facts = factsIn(table, graph, kind);
        for (const node of nodes) {
          if (hasReferencedAttributes(node)) continue;
          const source = passedThrough({ editor, node, opset, facts });
          const output = node.outputs[0] ?? '';
          if (source === undefined || output === '' || source === output) continue;
          const others = node.outputs.slice(1).filter((name) => name !== '');
          if (others.some((name) => editor.isGraphOutput(name) || editor.consumersOf(name).length > 0)) continue;
          if (editor.needsIdentity(output, source)) continue;
          editor.replaceUses(output, source);
          editor.removeNode(node);
          ctx.ledger.record(`removed a ${node.opType} that changes nothing`, [labelOf(node)]);
        }
      },
      { functions: true },
    );
  },
});
