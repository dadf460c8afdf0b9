/** Elements of small integer (and float32) tensors through arithmetic, comparisons, casts and reductions. */
import type { DType } from '../../ir/dtype.ts';
import type { InferContext, ValueFn } from '../context.ts';
import type { Shape } from '../facts.ts';
import { allNumbers, axesOf, listArgument } from '../ops/helpers.ts';
import {
  add,
  floor,
  floorDiv,
  floorMod,
  isAtLeast,
  isDistinct,
  isExactInFloat32,
  isExpr,
  max,
  min,
  mul,
  neg,
  type Sym,
  sameSym,
  sub,
} from '../symbolic.ts';

type Binary = (a: Sym, b: Sym, dtype: DType | undefined) => Sym;
type Unary = (a: Sym, dtype: DType | undefined) => Sym;

const isFloat = (dtype: DType | undefined): boolean => dtype === 'float32' || dtype === 'float64';

/** Rounds as the dtype does; integers that leave the dtype's range wrap around at run time, so they become unknown. */
export function rounded(value: Sym, dtype: DType | undefined): Sym {
  if (typeof value !== 'number') return isFloat(dtype) && !isExactInFloat32(value) ? null : value;
  if (dtype === 'float32') return Math.fround(value);
  if (isFloat(dtype) || dtype === 'bool') return value;
  if (!Number.isInteger(value)) return null;
  const range = integerRanges[dtype ?? 'undefined'];
  return range && (value < range[0] || value > range[1]) ? null : value;
}

const integerRanges: Partial<Record<DType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

/** Integer division truncates toward zero. */
function divide(a: Sym, b: Sym, dtype: DType | undefined): Sym {
  if (b === 0) return null;
  if (isFloat(dtype)) {
    if (typeof b !== 'number') return null;
    // 1/b must be exact, or a later Floor may land on the wrong side.
    if (isExpr(a)) return Number.isInteger(Math.log2(Math.abs(b))) ? mul(a, 1 / b) : null;
    return a === null ? null : a / b;
  }
  if (typeof a === 'number' && typeof b === 'number') return Math.trunc(a / b);
  return isAtLeast(a, 0) && isAtLeast(b, 0) ? floorDiv(a, b) : null;
}

/** The sign of the divisor, or with `fmod` (the only form for floats) that of the dividend, as in C and here. */
function modulo(a: Sym, b: Sym, isFmod: boolean): Sym {
  if (b === 0) return null;
  if (!isFmod || (isAtLeast(a, 0) && isAtLeast(b, 0) && typeof a !== 'number')) return floorMod(a, b);
  return typeof a === 'number' && typeof b === 'number' ? a % b : null;
}

const truth = (value: boolean): number => (value ? 1 : 0);

function equal(a: Sym, b: Sym): Sym {
  if (sameSym(a, b)) return 1;
  return isDistinct(a, b) ? 0 : null;
}

function less(a: Sym, b: Sym): Sym {
  if (isAtLeast(b, add(a, 1)) || (typeof a === 'number' && typeof b === 'number' && a < b)) return 1;
  return isAtLeast(a, b) ? 0 : null;
}

const invert = (value: Sym): Sym => (value === null ? null : truth(value === 0));
const both = (a: Sym, b: Sym): Sym => (a === 0 || b === 0 ? 0 : a === null || b === null ? null : 1);

const binary: Record<string, Binary> = {
  Add: add,
  Sub: sub,
  Mul: mul,
  Div: divide,
  Max: max,
  Min: min,
  Sum: add,
  Equal: equal,
  Less: less,
  Greater: (a, b) => less(b, a),
  LessOrEqual: (a, b) => invert(less(b, a)),
  GreaterOrEqual: (a, b) => invert(less(a, b)),
  And: both,
  Or: (a, b) => invert(both(invert(a), invert(b))),
  Xor: (a, b) => (typeof a === 'number' && typeof b === 'number' ? truth((a !== 0) !== (b !== 0)) : null),
  Pow: (a, b) => {
    if (b === 1) return a;
    if (b === 2) return mul(a, a);
    return typeof a === 'number' && typeof b === 'number' ? a ** b : null;
  },
};

const numeric =
  (compute: (value: number) => number): Unary =>
  (value) =>
    typeof value === 'number' ? compute(value) : null;

const unary: Record<string, Unary> = {
  Identity: (a) => a,
  Neg: neg,
  Abs: (a) => (isAtLeast(a, 0) ? a : typeof a === 'number' ? Math.abs(a) : null),
  Not: invert,
  Floor: floor,
  Ceil: (a) => neg(floor(neg(a))),
  Round: numeric(roundHalfEven),
  Sqrt: numeric(Math.sqrt),
  Reciprocal: numeric((value) => 1 / value),
  Relu: (a) => max(a, 0),
  Sign: (a) => (isAtLeast(a, 1) ? 1 : typeof a === 'number' ? Math.sign(a) : null),
};

export function roundHalfEven(value: number): number {
  const floored = Math.floor(value);
  const fraction = value - floored;
  if (fraction !== 0.5) return Math.round(value);
  return floored % 2 === 0 ? floored : floored + 1;
}

/** Calls `visit` with the flat index into each operand, for operands broadcast to `shape`. */
export function forEachBroadcast(
  shape: readonly number[],
  operands: readonly Shape[],
  visit: (indices: readonly number[]) => void,
): void {
  const rank = shape.length;
  const strides = operands.map((operand) => {
    const result = new Array<number>(rank).fill(0);
    let stride = 1;
    for (let axis = operand.length - 1; axis >= 0; axis--) {
      const size = operand[axis] as number;
      if (size !== 1) result[axis + rank - operand.length] = stride;
      stride *= size;
    }
    return result;
  });
  const count = shape.reduce((total, dim) => total * dim, 1);
  const indices = new Array<number>(operands.length);
  for (let flat = 0; flat < count; flat++) {
    indices.fill(0);
    let rest = flat;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const at = rest % shape[axis]!;
      rest = Math.floor(rest / shape[axis]!);
      for (let operand = 0; operand < operands.length; operand++) indices[operand]! += at * strides[operand]![axis]!;
    }
    visit(indices);
  }
}

/** Inputs with known sizes and elements; an unknown operand stands as nulls so that `And(x, false)` still resolves. */
function operandsOf(
  c: InferContext,
  count: number,
): { shapes: Shape[]; values: (readonly Sym[] | undefined)[] } | undefined {
  const shapes: Shape[] = [];
  const values: (readonly Sym[] | undefined)[] = [];
  for (let index = 0; index < count; index++) {
    const shape = c.shape(index);
    if (!shape || !allNumbers(shape)) return undefined;
    shapes.push(shape);
    values.push(c.values(index));
  }
  return values.every((value) => value === undefined) ? undefined : { shapes, values };
}

function elementwise(count: (c: InferContext) => number, compute: (elements: Sym[], c: InferContext) => Sym): ValueFn {
  return (c) => {
    const shape = c.outputs[0]?.shape as readonly number[];
    const operands = operandsOf(c, count(c));
    if (!operands) return undefined;
    const dtype = c.outputs[0]?.dtype;
    const result: Sym[] = [];
    forEachBroadcast(shape, operands.shapes, (indices) => {
      const elements = indices.map((at, operand) => operands.values[operand]?.[at] ?? null);
      result.push(rounded(compute(elements, c), dtype));
    });
    return result;
  };
}

const binaryValues = (compute: Binary): ValueFn =>
  elementwise(
    (c) => c.inputCount,
    (elements, c) => elements.reduce((a, b) => compute(a, b, c.dtype(0))),
  );

const unaryValues = (compute: Unary): ValueFn =>
  elementwise(
    () => 1,
    (elements, c) => compute(elements[0]!, c.dtype(0)),
  );

const where: ValueFn = elementwise(
  () => 3,
  ([condition, then, otherwise]) =>
    typeof condition === 'number' ? (condition ? then! : otherwise!) : sameSym(then!, otherwise!) ? then! : null,
);

/** Float to integer truncates toward zero. */
const cast: ValueFn = elementwise(
  () => 1,
  ([value], c) => {
    const to = c.outputs[0]?.dtype;
    if (to === 'bool') return value === 0 ? 0 : isAtLeast(value!, 1) || typeof value === 'number' ? 1 : null;
    if (isFloat(to)) return value!;
    if (typeof value === 'number') return Math.trunc(value);
    return isAtLeast(value!, 0) ? floor(value!) : isFloat(c.dtype(0)) ? null : value!;
  },
);

const clip: ValueFn = (c) => {
  const values = c.values(0);
  const low = c.has(1) ? (c.scalar(1) ?? null) : c.float('min', -Infinity);
  const high = c.has(2) ? (c.scalar(2) ?? null) : c.float('max', Infinity);
  const apply = (value: Sym): Sym => {
    const raised = low === -Infinity ? value : max(value, low);
    return high === Infinity ? raised : min(raised, high);
  };
  return values?.map((value) => rounded(apply(value), c.dtype(0)));
};

const reducers: Record<string, (a: Sym, b: Sym) => Sym> = {
  ReduceSum: add,
  ReduceProd: mul,
  ReduceMax: max,
  ReduceMin: min,
};

/** Only over all elements: shape computations reduce vectors. */
const reduceAll =
  (compute: (a: Sym, b: Sym) => Sym): ValueFn =>
  (c) => {
    const values = c.values(0);
    const shape = c.shape(0);
    const axes = listArgument(c, 1, 'axes');
    if (!values || !shape || values.length === 0 || axes === 'unknown') return undefined;
    if (axes === undefined || axes.length === 0) {
      if (c.int('noop_with_empty_axes', 0) === 1) return values;
    } else if (axesOf(axes, shape.length)?.length !== shape.length) return undefined;
    return [rounded(values.reduce(compute), c.dtype(0))];
  };

export const elementValues: Record<string, ValueFn> = {
  ...Object.fromEntries(Object.entries(binary).map(([op, compute]) => [op, binaryValues(compute)])),
  ...Object.fromEntries(Object.entries(unary).map(([op, compute]) => [op, unaryValues(compute)])),
  ...Object.fromEntries(Object.entries(reducers).map(([op, compute]) => [op, reduceAll(compute)])),
  Mod: elementwise(
    () => 2,
    ([a, b], c) => modulo(a!, b!, c.int('fmod', 0) === 1),
  ),
  Where: where,
  Cast: cast,
  CastLike: cast,
  Clip: clip,
};
