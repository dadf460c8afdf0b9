import { z } from 'zod';
import { attrString } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { contribSupport, importContrib, operatorsParam } from './support/contrib.ts';
import { type GeluMatch, matchGelu } from './support/gelu-pattern.ts';
import { editEveryGraph, labelOf } from './support/scopes.ts';

/** Gelu became a standard operator here. */
const OPSET = 20;

const params = z.object({
  operators: operatorsParam(
    'any: Gelu of opset 20 where the model has it, else Gelu and FastGelu of onnxruntime. standard: only the former.',
  ),
});

function fusedNode(ctx: StepContext, { x, form }: GeluMatch, last: Node, opset: number): Node {
  const common = { name: last.name, inputs: [x], outputs: [...last.outputs] };
  if (opset >= OPSET) {
    const attributes = { approximate: attrString(form === 'tanh' ? 'tanh' : 'none') };
    return makeNode({ ...common, opType: 'Gelu', attributes });
  }
  return makeNode({ ...common, opType: form === 'tanh' ? 'FastGelu' : 'Gelu', domain: importContrib(ctx.model) });
}

const ops = ['Erf', 'Tanh'];

export const step = defineStep({
  id: 'fuse-gelu',
  title: 'Fuse GELU',
  summary: 'Replaces GELU written out with Erf or Tanh by one operator.',
  section: 'fusion',
  order: 210,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source:
    'Hendrycks and Gimpel 2016 (arXiv 1606.08415); ONNX Gelu-20, com.microsoft.Gelu-1 and FastGelu-1 of onnxruntime 1.30',
  runsOn: ({ operators }) => (operators === 'any' ? { ...runsEverywhere, ...contribSupport('Gelu') } : runsEverywhere),
  run: (ctx, { operators }) =>
    editEveryGraph(
      ctx,
      ({ editor, nodes, opset }) => {
        if (operators === 'standard' && opset < OPSET) return;
        for (const node of nodes) {
          const match = editor.has(node) ? matchGelu(editor, node) : undefined;
          if (!match) continue;
          const last = match.nodes.at(-1)!;
          const fused = fusedNode(ctx, match, last, opset);
          editor.replaceNode(last, [fused]);
          for (const gone of match.nodes.slice(0, -1)) editor.removeNode(gone);
          ctx.ledger.record(`fused a GELU (${match.form})`, match.nodes.map(labelOf), [labelOf(fused)]);
        }
      },
      { ops },
    ),
});
