import { z } from 'zod';
import { attrFloat } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { type HardSwishMatch, matchHardSwish } from './support/hardswish-pattern.ts';
import { prepareOpset, raiseOpsetParam } from './support/prepare-opset.ts';
import { containsOp, editEveryGraph, labelOf, type Scope } from './support/scopes.ts';

const OPSET = 14;
const ops = ['Clip', 'HardSigmoid', 'Min', 'Max'];

const params = z.object({
  form: z.enum(['HardSwish', 'HardSigmoid and Mul']).default('HardSwish').meta({
    title: 'Written as',
    description: 'One HardSwish (opset 14), or HardSigmoid and Mul, which every opset has. Runtimes compute the same.',
  }),
  raiseOpset: raiseOpsetParam('HardSwish', OPSET),
});

const findIn = (scope: Scope): HardSwishMatch[] =>
  scope.nodes.flatMap((node) => matchHardSwish(scope.editor, node, scope.opset) ?? []);

function fuse(ctx: StepContext, { editor }: Scope, { x, nodes }: HardSwishMatch, isWhole: boolean): void {
  const last = nodes.at(-1)!;
  const name = last.name;
  const [output] = last.outputs as [string];
  if (isWhole) {
    editor.replaceNode(last, [makeNode({ opType: 'HardSwish', name, inputs: [x], outputs: [output] })]);
  } else {
    const gate = editor.freshName(`${output}.gate`);
    const attributes = { alpha: attrFloat(Math.fround(1 / 6)), beta: attrFloat(0.5) };
    editor.replaceNode(last, [
      makeNode({ opType: 'HardSigmoid', inputs: [x], outputs: [gate], attributes }),
      makeNode({ opType: 'Mul', name, inputs: [x, gate], outputs: [output] }),
    ]);
  }
  for (const node of nodes.slice(0, -1)) editor.removeNode(node);
  ctx.ledger.record('fused a HardSwish', nodes.map(labelOf), [labelOf(editor.producerOf(output)!)]);
}

export const step = defineStep({
  id: 'fuse-hardswish',
  title: 'Fuse HardSwish',
  summary: 'Replaces x * clip(x + 3, 0, 6) / 6 by one operator.',
  section: 'fusion',
  order: 220,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source: 'Howard et al. 2019 (arXiv 1905.02244), section 5.2; ONNX HardSwish-14, HardSigmoid-6',
  runsOn: () => runsEverywhere,
  run: async (ctx, { form, raiseOpset }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const need = { stepId: 'fuse-hardswish', target: OPSET, mayRaise: raiseOpset, ops, find: findIn };
    const isWhole = form === 'HardSwish' && (await prepareOpset(ctx, need));
    const fuseIn = (scope: Scope) => {
      for (const match of findIn(scope)) {
        const isCurrent = match.nodes.every((node) => scope.editor.has(node));
        // Two nodes for two would repeat for ever.
        if (isCurrent && (isWhole || match.nodes.length > 2)) fuse(ctx, scope, match, isWhole);
      }
    };
    await editEveryGraph(ctx, fuseIn, { ops });
  },
});
