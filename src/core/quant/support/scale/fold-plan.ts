/**
 * Whether a factor for each channel of a value can be taken into the constants of what makes it, exactly: back through
 * nodes that commute with positive factors to nodes whose weights scale their output.
 */
import { floatAttr, intAttr, intsAttr, stringAttr } from '../../../ir/attributes.ts';
import type { GraphEditor } from '../../../ir/editor.ts';
import { elementCount } from '../../../ir/tensor.ts';
import type { Dim, Node, Tensor } from '../../../ir/types.ts';
import { isDefaultDomain } from '../../../ir/walk.ts';
import { isInferenceBatchNorm } from '../../../passes/support/affine-nodes.ts';
import { scalarOf } from '../../../passes/support/constants.ts';
import { hasReferencedAttributes } from '../../../passes/support/scopes.ts';
import { isCostlyToCopy, isFloatWeight } from '../../../passes/support/weights.ts';

/** A constant operand that is multiplied along an axis, counted from its end. */
export interface ScaledConstant {
  readonly node: Node;
  readonly index: number;
  readonly axis: number;
}

export interface FoldPlan {
  readonly constants: readonly ScaledConstant[];
  /** Values whose channels change, the one asked about first, each with its axis from the end. */
  readonly values: readonly { readonly value: string; readonly axis: number }[];
  /** Clip nodes on the way whose one bound from above becomes one a channel. */
  readonly clips: readonly Node[];
}

export interface FoldQuestion {
  readonly editor: GraphEditor;
  /** Shapes of the graph's values, under the names that they have now. */
  readonly shapeOf: (value: string) => readonly Dim[] | undefined;
  /** Version of ai.onnx. */
  readonly opset: number;
  readonly channels: number;
  /** Pass through Clip(0, max) too: the caller gives every channel a bound of its own. */
  readonly mayBound?: boolean;
}

/** Longer chains are no producer and its movements; the bound keeps residual towers from being searched. */
const MAX_HOPS = 12;

/**
 * @param value the caller takes care of everything that reads it
 * @param axis of the channels, from the end
 * @returns why not, where it cannot be
 */
export function planFold(question: FoldQuestion, value: string, axis: number): FoldPlan | string {
  return follow(question, value, axis, MAX_HOPS);
}

function follow(question: FoldQuestion, value: string, axis: number, hops: number): FoldPlan | string {
  const { editor } = question;
  const node = editor.producerOf(value);
  if (!node) return 'it is an input of the graph';
  if (editor.isGraphOutput(value)) return 'it is an output of the graph';
  if (hasReferencedAttributes(node)) return 'its producer has attributes of a function';
  const own = { value, axis };
  const constants = absorbing(question, node, value, axis);
  if (constants) return { constants, values: [own], clips: [] };
  if (hops === 0) return 'its producer is too far away';
  let reason = `${node.opType} does not commute with a factor`;
  for (const next of passing(question, node, value, axis)) {
    const problem = otherReader(editor, next.value, node);
    const before = problem ?? follow(question, next.value, next.axis, hops - 1);
    if (typeof before === 'string') reason = before;
    else
      return {
        constants: [...next.constants, ...before.constants],
        values: [own, ...before.values],
        clips: isReluClip(question, node) || node.opType !== 'Clip' ? before.clips : [node, ...before.clips],
      };
  }
  return reason;
}

/** Nodes that see a value's shape only. */
export function readsShapeOnly(node: Node): boolean {
  return isDefaultDomain(node.domain) && (node.opType === 'Shape' || node.opType === 'Size');
}

function otherReader(editor: GraphEditor, value: string, reader: Node): string | undefined {
  if (editor.isGraphOutput(value)) return 'a value on the way is an output of the graph';
  // Mul(x, x) would be scaled twice.
  if (reader.inputs.filter((input) => input === value).length !== 1) return 'a value on the way is read twice';
  const isOther = (node: Node) => node !== reader && !readsShapeOnly(node);
  return editor.consumersOf(value).some(isOther) ? 'a value on the way is read elsewhere' : undefined;
}

const normalizations = new Set([
  'LayerNormalization',
  'SimplifiedLayerNormalization',
  'RMSNormalization',
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
]);

/** The constants that scale the output of a node; undefined where it has none or they do not fit. */
function absorbing(
  question: FoldQuestion,
  node: Node,
  value: string,
  axis: number,
): readonly ScaledConstant[] | undefined {
  if (node.outputs[0] !== value) return undefined;
  if (normalizations.has(node.opType)) return normParameters(question, node, axis);
  if (!isDefaultDomain(node.domain)) return undefined;
  switch (node.opType) {
    case 'Conv':
    case 'ConvTranspose':
      return convParameters(question, node, axis);
    case 'MatMul':
      return weightOf(question, node, 1, -1, axis);
    case 'Gemm':
      return gemmParameters(question, node, axis);
    case 'BatchNormalization':
      return isInferenceBatchNorm(question.editor, node, question.opset) && channelIsSecond(question, value, axis)
        ? both(question, node, 1, 2)
        : undefined;
    case 'InstanceNormalization':
      return channelIsSecond(question, value, axis) ? both(question, node, 1, 2) : undefined;
    case 'Mul':
      return constantOperand(question, node, axis, [0, 1]);
    case 'Div':
      return constantOperand(question, node, axis, [0]);
    default:
      return undefined;
  }
}

function floatConstant({ editor }: FoldQuestion, node: Node, index: number): Tensor | undefined {
  const tensor = editor.constantOf(node.inputs[index] ?? '');
  return isFloatWeight(tensor) && elementCount(tensor.dims) > 0 && !isCostlyToCopy(editor, node, index)
    ? tensor
    : undefined;
}

/** Gamma and, where there is one, beta, over the last axis. Skip variants: input, skip, gamma, beta, bias. */
function normParameters(question: FoldQuestion, node: Node, axis: number): ScaledConstant[] | undefined {
  if (axis !== -1 || intAttr(node, 'axis', -1) < -1) return undefined;
  const isSkip = node.opType.startsWith('Skip');
  const hasBeta = node.opType === 'LayerNormalization' || node.opType === 'SkipLayerNormalization';
  const gamma = isSkip ? 2 : 1;
  if (floatConstant(question, node, gamma)?.dims.join() !== `${question.channels}`) return undefined;
  const constants = [{ node, index: gamma, axis: -1 }];
  if (!hasBeta || (node.inputs[gamma + 1] ?? '') === '') return constants;
  if (floatConstant(question, node, gamma + 1)?.dims.join() !== `${question.channels}`) return undefined;
  return [...constants, { node, index: gamma + 1, axis: -1 }];
}

function channelIsSecond({ shapeOf }: FoldQuestion, value: string, axis: number): boolean {
  const rank = shapeOf(value)?.length;
  return rank !== undefined && rank >= 2 && axis === 1 - rank;
}

function both(question: FoldQuestion, node: Node, ...indices: number[]): ScaledConstant[] | undefined {
  const fits = (index: number) => floatConstant(question, node, index)?.dims.join() === `${question.channels}`;
  return indices.every(fits) ? indices.map((index) => ({ node, index, axis: -1 })) : undefined;
}

function convParameters(question: FoldQuestion, node: Node, axis: number): ScaledConstant[] | undefined {
  const weight = floatConstant(question, node, 1);
  if (!weight || weight.dims.length < 3 || axis !== 1 - weight.dims.length) return undefined;
  const isPlain = node.opType === 'Conv';
  if (!isPlain && intAttr(node, 'group', 1) !== 1) return undefined;
  const rank = weight.dims.length;
  if (weight.dims[isPlain ? 0 : 1] !== question.channels) return undefined;
  const constants = [{ node, index: 1, axis: isPlain ? -rank : 1 - rank }];
  if ((node.inputs[2] ?? '') === '') return constants;
  return floatConstant(question, node, 2) ? [...constants, { node, index: 2, axis: -1 }] : undefined;
}

function weightOf(
  question: FoldQuestion,
  node: Node,
  index: number,
  weightAxis: number,
  axis: number,
): ScaledConstant[] | undefined {
  const weight = floatConstant(question, node, index);
  if (axis !== -1 || !weight || weight.dims.length < 2 || weight.dims.at(weightAxis) !== question.channels)
    return undefined;
  return [{ node, index, axis: weightAxis }];
}

function gemmParameters(question: FoldQuestion, node: Node, axis: number): ScaledConstant[] | undefined {
  const weight = weightOf(question, node, 1, intAttr(node, 'transB', 0) === 0 ? -1 : -2, axis);
  if (!weight || (node.inputs[2] ?? '') === '' || floatAttr(node, 'beta', 1) === 0) return weight;
  const bias = floatConstant(question, node, 2);
  return bias && fitsAlong(bias, -1, question.channels) ? [...weight, { node, index: 2, axis: -1 }] : undefined;
}

function fitsAlong({ dims }: Tensor, axis: number, channels: number): boolean {
  const dim = dims.at(axis) ?? 1;
  return -axis > dims.length || dim === channels || dim === 1;
}

/** The constant of an elementwise node whose other operand has the channels in full. */
function constantOperand(
  question: FoldQuestion,
  node: Node,
  axis: number,
  indices: readonly number[],
): ScaledConstant[] | undefined {
  if (node.inputs.length !== 2) return undefined;
  for (const index of indices) {
    const constant = floatConstant(question, node, index);
    if (constant && fitsAlong(constant, axis, question.channels)) return [{ node, index, axis }];
  }
  return undefined;
}

interface Passage {
  readonly value: string;
  readonly axis: number;
  /** What is scaled besides: a bias that is added. */
  readonly constants: readonly ScaledConstant[];
}

/** Nodes that give f * y for f * x, channel by channel with f > 0. */
const homogeneous = new Set(['Relu', 'LeakyRelu', 'PRelu', 'Identity']);
/** The same, as long as they leave the channels alone, which must be the second axis. */
const pooling = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LpPool', 'GlobalLpPool']);
const movements = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Identity']);

/** Inputs that could be scaled in place of the output. */
function passing(question: FoldQuestion, node: Node, value: string, axis: number): readonly Passage[] {
  if (!isDefaultDomain(node.domain) || node.outputs[0] !== value) return [];
  const to = (index: number, constants: readonly ScaledConstant[] = []) => [
    { value: node.inputs[index]!, axis, constants },
  ];
  if (homogeneous.has(node.opType) || isReluClip(question, node)) return to(0);
  if (question.mayBound && clipBound(question, node) !== undefined) return to(0);
  const moved = throughMovement(question, node, axis);
  if (moved) return [{ ...moved, constants: [] }];
  if (pooling.has(node.opType) && (node.outputs[1] ?? '') === '')
    return channelIsSecond(question, value, axis) ? to(0) : [];
  switch (node.opType) {
    case 'Mul':
      return [0, 1].flatMap((index) => (hasChannels(question, node.inputs[index]!, axis) ? to(index) : []));
    case 'Div':
      return hasChannels(question, node.inputs[0]!, axis) ? to(0) : [];
    case 'Add':
    case 'Sub': {
      const [constant] = constantOperand(question, node, axis, [0, 1]) ?? [];
      if (!constant || !hasChannels(question, node.inputs[1 - constant.index]!, axis)) return [];
      return to(1 - constant.index, [constant]);
    }
    case 'MatMul':
      // Columns of the right operand are columns of the product.
      return axis === -1 && hasChannels(question, node.inputs[1]!, -1) ? to(1) : [];
    case 'Resize':
      return ['nearest', 'linear'].includes(stringAttr(node, 'mode', 'nearest')) &&
        stringAttr(node, 'coordinate_transformation_mode', '') !== 'tf_crop_and_resize' &&
        hasChannels(question, node.inputs[0]!, axis)
        ? to(0)
        : [];
    case 'Pad':
      return isZeroPad(question, node) && hasChannels(question, node.inputs[0]!, axis) ? to(0) : [];
    default:
      return [];
  }
}

/** The operand is not repeated along the channels. */
function hasChannels({ shapeOf, channels }: FoldQuestion, value: string, axis: number): boolean {
  return shapeOf(value)?.at(axis) === channels && -axis <= shapeOf(value)!.length;
}

function isReluClip({ editor }: FoldQuestion, node: Node): boolean {
  if (node.opType !== 'Clip') return false;
  if (node.inputs.length === 1) {
    const max = floatAttr(node, 'max', Number.POSITIVE_INFINITY);
    return floatAttr(node, 'min', Number.NEGATIVE_INFINITY) === 0 && max > 3.4e38;
  }
  const min = scalarOf(editor.constantOf(node.inputs[1] ?? ''));
  return min === 0 && (node.inputs[2] ?? '') === '';
}

/** The upper bound of Clip(0, max), ReLU6 for one; undefined for other nodes. */
export function clipBound({ editor }: Pick<FoldQuestion, 'editor'>, node: Node): number | undefined {
  if (node.opType !== 'Clip' || !isDefaultDomain(node.domain)) return undefined;
  const bound = (index: number, attribute: string) =>
    node.inputs.length === 1 ? floatAttr(node, attribute) : scalarOf(editor.constantOf(node.inputs[index] ?? ''));
  const max = bound(2, 'max');
  return bound(1, 'min') === 0 && max !== undefined && max > 0 && Number.isFinite(max) ? max : undefined;
}

function isZeroPad({ editor }: FoldQuestion, node: Node): boolean {
  if (stringAttr(node, 'mode', 'constant') !== 'constant') return true;
  if (floatAttr(node, 'value', 0) !== 0) return false;
  const value = node.inputs[2] ?? '';
  return value === '' || scalarOf(editor.constantOf(value)) === 0;
}

/** Where the channels of a movement's output lie in its input; undefined where they do not stay together. */
export function throughMovement(
  { shapeOf, channels }: Pick<FoldQuestion, 'shapeOf' | 'channels'>,
  node: Node,
  axis: number,
): { readonly value: string; readonly axis: number } | undefined {
  if (!isDefaultDomain(node.domain) || !movements.has(node.opType)) return undefined;
  const value = node.inputs[0]!;
  if (node.opType === 'Identity') return { value, axis };
  if (node.opType === 'Transpose') {
    const rank = intsAttr(node, 'perm')?.length ?? shapeOf(value)?.length;
    if (rank === undefined || rank + axis < 0) return undefined;
    const perm = intsAttr(node, 'perm') ?? Array.from({ length: rank }, (_, at) => rank - 1 - at);
    return { value, axis: perm[rank + axis]! - rank };
  }
  const [before, after] = [shapeOf(value), shapeOf(node.outputs[0]!)];
  if (!before || !after || after.at(axis) !== channels) return undefined;
  const wanted = sizeBehind(after, after.length + axis);
  if (wanted === undefined) return undefined;
  for (let at = before.length - 1; at >= 0; at -= 1)
    if (before[at] === channels && sizeBehind(before, at) === wanted) return { value, axis: at - before.length };
  return undefined;
}

/** Elements between two neighbours along an axis; undefined unless known. */
function sizeBehind(shape: readonly Dim[], axis: number): number | undefined {
  const dims = shape.slice(axis + 1);
  return dims.every((dim) => typeof dim === 'number') ? elementCount(dims as number[]) : undefined;
}
