/** Operators that work on each element, with broadcasting where there are several inputs. */
import type { DType } from '../../ir/dtype.ts';
import type { InferContext, InferFn } from '../context.ts';
import { broadcastShapes, type Shape } from '../facts.ts';
import { sameAsInput } from './helpers.ts';

export const unaryOps = [
  ...['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'BitwiseNot', 'Ceil', 'Celu', 'Clip', 'Cos', 'Cosh'],
  ...['Elu', 'Erf', 'Exp', 'Floor', 'Gelu', 'HardSigmoid', 'HardSwish', 'Hardmax', 'LeakyRelu', 'Log', 'LogSoftmax'],
  ...['Mish', 'Neg', 'Not', 'PRelu', 'Reciprocal', 'Relu', 'Round', 'Selu', 'Shrink', 'Sigmoid', 'Sign', 'Sin', 'Sinh'],
  ...['Softmax', 'Softplus', 'Softsign', 'Sqrt', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu'],
  ...['CumSum', 'CumProd', 'Trilu', 'ReverseSequence'],
] as const;

/** Broadcasting operators whose result has the dtype of their first input. */
export const broadcastOps = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Mod', 'Pow', 'BitShift', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor'],
  ...['Sum', 'Mean', 'Max', 'Min'],
] as const;

export const comparisonOps = [
  ...['And', 'Or', 'Xor', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'],
] as const;

export function broadcastInputs(c: InferContext, first = 0, count = c.inputCount - first): Shape | undefined {
  const shapes: (Shape | undefined)[] = [];
  for (let index = first; index < first + count; index++) shapes.push(c.shape(index));
  const result = broadcastShapes(shapes);
  if (!result && shapes.every((shape) => shape !== undefined))
    c.note('the shapes of the inputs do not broadcast together');
  return result;
}

/** Before opset 7, `broadcast=1` aligned the second input with `axis` of the first; the first gave the shape. */
function elementwiseShape(c: InferContext): Shape | undefined {
  return c.opset < 7 && c.int('broadcast', 0) === 1 ? c.shape(0) : broadcastInputs(c);
}

const firstKnownDtype = (c: InferContext): DType | undefined => {
  for (let index = 0; index < c.inputCount; index++) {
    const dtype = c.dtype(index);
    if (dtype) return dtype;
  }
  return undefined;
};

const broadcastLike: InferFn = (c) => {
  c.set(0, c.node.opType === 'Pow' ? c.dtype(0) : firstKnownDtype(c), elementwiseShape(c));
};

const compare: InferFn = (c) => c.set(0, 'bool', elementwiseShape(c));
const predicate: InferFn = (c) => c.set(0, 'bool', c.shape(0));

const where: InferFn = (c) => c.set(0, c.dtype(1) ?? c.dtype(2), broadcastInputs(c));

const cast: InferFn = (c) => {
  // Opset 1 gave the dtype by name.
  const named = c.text('to', '').toLowerCase();
  const byName = named === 'float' ? 'float32' : named === 'double' ? 'float64' : named;
  c.set(0, c.dtypeAttribute('to') ?? ((byName || undefined) as DType | undefined), c.shape(0));
};

const castLike: InferFn = (c) => c.set(0, c.dtype(1), c.shape(0));

const dropout: InferFn = (c) => {
  c.set(0, c.dtype(0), c.shape(0));
  c.set(1, c.opset < 10 ? c.dtype(0) : 'bool', c.shape(0));
};

export const elementwise: Record<string, InferFn> = {
  ...Object.fromEntries(unaryOps.map((op) => [op, sameAsInput])),
  ...Object.fromEntries(broadcastOps.map((op) => [op, broadcastLike])),
  ...Object.fromEntries(comparisonOps.map((op) => [op, compare])),
  Identity: (c) => {
    c.setFacts(0, c.facts(0));
  },
  IsInf: predicate,
  IsNaN: predicate,
  Where: where,
  Cast: cast,
  CastLike: castLike,
  BitCast: (c) => c.set(0, c.dtypeAttribute('to'), c.shape(0)),
  SwiGLU: broadcastLike,
  StringConcat: broadcastLike,
  Dropout: dropout,
  ImageScaler: sameAsInput,
  Scale: sameAsInput,
  ScaledTanh: sameAsInput,
  Affine: sameAsInput,
  ParametricSoftplus: sameAsInput,
};
