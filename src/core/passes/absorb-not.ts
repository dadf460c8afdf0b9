import { z } from 'zod';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { removeIfUnread } from './support/merge.ts';
import { madeBy } from './support/pattern.ts';
import { editEveryGraph, isOp, labelOf } from './support/scopes.ts';

/** Its Not and what that negates, of a node that can do without. */
function negated(editor: GraphEditor, node: Node): { readonly not: Node; readonly value: string } | undefined {
  const not = isOp(node, 'Where', 'If', 'Not') ? madeBy(editor, node.inputs[0], 'Not') : undefined;
  return not && { not, value: not.inputs[0]! };
}

/** After fuse-attention, which reads masks as the exporters write them. */
export const step = defineStep({
  id: 'absorb-not',
  title: 'Absorb Not',
  summary:
    'A Where or If that is chosen by Not(c) is chosen by c, with its values or branches exchanged; Not(Not(c)) is c.',
  section: 'fusion',
  order: 236,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification: Not-1, Where-9, If-1',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    await editEveryGraph(
      ctx,
      ({ editor, nodes }) => {
        for (const node of nodes) {
          const found = editor.has(node) ? negated(editor, node) : undefined;
          if (!found) continue;
          const { not, value } = found;
          const names = [not, node].map(labelOf);
          if (isOp(node, 'Where')) {
            const [, whenTrue, whenFalse] = node.inputs as [string, string, string];
            editor.setInputs(node, [value, whenFalse, whenTrue]);
            ctx.ledger.record('exchanged the values of a Where for a Not', names, [labelOf(node)]);
          } else if (isOp(node, 'If')) {
            const branches = [node.attributes.get('then_branch')!, node.attributes.get('else_branch')!] as const;
            editor.setInputs(node, [value]);
            node.attributes.set('then_branch', branches[1]).set('else_branch', branches[0]);
            ctx.ledger.record('exchanged the branches of an If for a Not', names, [labelOf(node)]);
          } else {
            const output = node.outputs[0]!;
            if (editor.needsIdentity(output, value)) continue;
            editor.replaceUses(output, value);
            editor.removeNode(node);
            ctx.ledger.record('removed a double negation', names);
          }
          removeIfUnread(editor, not);
        }
      },
      { ops: ['Not'] },
    );
  },
});
