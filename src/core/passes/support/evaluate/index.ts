/**
 * Computes a node from constant inputs without a runtime, for the operators that shape arithmetic and weight
 * reordering are made of. Everything else gives undefined and goes to the executor. Definitions: ONNX operator
 * specification up to opset 21.
 */
import { intAttr, intsAttr, tensorAttr } from '../../../ir/attributes.ts';
import { byteLengthOf, type DType, dtypeFromOnnx } from '../../../ir/dtype.ts';
import { smallValues, tensorFromBytes, tensorFromInts } from '../../../ir/tensor.ts';
import type { Node, Tensor } from '../../../ir/types.ts';
import { binary, cast, elementsOf, MAX_ELEMENTS, tensorOf, unary, where } from './arithmetic.ts';
import {
  concat,
  elementBytes,
  expand,
  gather,
  product,
  type SliceRange,
  slice,
  transpose,
  withDims,
} from './layout.ts';

/** Inputs by position; undefined where an optional input is left out. */
export type Operands = readonly (Tensor | undefined)[];

interface Evaluation {
  readonly node: Node;
  readonly inputs: Operands;
  readonly opset: number;
  /** Outputs larger than this are not computed. */
  readonly maxBytes: number;
}

type Outcome = Promise<Tensor[] | undefined> | Tensor[] | undefined;
type Evaluator = (evaluation: Evaluation) => Outcome;

const one = async (tensor: Promise<Tensor | undefined> | Tensor | undefined): Promise<Tensor[] | undefined> => {
  const result = await tensor;
  return result && [result];
};

/** Whole numbers of an operand, e.g. axes. Values beyond 2^53 (INT64_MAX as "to the end") come as the nearest number. */
function integers(tensor: Tensor | undefined): number[] | undefined {
  if (tensor === undefined || (tensor.dtype !== 'int64' && tensor.dtype !== 'int32')) return undefined;
  return smallValues(tensor);
}

/** Axes from an attribute (up to opset 12) or from an input. `absent`: neither is given. */
function axesOf({ node, inputs }: Evaluation, input: number): number[] | 'absent' | undefined {
  const attribute = intsAttr(node, 'axes');
  if (attribute) return attribute;
  return inputs[input] ? integers(inputs[input]) : 'absent';
}

const positive = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

function reshape({ node, inputs, opset }: Evaluation): Outcome {
  const [data] = inputs;
  const target = integers(inputs[1]) ?? (opset < 5 ? intsAttr(node, 'shape') : undefined);
  if (!data || !target) return undefined;
  const copyZero = intAttr(node, 'allowzero', 0) === 0;
  const dims = target.map((dim, axis) => (dim === 0 && copyZero ? (data.dims[axis] ?? -2) : dim));
  const free = dims.indexOf(-1);
  if (free >= 0) {
    const rest = product(dims.filter((_, axis) => axis !== free));
    if (rest <= 0 || product(data.dims) % rest !== 0) return undefined;
    dims[free] = product(data.dims) / rest;
  }
  return dims.some((dim) => dim < 0) ? undefined : one(withDims(data, dims));
}

function squeeze(evaluation: Evaluation): Outcome {
  const [data] = evaluation.inputs;
  const axes = axesOf(evaluation, 1);
  if (!data || axes === undefined) return undefined;
  const rank = data.dims.length;
  const drop =
    axes === 'absent'
      ? (dim: number) => dim === 1
      : (_: number, axis: number) => axes.some((given) => positive(given, rank) === axis);
  if (axes !== 'absent' && axes.some((axis) => data.dims[positive(axis, rank)] !== 1)) return undefined;
  return one(
    withDims(
      data,
      data.dims.filter((dim, axis) => !drop(dim, axis)),
    ),
  );
}

function unsqueeze(evaluation: Evaluation): Outcome {
  const [data] = evaluation.inputs;
  const axes = axesOf(evaluation, 1);
  if (!data || axes === undefined || axes === 'absent') return undefined;
  const rank = data.dims.length + axes.length;
  const added = new Set(axes.map((axis) => positive(axis, rank)));
  if (added.size !== axes.length || [...added].some((axis) => axis < 0 || axis >= rank)) return undefined;
  const rest = [...data.dims];
  return one(
    withDims(
      data,
      Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!)),
    ),
  );
}

function flatten({ node, inputs }: Evaluation): Outcome {
  const [data] = inputs;
  if (!data) return undefined;
  const axis = positive(intAttr(node, 'axis', 1), data.dims.length);
  return one(withDims(data, [product(data.dims.slice(0, axis)), product(data.dims.slice(axis))]));
}

function transposeNode({ node, inputs }: Evaluation): Outcome {
  const [data] = inputs;
  if (!data) return undefined;
  const perm = intsAttr(node, 'perm') ?? data.dims.map((_, axis) => data.dims.length - 1 - axis);
  return perm.length === data.dims.length ? one(transpose(data, perm)) : undefined;
}

/** The ranges a Slice node takes, from attributes (opset < 10) or inputs; undefined when one is not constant. */
export function sliceRanges(node: Node, inputs: Operands, opset: number): SliceRange[] | undefined {
  const fromAttributes = opset < 10;
  const starts = fromAttributes ? intsAttr(node, 'starts') : integers(inputs[1]);
  const ends = fromAttributes ? intsAttr(node, 'ends') : integers(inputs[2]);
  const axes = fromAttributes ? intsAttr(node, 'axes') : inputs[3] ? integers(inputs[3]) : [];
  const steps = fromAttributes || !inputs[4] ? [] : integers(inputs[4]);
  if (!starts || !ends || starts.length !== ends.length || !steps) return undefined;
  if (axes === undefined && !fromAttributes) return undefined;
  return starts.map((start, at) => ({
    axis: axes?.length ? axes[at]! : at,
    start,
    end: ends[at]!,
    step: steps[at] ?? 1,
  }));
}

function sliceNode({ node, inputs, opset }: Evaluation): Outcome {
  const [data] = inputs;
  const ranges = sliceRanges(node, inputs, opset);
  return data && ranges ? one(slice(data, ranges)) : undefined;
}

async function split(evaluation: Evaluation): Promise<Tensor[] | undefined> {
  const { node, inputs } = evaluation;
  const [data] = inputs;
  if (!data) return undefined;
  const axis = positive(intAttr(node, 'axis', 0), data.dims.length);
  const size = data.dims[axis];
  if (size === undefined) return undefined;
  const even = Math.ceil(size / node.outputs.length);
  const sizes =
    intsAttr(node, 'split') ??
    (inputs[1] ? integers(inputs[1]) : node.outputs.map((_, at) => Math.max(0, Math.min(even, size - at * even))));
  if (!sizes || sizes.length !== node.outputs.length || sizes.reduce((a, b) => a + b, 0) !== size) return undefined;
  const pieces: Tensor[] = [];
  let start = 0;
  for (const length of sizes) {
    const piece = await slice(data, [{ axis, start, end: start + length, step: 1 }]);
    if (!piece) return undefined;
    pieces.push(piece);
    start += length;
  }
  return pieces;
}

function concatNode({ node, inputs, opset }: Evaluation): Outcome {
  if (inputs.some((input) => input === undefined)) return undefined;
  return one(concat(inputs as Tensor[], intAttr(node, 'axis', opset < 4 ? 1 : 0)));
}

function gatherNode({ node, inputs }: Evaluation): Outcome {
  const [data, index] = inputs;
  const indices = integers(index);
  if (!data || !index || !indices) return undefined;
  return one(gather(data, indices, index.dims, intAttr(node, 'axis', 0)));
}

function expandNode({ inputs, maxBytes }: Evaluation): Outcome {
  const [data] = inputs;
  const shape = integers(inputs[1]);
  if (!data || !shape || shape.some((dim) => dim < 0)) return undefined;
  if (product(shape) * (elementBytes(data) ?? 1) > maxBytes) return undefined;
  return one(expand(data, shape));
}

function shapeNode({ node, inputs }: Evaluation): Outcome {
  const [data] = inputs;
  if (!data) return undefined;
  const end = node.attributes.has('end') ? intAttr(node, 'end', 0) : data.dims.length;
  const dims = data.dims.slice(intAttr(node, 'start', 0), end);
  return [tensorFromInts('', [dims.length], dims)];
}

function constantOfShape({ node, inputs, maxBytes }: Evaluation): Outcome {
  const dims = inputs[0] && product(inputs[0].dims) === 0 ? [] : integers(inputs[0]);
  const value = tensorAttr(node, 'value');
  if (!dims || dims.some((dim) => dim < 0)) return undefined;
  const dtype: DType = value?.dtype ?? 'float32';
  const count = product(dims);
  if (dtype === 'string' || byteLengthOf(dtype, count) > maxBytes || byteLengthOf(dtype, 1) * 8 < 8) return undefined;
  const itemBytes = value ? elementBytes(value) : 4;
  const item = value?.data.kind === 'bytes' ? value.data.bytes : value ? undefined : new Uint8Array(4);
  if (itemBytes === undefined || item?.byteLength !== itemBytes) return undefined;
  const bytes = new Uint8Array(count * itemBytes);
  if (item.some((byte) => byte !== 0)) for (let at = 0; at < bytes.length; at += itemBytes) bytes.set(item, at);
  return [tensorFromBytes('', dtype, dims, bytes)];
}

async function range({ inputs, maxBytes }: Evaluation): Promise<Tensor[] | undefined> {
  const [start, limit, delta] = inputs.map(integers);
  const dtype = inputs[0]?.dtype;
  if (!start || !limit || !delta || delta[0] === 0 || (dtype !== 'int64' && dtype !== 'int32')) return undefined;
  const count = Math.max(0, Math.ceil((limit[0]! - start[0]!) / delta[0]!));
  if (count > MAX_ELEMENTS || byteLengthOf(dtype, count) > maxBytes) return undefined;
  const values = Array.from({ length: count }, (_, at) => start[0]! + at * delta[0]!);
  return [tensorOf(dtype, [count], dtype === 'int64' ? values.map(BigInt) : values)];
}

async function reduceProd({ node, inputs, opset }: Evaluation): Promise<Tensor[] | undefined> {
  const [data] = inputs;
  const values = data?.dtype === 'int64' ? await elementsOf(data) : undefined;
  if (!data || !values || data.dims.length > 1 || (opset >= 18 && inputs[1])) return undefined;
  const total = values.reduce<bigint>((all, value) => BigInt.asIntN(64, all * (value as bigint)), 1n);
  const keep = intAttr(node, 'keepdims', 1) === 1;
  return [tensorOf('int64', keep ? data.dims.map(() => 1) : [], [total])];
}

function castNode({ node, inputs }: Evaluation): Outcome {
  const to = dtypeFromOnnx(intAttr(node, 'to', 0));
  const [data] = inputs;
  if (!data || !to) return undefined;
  return data.dtype === to ? one(data) : one(cast(data, to));
}

const binaryNode: Evaluator = ({ node, inputs }) => {
  const [a, b] = inputs;
  if (!a || !b || inputs.length !== 2 || node.attributes.has('broadcast')) return undefined;
  return one(binary(node.opType, a, b));
};

const unaryNode: Evaluator = ({ node, inputs }) => (inputs[0] ? one(unary(node.opType, inputs[0])) : undefined);

const evaluators: ReadonlyMap<string, Evaluator> = new Map<string, Evaluator>([
  ['Identity', ({ inputs }) => inputs[0] && [inputs[0]]],
  ['Reshape', reshape],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Flatten', flatten],
  ['Transpose', transposeNode],
  ['Slice', sliceNode],
  ['Split', split],
  ['Concat', concatNode],
  ['Gather', gatherNode],
  ['Expand', expandNode],
  ['Shape', shapeNode],
  ['Size', ({ inputs }) => inputs[0] && [tensorFromInts('', [], [product(inputs[0].dims)])]],
  ['ConstantOfShape', constantOfShape],
  ['Range', range],
  ['ReduceProd', reduceProd],
  ['Cast', castNode],
  ['Where', ({ inputs: [condition, a, b] }) => (condition && a && b ? one(where(condition, a, b)) : undefined)],
  ...['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Equal', 'Less', 'Greater', 'LessOrEqual', 'GreaterOrEqual']
    .concat(['And', 'Or', 'Xor'])
    .map((name) => [name, binaryNode] as const),
  ...['Neg', 'Abs', 'Not', 'Sqrt', 'Floor', 'Ceil'].map((name) => [name, unaryNode] as const),
]);

/** Is there an evaluator for the operator at all? */
export function canEvaluate(node: Node): boolean {
  return node.domain === '' && evaluators.has(node.opType);
}

/**
 * Computes the node.
 * @param maxBytes refuse outputs above this size before making them
 * @returns one tensor an output, or undefined when this node must go to the runtime
 */
export async function evaluateNode(
  node: Node,
  inputs: Operands,
  opset: number,
  maxBytes: number,
): Promise<readonly Tensor[] | undefined> {
  const evaluator = node.domain === '' ? evaluators.get(node.opType) : undefined;
  const outputs = await evaluator?.({ node, inputs, opset, maxBytes });
  return outputs?.length === node.outputs.length ? outputs : undefined;
}
