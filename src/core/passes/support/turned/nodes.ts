/**
 * Which operators compute the same when the axes of what flows through them come in another order, and what has to
 * change with it. One rule an operator.
 */
import { attrInt, attrInts, intAttr, intsAttr, setAttr } from '../../../ir/attributes.ts';
import { dtypeInfo } from '../../../ir/dtype.ts';
import type { GraphEditor } from '../../../ir/editor.ts';
import { elementCount, tensorFromInts } from '../../../ir/tensor.ts';
import type { Node, Tensor } from '../../../ir/types.ts';
import { broadcastOps, comparisonOps } from '../../../shape/ops/elementwise.ts';
import { reduceOps } from '../../../shape/ops/reduction.ts';
import { constantInput, intsOf } from '../constants.ts';
import { CONTRIB_DOMAIN } from '../contrib.ts';
import { type FactLookup, staticShape } from '../facts.ts';
import { isOp } from '../scopes.ts';
import { isCostlyToCopy } from '../weights.ts';

/** Axis `i` of a value, as it is, is axis `perm[i]` of the value in the region's own order. */
export type Perm = readonly number[];

export interface TurnQuestion {
  readonly editor: GraphEditor;
  readonly node: Node;
  readonly opset: number;
  readonly facts: FactLookup;
  readonly perm: Perm;
  /** Is the value one of those whose axes change their order? */
  readonly isTurned: (value: string) => boolean;
}

/** How a node joins the region. */
export interface Turn {
  /** Inputs whose axes change their order. */
  readonly flows: readonly number[];
  /** Constants whose axes must change theirs too. */
  readonly constants?: readonly number[];
  /** Of those constants: every axis stays, even where its size is 1. */
  readonly keepsRank?: boolean;
  /** The outputs are the same in either order: the region ends here at no cost. */
  readonly endsHere?: boolean;
  /** Changes of attributes and other inputs; the inputs named above are changed by the caller. */
  readonly adapt?: (editor: GraphEditor) => void;
}

type Rule = (question: TurnQuestion) => Turn | undefined;

/** Element by element, whatever the other inputs (limits, a dtype to imitate) are. */
const unary: readonly string[] = [
  ...['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'BitwiseNot', 'Cast', 'CastLike', 'Ceil', 'Celu'],
  ...['Clip', 'Cos', 'Cosh', 'Elu', 'Erf', 'Exp', 'Floor', 'Gelu', 'HardSigmoid', 'HardSwish', 'Identity', 'IsInf'],
  ...['IsNaN', 'LeakyRelu', 'Log', 'Mish', 'Neg', 'Not', 'Reciprocal', 'Relu', 'Round', 'Selu', 'Shrink', 'Sigmoid'],
  ...['Sign', 'Sin', 'Sinh', 'Softplus', 'Softsign', 'Sqrt', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu'],
];
const contribUnary: readonly string[] = ['Gelu', 'QuickGelu'];

const firstFlows: Rule = ({ node, isTurned }) =>
  isTurned(node.inputs[0]!) && !node.inputs.slice(1).some(isTurned) ? { flows: [0] } : undefined;

const isSingle = (tensor: Tensor | undefined) => tensor !== undefined && elementCount(tensor.dims) === 1;

/** Scale and zero point of the whole tensor; per axis they would need theirs moved, which no model has asked for. */
const quantization: Rule = (question) => {
  const { editor, node } = question;
  const parameters = node.inputs.slice(1).filter((name) => name !== '');
  return parameters.every((name) => isSingle(editor.constantOf(name))) ? firstFlows(question) : undefined;
};

/** A constant that can be brought into the other order without a large second copy. */
function canTurn({ editor, node, perm }: TurnQuestion, index: number): boolean {
  const tensor = constantInput(editor, node, index);
  return (
    tensor !== undefined &&
    tensor.dims.length <= perm.length &&
    tensor.dtype !== 'string' &&
    dtypeInfo[tensor.dtype].bits >= 8 &&
    !isCostlyToCopy(editor, node, index)
  );
}

const broadcast: Rule = (question) => {
  const { editor, node, opset, facts, perm, isTurned } = question;
  if (opset < 7) return undefined;
  const flows: number[] = [];
  const constants: number[] = [];
  for (const [index, name] of node.inputs.entries()) {
    if (isTurned(name)) {
      flows.push(index);
      continue;
    }
    const dims = editor.constantOf(name)?.dims ?? staticShape(facts(name));
    // Of one element, and of no rank that the result would take over.
    if (dims?.every((dim) => dim === 1) && dims.length <= perm.length) continue;
    if (!canTurn(question, index)) return undefined;
    constants.push(index);
  }
  return { flows, constants };
};

/** Along an axis; the last one is where kernels are fast, so it is not given up. */
const alongAxis: Rule = ({ node, opset, perm, isTurned }) => {
  if (opset < 13 || !isTurned(node.inputs[0]!)) return undefined;
  const axis = axisIn(perm, intAttr(node, 'axis', -1));
  if (axis === undefined) return undefined;
  const last = perm.length - 1;
  if (axis.before === last && axis.after !== last) return undefined;
  return { flows: [0], adapt: () => setAttr(node, 'axis', attrInt(axis.after)) };
};

function axisIn(perm: Perm, axis: number): { readonly before: number; readonly after: number } | undefined {
  const before = axis < 0 ? axis + perm.length : axis;
  const after = perm[before];
  return after === undefined ? undefined : { before, after };
}

const split: Rule = ({ node, perm, isTurned }) => {
  const axis = axisIn(perm, intAttr(node, 'axis', 0));
  if (!axis || !isTurned(node.inputs[0]!)) return undefined;
  return { flows: [0], adapt: () => setAttr(node, 'axis', attrInt(axis.after)) };
};

const concat: Rule = (question) => {
  const { editor, node, perm, isTurned } = question;
  const axis = axisIn(perm, intAttr(node, 'axis', 0));
  if (!axis) return undefined;
  const flows: number[] = [];
  const constants: number[] = [];
  for (const [index, name] of node.inputs.entries()) {
    if (isTurned(name)) flows.push(index);
    else if (editor.constantOf(name)?.dims.length === perm.length && canTurn(question, index)) constants.push(index);
    else return undefined;
  }
  return { flows, constants, keepsRank: true, adapt: () => setAttr(node, 'axis', attrInt(axis.after)) };
};

/** Without the reduced axes, the others may stand in one order either way: then nothing needs to be turned back. */
const reduce: Rule = ({ editor, node, perm, isTurned }) => {
  if (!isTurned(node.inputs[0]!)) return undefined;
  const given = intsAttr(node, 'axes') ?? intsOf(constantInput(editor, node, 1));
  const axes = given?.map((axis) => axisIn(perm, axis));
  if (!axes?.length || axes.some((axis) => axis === undefined)) return undefined;
  const keepsAxes = intAttr(node, 'keepdims', 1) === 1;
  const before = new Set(axes.map((axis) => axis!.before));
  const rest = perm.filter((_, axis) => !before.has(axis));
  if (!keepsAxes && rest.some((axis, at) => at > 0 && axis < rest[at - 1]!)) return undefined;
  const after = axes.map((axis) => axis!.after);
  return { flows: [0], endsHere: !keepsAxes, adapt: (inner) => setList(inner, node, 'axes', 1, after) };
};

function setList(editor: GraphEditor, node: Node, name: string, index: number, values: readonly number[]): void {
  if (node.attributes.has(name)) {
    setAttr(node, name, attrInts(values));
    return;
  }
  const constant = editor.addInitializer(tensorFromInts(`${node.inputs[index]}.turned`, [values.length], values));
  editor.setInputs(node, node.inputs.with(index, constant));
}

/** @returns what stands in the list for each axis, in the region's order of the axes */
export const moved = (perm: Perm, list: readonly number[]): number[] => {
  const result: number[] = [];
  for (const [before, after] of perm.entries()) result[after] = list[before]!;
  return result;
};

const pad: Rule = ({ editor, node, opset, perm, isTurned }) => {
  const rank = perm.length;
  const pads = opset < 11 ? undefined : intsOf(constantInput(editor, node, 1));
  if (pads?.length !== 2 * rank || node.inputs[3] || !isTurned(node.inputs[0]!)) return undefined;
  const turned = [...moved(perm, pads.slice(0, rank)), ...moved(perm, pads.slice(rank))];
  return { flows: [0], adapt: (inner) => setList(inner, node, 'pads', 1, turned) };
};

const slice: Rule = ({ editor, node, opset, perm, isTurned }) => {
  const axes =
    opset < 10 ? undefined : intsOf(constantInput(editor, node, 3))?.map((axis) => axisIn(perm, axis)?.after);
  if (!axes || axes.some((axis) => axis === undefined) || !isTurned(node.inputs[0]!)) return undefined;
  return { flows: [0], adapt: (inner) => setList(inner, node, 'axes', 3, axes as number[]) };
};

/** The last two axes change places and no others: (A B)ᵀ = Bᵀ Aᵀ. */
export const swapsMatrices = (perm: Perm): boolean =>
  perm.length >= 2 &&
  perm.every((axis, at) => axis === (at === perm.length - 1 ? at - 1 : at === perm.length - 2 ? at + 1 : at));

const keepsLast = (perm: Perm): boolean => perm.at(-1) === perm.length - 1;

/**
 * With a matrix of the model: on the right it stays where the last axis does; otherwise, on either side, it is turned as
 * well and changes sides.
 */
const product: Rule = (question) => {
  const { editor, node, perm, isTurned } = question;
  const flow = node.inputs.findIndex(isTurned);
  const weight = editor.constantOf(node.inputs[1 - flow] ?? '');
  if (flow === 0 && weight?.dims.length === 2 && keepsLast(perm)) return { flows: [0] };
  if (!swapsMatrices(perm) || weight?.dims.length !== 2 || !canTurn(question, 1 - flow)) return undefined;
  return {
    flows: [flow],
    constants: [1 - flow],
    keepsRank: true,
    adapt: (inner) => inner.setInputs(node, [...node.inputs].reverse()),
  };
};

/** Of the last axis alone. */
const normalization: Rule = (question) => {
  const { node, perm } = question;
  const isOfLast = [-1, perm.length - 1].includes(intAttr(node, 'axis', -1));
  return isOfLast && keepsLast(perm) && node.outputs.length === 1 ? firstFlows(question) : undefined;
};

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...unary.map((op): [string, Rule] => [op, firstFlows]),
  ...[...broadcastOps, ...comparisonOps, 'Where', 'PRelu'].map((op): [string, Rule] => [op, broadcast]),
  ...['Softmax', 'LogSoftmax', 'Hardmax'].map((op): [string, Rule] => [op, alongAxis]),
  ...reduceOps.map((op): [string, Rule] => [op, reduce]),
  ...['QuantizeLinear', 'DequantizeLinear'].map((op): [string, Rule] => [op, quantization]),
  ...['LayerNormalization', 'RMSNormalization'].map((op): [string, Rule] => [op, normalization]),
  ['Split', split],
  ['Concat', concat],
  ['Pad', pad],
  ['Slice', slice],
  ['MatMul', product],
]);

/** Nodes of more inputs stay out: each new value would ask for all of them again. */
const MAX_INPUTS = 64;

/** @returns how the node can be computed in the other order of the axes; undefined where it cannot */
export function turnOf(question: TurnQuestion): Turn | undefined {
  const { node } = question;
  if (node.inputs.length > MAX_INPUTS) return undefined;
  if (node.domain === CONTRIB_DOMAIN) {
    return contribUnary.includes(node.opType) && node.inputs.length === 1 ? firstFlows(question) : undefined;
  }
  const rule = rules.get(node.opType);
  return rule && isOp(node, node.opType) ? rule(question) : undefined;
}
