import { z } from 'zod';
import { attrFloats, attrString, floatAttr, setAttr } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { scalarOf } from './support/constants.ts';
import { contribSupport, importContrib, operatorsParam } from './support/contrib.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['Conv'];
const LARGEST_FLOAT32 = 3.4028234663852886e38;

/** Numbers that the fused operator takes for an activation; undefined for one that it does not know. */
function activationParams(editor: GraphEditor, node: Node, opset: number): number[] | undefined {
  switch (node.opType) {
    case 'Relu':
    case 'Sigmoid':
    case 'Tanh':
      return [];
    case 'LeakyRelu':
      return [floatAttr(node, 'alpha', 0.01)];
    case 'HardSigmoid':
      return [floatAttr(node, 'alpha', 0.2), floatAttr(node, 'beta', 0.5)];
    case 'Clip':
      return clipBounds(editor, node, opset);
    default:
      return undefined;
  }
}

/** Attributes before version 11, optional inputs since; the runtime has no fused form for bounds computed in the graph. */
function clipBounds(editor: GraphEditor, node: Node, opset: number): number[] | undefined {
  const bound = (at: 1 | 2, name: string, otherwise: number) => {
    if (opset < 11) return floatAttr(node, name, otherwise);
    return node.inputs[at] ? scalarOf(editor.constantOf(node.inputs[at])) : otherwise;
  };
  const [low, high] = [bound(1, 'min', -LARGEST_FLOAT32), bound(2, 'max', LARGEST_FLOAT32)];
  return low === undefined || high === undefined || low > high ? undefined : [low, high];
}

/** The one reader of a Conv in float32, where it is an activation with a fused form. */
function match(editor: GraphEditor, conv: Node, opset: number) {
  // Only weights show the type for certain, and a weight that is computed may be a quantized one at work.
  if (editor.constantOf(conv.inputs[1]!)?.dtype !== 'float32') return undefined;
  const activation = editor.singleConsumer(conv.outputs[0]!);
  if (!isOp(activation, 'Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid', 'Clip')) return undefined;
  if (activation.inputs[0] !== conv.outputs[0]) return undefined;
  const params = activationParams(editor, activation, opset);
  return params && { activation, params };
}

/** The input Z (a residual to add) is never used: WebGPU ignores it. */
export const step = defineStep({
  id: 'fuse-conv-activation',
  title: 'Fuse Conv + activation',
  summary: 'Lets a convolution apply the Relu, Clip, Sigmoid, Tanh, LeakyRelu or HardSigmoid that follows it.',
  section: 'fusion',
  order: 299,
  // Quantizers look for Conv, and the runtime's own fusion of a quantized Conv looks for it too.
  afterQuantization: true,
  params: z.object({
    operators: operatorsParam(
      'any: FusedConv of onnxruntime. standard: there is no such operator, so nothing is fused.',
    ),
  }),
  precision: 'exact-within-fp',
  needs: {},
  source:
    'com.microsoft.FusedConv-1 of onnxruntime 1.30 (ContribOperators.md; parameters as ConvActivationFusion sets them)',
  runsOn: ({ operators }) =>
    operators === 'any' ? { ...runsEverywhere, ...contribSupport('FusedConv') } : runsEverywhere,
  run: async (ctx, { operators }) => {
    if (operators === 'standard' || !containsOp(ctx.model.graph, ops)) return;
    await editEveryGraph(
      ctx,
      ({ editor, nodes, opset }) => {
        for (const node of nodes) {
          const found = isOp(node, ...ops) ? match(editor, node, opset) : undefined;
          if (!found) continue;
          const { activation, params } = found;
          const fused = makeNode({
            opType: 'FusedConv',
            domain: importContrib(ctx.model),
            name: node.name,
            inputs: [...node.inputs],
            outputs: [...activation.outputs],
          });
          for (const [name, attribute] of node.attributes) setAttr(fused, name, attribute);
          setAttr(fused, 'activation', attrString(activation.opType));
          if (params.length > 0) setAttr(fused, 'activation_params', attrFloats(params));
          editor.removeNode(activation);
          editor.replaceNode(node, [fused]);
          ctx.ledger.record(`fused Conv + ${activation.opType}`, [node, activation].map(labelOf), [labelOf(fused)]);
        }
      },
      { ops },
    );
  },
});
