import { z } from 'zod';
import { stringAttr } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { isDefaultDomain } from '../ir/walk.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { CONTRIB_DOMAIN, contribSupport, importContrib, operatorsParam } from './support/contrib.ts';
import { type FactLookup, factsIn } from './support/facts.ts';
import { madeBy, otherOperand } from './support/pattern.ts';
import { containsOp, editEveryGraph, hasReferencedAttributes, labelOf } from './support/scopes.ts';

const ops = ['Gelu', 'FastGelu'];
/** Kernels of BiasGelu; FastGelu has no more on WebGPU. */
const dtypes = new Set(['float32', 'float16']);

/** BiasGelu is the form with erf, FastGelu the one with tanh. */
function fusedType(node: Node): 'BiasGelu' | 'FastGelu' | undefined {
  if (hasReferencedAttributes(node) || node.inputs.length !== 1) return undefined;
  if (node.domain === CONTRIB_DOMAIN) {
    return node.opType === 'Gelu' ? 'BiasGelu' : node.opType === 'FastGelu' ? 'FastGelu' : undefined;
  }
  if (!isDefaultDomain(node.domain) || node.opType !== 'Gelu') return undefined;
  return stringAttr(node, 'approximate', 'none') === 'tanh' ? 'FastGelu' : 'BiasGelu';
}

/** The Add before, of a value and one constant number for each of its last axis. */
function match(editor: GraphEditor, node: Node, facts: FactLookup) {
  const add = madeBy(editor, node.inputs[0], 'Add');
  if (!add || !editor.singleConsumer(add.outputs[0]!)) return undefined;
  for (const bias of add.inputs) {
    const x = otherOperand(add, bias);
    const tensor = editor.constantOf(bias);
    if (x === undefined || tensor?.dims.length !== 1 || !dtypes.has(tensor.dtype) || editor.constantOf(x)) continue;
    if (facts(x)?.shape?.at(-1) === tensor.dims[0]) return { add, x, bias };
  }
  return undefined;
}

/** After fuse-matmul-add, which takes a bias first: a Gemm adds it for nothing. */
export const step = defineStep({
  id: 'fuse-bias-gelu',
  title: 'Fuse bias + GELU',
  summary: 'Takes the bias that is added before a GELU into the operator.',
  section: 'fusion',
  order: 270,
  params: z.object({
    operators: operatorsParam(
      'any: BiasGelu and FastGelu of onnxruntime. standard: there is no such operator, so nothing is fused.',
    ),
  }),
  precision: 'exact-within-fp',
  needs: {},
  source: 'com.microsoft.BiasGelu-1 and FastGelu-1 of onnxruntime 1.30 (ContribOperators.md)',
  runsOn: ({ operators }) =>
    operators === 'any' ? { ...runsEverywhere, ...contribSupport('BiasGelu') } : runsEverywhere,
  run: async (ctx, { operators }) => {
    if (operators === 'standard' || !containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, nodes, graph, kind }) => {
        const facts = factsIn(table, graph, kind);
        for (const node of nodes) {
          const opType = fusedType(node);
          const found = opType && match(editor, node, facts);
          if (!found) continue;
          const fused = makeNode({
            opType,
            domain: importContrib(ctx.model),
            name: node.name,
            inputs: [found.x, found.bias],
            outputs: [...node.outputs],
          });
          editor.removeNode(found.add);
          editor.replaceNode(node, [fused]);
          ctx.ledger.record(`fused a bias into a GELU (${opType})`, [found.add, node].map(labelOf), [labelOf(fused)]);
        }
      },
      { ops },
    );
  },
});
