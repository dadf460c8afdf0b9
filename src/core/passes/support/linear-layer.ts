/**
 * Conv, ConvTranspose and Gemm seen as one thing: a linear map with a constant weight and an optional constant bias,
 * whose output channels can be scaled and shifted by changing both. Layouts: ONNX Conv-11, ConvTranspose-11, Gemm-13.
 */
import { floatAttr, intAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { constantInput } from './constants.ts';
import { isOp } from './scopes.ts';
import {
  channelValues,
  isCostlyToCopy,
  isFloatWeight,
  keepNumbers,
  type Numbers,
  numbersLike,
  readNumbers,
  setWeight,
} from './weights.ts';

export interface LinearLayer {
  readonly node: Node;
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  /** Output channels. */
  readonly channels: number;
  /** Rank of the output; its axis 1 is the channel. */
  readonly rank: number;
}

/** Recognizes a layer with constant float weights; undefined for everything else. */
export function linearLayer(editor: GraphEditor, node: Node | undefined): LinearLayer | undefined {
  if (!isOp(node, 'Conv', 'ConvTranspose', 'Gemm')) return undefined;
  const weight = constantInput(editor, node, 1);
  const biasName = node.inputs[2] ?? '';
  const bias = biasName === '' ? undefined : editor.constantOf(biasName);
  if (!isFloatWeight(weight) || (biasName !== '' && !isFloatWeight(bias))) return undefined;
  if (bias && bias.dtype !== weight.dtype) return undefined;
  const channels = channelCount(node, weight);
  if (channels === undefined || isCostlyToCopy(editor, node, 1)) return undefined;
  return { node, weight, bias, channels, rank: weight.dims.length };
}

function channelCount(node: Node, weight: Tensor): number | undefined {
  if (node.opType === 'Gemm') {
    const isPlain = floatAttr(node, 'alpha', 1) === 1 && floatAttr(node, 'beta', 1) === 1 && weight.dims.length === 2;
    return isPlain ? weight.dims[intAttr(node, 'transB', 0) === 1 ? 0 : 1] : undefined;
  }
  if (weight.dims.length < 3) return undefined;
  const group = intAttr(node, 'group', 1);
  return node.opType === 'Conv' ? weight.dims[0] : weight.dims[1]! * group;
}

/** Scale and shift of every output channel: y * scale + shift. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

export function identityAffine(channels: number): Affine {
  return { scale: new Float64Array(channels).fill(1), shift: new Float64Array(channels) };
}

/** First `a`, then `b`. */
export function composeAffine(a: Affine, b: Affine): Affine {
  return {
    scale: a.scale.map((value, at) => value * b.scale[at]!),
    shift: a.shift.map((value, at) => value * b.scale[at]! + b.shift[at]!),
  };
}

/** Changes weight and bias so that the layer's output is scaled and shifted. @returns false when that overflows */
export async function applyAffine(
  ctx: StepContext,
  editor: GraphEditor,
  layer: LinearLayer,
  { scale, shift }: Affine,
): Promise<boolean> {
  const { node, weight, bias, channels } = layer;
  const oldBias = bias ? await channelValues(bias, channels) : new Float64Array(channels);
  if (oldBias === undefined) return false;
  const newBias = numbersLike(weight.dtype, channels);
  for (let at = 0; at < channels; at++) newBias[at] = oldBias[at]! * scale[at]! + shift[at]!;
  const isScaled = scale.some((value) => value !== 1);
  const newWeight = isScaled ? scaleChannels(layer, await readNumbers(weight), scale) : undefined;
  const biasName = node.inputs[2] || `${node.outputs[0]}.bias`;
  const biasTensor = await keepNumbers(ctx, biasName, weight.dtype, [channels], newBias);
  const weightTensor = newWeight && (await keepNumbers(ctx, node.inputs[1]!, weight.dtype, weight.dims, newWeight));
  if (!biasTensor || (newWeight && !weightTensor)) return false;
  if (weightTensor) setWeight(editor, node, 1, weightTensor);
  setWeight(editor, node, 2, biasTensor);
  return true;
}

/** Where the output channel runs in the weight: index = (outer * channels + channel) * inner + rest. */
function channelLayout({ node, weight }: LinearLayer): { outer: number; channels: number; inner: number } {
  const { dims } = weight;
  const inner = (from: number) => dims.slice(from).reduce((total, dim) => total * dim, 1);
  if (node.opType === 'Conv') return { outer: 1, channels: dims[0]!, inner: inner(1) };
  if (node.opType === 'ConvTranspose') return { outer: dims[0]!, channels: dims[1]!, inner: inner(2) };
  if (intAttr(node, 'transB', 0) === 1) return { outer: 1, channels: dims[0]!, inner: dims[1]! };
  return { outer: dims[0]!, channels: dims[1]!, inner: 1 };
}

function scaleChannels(layer: LinearLayer, values: Numbers, scale: Float64Array): Numbers {
  const { outer, channels, inner } = channelLayout(layer);
  const group = layer.node.opType === 'ConvTranspose' ? intAttr(layer.node, 'group', 1) : 1;
  const rowsPerGroup = Math.max(1, outer / group);
  const result = numbersLike(layer.weight.dtype, values.length);
  let at = 0;
  for (let row = 0; row < outer; row++) {
    const base = group === 1 ? 0 : Math.floor(row / rowsPerGroup) * channels;
    for (let channel = 0; channel < channels; channel++) {
      const factor = scale[base + channel]!;
      for (let rest = 0; rest < inner; rest++, at++) result[at] = values[at]! * factor;
    }
  }
  return result;
}
