import { z } from 'zod';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { isDeterministic } from './support/determinism.ts';
import { computationKey } from './support/node-key.ts';
import { editEveryGraph, labelOf } from './support/scopes.ts';

/** Outputs of the later node whose readers would have to change, with what they would read instead. */
function replacements(editor: GraphEditor, first: Node, second: Node): [string, string][] | undefined {
  const pairs: [string, string][] = [];
  for (const [at, from] of second.outputs.entries()) {
    if (from === '' || (!editor.isGraphOutput(from) && editor.consumersOf(from).length === 0)) continue;
    const to = first.outputs[at] ?? '';
    if (to === '' || editor.needsIdentity(from, to)) return undefined;
    pairs.push([from, to]);
  }
  return pairs;
}

/** Nodes without inputs (RandomUniform aside, Constant mostly) are merged as weights by their own step. */
export const step = defineStep({
  id: 'common-subexpressions',
  title: 'Merge equal computations',
  summary: 'Computes once what several nodes compute from the same inputs with the same attributes.',
  section: 'cleanup',
  order: 160,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'Local value numbering in topological order; random operators and nodes with subgraphs are left alone',
  runsOn: () => runsEverywhere,
  run: (ctx) =>
    editEveryGraph(
      ctx,
      ({ editor, nodes }) => {
        const seen = new Map<string, Node>();
        for (const node of nodes) {
          if (!isDeterministic(node) || node.inputs.length === 0) continue;
          const key = computationKey(node);
          if (key === undefined) continue;
          const first = seen.get(key);
          if (first === undefined) {
            seen.set(key, node);
            continue;
          }
          const pairs = replacements(editor, first, node);
          if (pairs === undefined) continue;
          for (const [from, to] of pairs) editor.replaceUses(from, to);
          editor.removeNode(node);
          ctx.ledger.record(`merged an equal ${node.opType}`, [labelOf(node)], [labelOf(first)]);
        }
      },
      { functions: true },
    ),
});
