/**
 * Element-wise arithmetic on small tensors, with the rounding and wrapping of the dtype (IEEE 754 single and double,
 * two's complement). An operation whose result the standards leave open (division by zero, NaN in a comparison,
 * out-of-range casts) gives undefined, and the caller leaves the node to the runtime.
 */
import type { DType } from '../../../ir/dtype.ts';
import { bytesOf, readTensorBytes, tensorFromBytes, toTypedArray } from '../../../ir/tensor.ts';
import type { Tensor } from '../../../ir/types.ts';
import { broadcastDims, broadcastStrides, product } from './layout.ts';

/** Values of a tensor: bigint for int64, number for the rest. */
type Scalar = number | bigint;
type Elements = readonly Scalar[];

/** Larger tensors are left to the runtime, which is faster. */
export const MAX_ELEMENTS = 65_536;

const computable = new Set<DType>(['float32', 'float64', 'int32', 'int64', 'bool']);

export async function elementsOf(tensor: Tensor): Promise<Elements | undefined> {
  if (!computable.has(tensor.dtype) || product(tensor.dims) > MAX_ELEMENTS) return undefined;
  return Array.from(toTypedArray(tensor.dtype, await readTensorBytes(tensor)) as ArrayLike<Scalar>);
}

export function tensorOf(dtype: DType, dims: readonly number[], values: Elements): Tensor {
  return tensorFromBytes('', dtype, [...dims], encode(dtype, values));
}

function encode(dtype: DType, values: Elements): Uint8Array {
  switch (dtype) {
    case 'float32':
      return bytesOf(Float32Array.from(values as number[]));
    case 'float64':
      return bytesOf(Float64Array.from(values as number[]));
    case 'int32':
      return bytesOf(Int32Array.from(values as number[]));
    case 'int64':
      return bytesOf(BigInt64Array.from(values as bigint[]));
    default:
      return Uint8Array.from(values as number[]);
  }
}

type Combine = (a: Scalar, b: Scalar) => Scalar | undefined;

/** Brings a result back into the dtype. */
function rounding(dtype: DType): (value: Scalar) => Scalar {
  if (dtype === 'float32') return (value) => Math.fround(value as number);
  if (dtype === 'int32') return (value) => (value as number) | 0;
  if (dtype === 'int64') return (value) => BigInt.asIntN(64, value as bigint);
  return (value) => value;
}

const isNaNScalar = (value: Scalar) => typeof value === 'number' && Number.isNaN(value);

function multiply(dtype: DType): Combine {
  if (dtype === 'int32') return (a, b) => Math.imul(a as number, b as number);
  return (a, b) => (a as number) * (b as number);
}

function divide(dtype: DType): Combine {
  if (dtype === 'int64') return (a, b) => (b === 0n ? undefined : (a as bigint) / (b as bigint));
  if (dtype === 'int32') return (a, b) => (b === 0 ? undefined : Math.trunc((a as number) / (b as number)));
  return (a, b) => (a as number) / (b as number);
}

/** Math.min and Math.max do not take bigint. */
const isLess = (a: Scalar, b: Scalar) => a < b;

const ordered =
  (choose: (a: Scalar, b: Scalar) => Scalar): Combine =>
  (a, b) =>
    isNaNScalar(a) || isNaNScalar(b) ? undefined : choose(a, b);

/** Two-operand arithmetic whose result has the operands' dtype. */
const arithmetic: Record<string, (dtype: DType) => Combine> = {
  Add: () => (a, b) => (a as number) + (b as number),
  Sub: () => (a, b) => (a as number) - (b as number),
  Mul: multiply,
  Div: divide,
  Min: () => ordered((a, b) => (isLess(a, b) ? a : b)),
  Max: () => ordered((a, b) => (isLess(a, b) ? b : a)),
};

const asBool = (value: boolean) => (value ? 1 : 0);

/** Two-operand tests, result bool. */
const tests: Record<string, Combine> = {
  Equal: (a, b) => asBool(a === b),
  Less: (a, b) => asBool(a < b),
  Greater: (a, b) => asBool(a > b),
  LessOrEqual: (a, b) => asBool(a <= b),
  GreaterOrEqual: (a, b) => asBool(a >= b),
  And: (a, b) => asBool(a === 1 && b === 1),
  Or: (a, b) => asBool(a === 1 || b === 1),
  Xor: (a, b) => asBool(a !== b),
};

async function broadcast(a: Tensor, b: Tensor, dtype: DType, combine: Combine): Promise<Tensor | undefined> {
  const dims = broadcastDims(a.dims, b.dims);
  const left = await elementsOf(a);
  const right = await elementsOf(b);
  if (a.dtype !== b.dtype || !dims || !left || !right || product(dims) > MAX_ELEMENTS) return undefined;
  const result: Scalar[] = [];
  const round = rounding(dtype);
  for (const [i, j] of pairs(dims, broadcastStrides(a.dims, dims), broadcastStrides(b.dims, dims))) {
    const value = combine(left[i]!, right[j]!);
    if (value === undefined) return undefined;
    result.push(round(value));
  }
  return tensorOf(dtype, dims, result);
}

/** Offsets into two operands for every element of the broadcast result, in row-major order. */
function* pairs(dims: readonly number[], a: readonly number[], b: readonly number[]): Generator<[number, number]> {
  const total = product(dims);
  const index = new Array<number>(dims.length).fill(0);
  let i = 0;
  let j = 0;
  for (let count = 0; count < total; count++) {
    yield [i, j];
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      i += a[axis]!;
      j += b[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      i -= a[axis]! * dims[axis]!;
      j -= b[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
}

/** Add, Sub, Mul, Div, Min, Max and the comparisons of exactly two operands; undefined for other operators. */
export async function binary(opType: string, a: Tensor, b: Tensor): Promise<Tensor | undefined> {
  const makeArithmetic = Object.hasOwn(arithmetic, opType) ? arithmetic[opType] : undefined;
  if (makeArithmetic) return a.dtype === 'bool' ? undefined : broadcast(a, b, a.dtype, makeArithmetic(a.dtype));
  const test = Object.hasOwn(tests, opType) ? tests[opType] : undefined;
  return test && broadcast(a, b, 'bool', test);
}

const single: Record<string, (dtype: DType) => ((value: Scalar) => Scalar) | undefined> = {
  Neg: (dtype) => (dtype === 'bool' ? undefined : (value) => -value),
  Abs: (dtype) =>
    dtype === 'bool'
      ? undefined
      : (value) => (typeof value === 'bigint' ? (value < 0n ? -value : value) : Math.abs(value)),
  Not: (dtype) => (dtype === 'bool' ? (value) => 1 - (value as number) : undefined),
  Sqrt: (dtype) => (dtype.startsWith('float') ? (value) => Math.sqrt(value as number) : undefined),
  Floor: (dtype) => (dtype.startsWith('float') ? (value) => Math.floor(value as number) : undefined),
  Ceil: (dtype) => (dtype.startsWith('float') ? (value) => Math.ceil(value as number) : undefined),
};

/** Neg, Abs, Not, Sqrt, Floor, Ceil; undefined for other operators. */
export async function unary(opType: string, tensor: Tensor): Promise<Tensor | undefined> {
  const apply = Object.hasOwn(single, opType) ? single[opType]!(tensor.dtype) : undefined;
  const values = apply && (await elementsOf(tensor));
  if (!apply || !values) return undefined;
  const round = rounding(tensor.dtype);
  return tensorOf(
    tensor.dtype,
    tensor.dims,
    values.map((value) => round(apply(value))),
  );
}

/** Cast among float32, float64, int32, int64 and bool, where the result is defined. */
export async function cast(tensor: Tensor, to: DType): Promise<Tensor | undefined> {
  const values = await elementsOf(tensor);
  if (!values || !computable.has(to)) return undefined;
  const result: Scalar[] = [];
  for (const value of values) {
    const converted = castScalar(value, to);
    if (converted === undefined) return undefined;
    result.push(converted);
  }
  return tensorOf(to, tensor.dims, result);
}

const limits: Partial<Record<DType, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31],
  int64: [-(2 ** 63), 2 ** 63],
};

function castScalar(value: Scalar, to: DType): Scalar | undefined {
  if (to === 'bool') return isNaNScalar(value) ? undefined : asBool(value !== 0 && value !== 0n);
  if (to === 'float32' || to === 'float64') {
    // Beyond 2^53 a detour over double would round twice.
    if (typeof value === 'bigint' && (value > 2n ** 53n || value < -(2n ** 53n))) return undefined;
    return to === 'float32' ? Math.fround(Number(value)) : Number(value);
  }
  if (typeof value === 'bigint') return to === 'int64' ? value : Number(BigInt.asIntN(32, value));
  const whole = Math.trunc(value);
  const [low, high] = limits[to]!;
  if (!(whole >= low && whole < high)) return undefined;
  return to === 'int64' ? BigInt(whole) : whole;
}

/** Where with broadcasting of all three operands. */
export async function where(condition: Tensor, a: Tensor, b: Tensor): Promise<Tensor | undefined> {
  const tests = await elementsOf(condition);
  const left = await elementsOf(a);
  const right = await elementsOf(b);
  const inner = broadcastDims(a.dims, b.dims);
  const dims = inner && broadcastDims(inner, condition.dims);
  if (!tests || !left || !right || !dims || a.dtype !== b.dtype || product(dims) > MAX_ELEMENTS) return undefined;
  const conditionStrides = broadcastStrides(condition.dims, dims);
  const choices = [...pairs(dims, broadcastStrides(a.dims, dims), broadcastStrides(b.dims, dims))];
  const picks = [...pairs(dims, conditionStrides, conditionStrides)];
  return tensorOf(
    a.dtype,
    dims,
    choices.map(([i, j], at) => (tests[picks[at]![0]] === 1 ? left[i]! : right[j]!)),
  );
}
