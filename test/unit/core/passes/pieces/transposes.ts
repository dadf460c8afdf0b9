/** Transposes there and back with something between them, and near misses. */
import { type Piece, type Pieces, product, type Value, type Writer } from '../random/writer.ts';

/** Axis `at` of the result is axis `perm[at]` of the value. */
const turn = (w: Writer, x: Value, perm: readonly number[]): Value =>
  w.emit(
    'Transpose',
    [x.name],
    perm.map((axis) => x.shape[axis]!),
    { perm },
    x.dtype,
  );

/** A constant of the last axes, at times with ones; the first axis, whose size only the caller knows, is none of them. */
const lastAxes = (w: Writer, x: Value): string => {
  const from = 1 + w.rng.int(x.shape.length);
  return w.noise(x.shape.slice(from).map((dim) => (w.rng.int(3) ? dim : 1)));
};

const axisOf = (w: Writer, x: Value): number => 1 + w.rng.int(x.shape.length - 1);
const single = ['Relu', 'Sigmoid', 'Neg', 'Identity', 'Tanh'];

type Step = (w: Writer, x: Value) => Value | undefined;

const steps: readonly Step[] = [
  (w, x) => w.emit(single[w.rng.int(single.length)]!, [x.name], x.shape),
  (w, x) => w.emit('Add', [x.name, lastAxes(w, x)], x.shape),
  (w, x) => w.emit('Mul', [lastAxes(w, x), x.name], x.shape),
  (w, x) => w.emit('Mul', [x.name, w.scalar(0.7)], x.shape),
  (w, x) => w.emit('Add', [x.name, x.name], x.shape),
  (w, x) => w.emit('Softmax', [x.name], x.shape, { axis: axisOf(w, x) }),
  (w, x) => {
    const axis = axisOf(w, x);
    if (product(x.shape) > 1000) return undefined;
    return w.emit('Concat', [x.name, x.name], x.shape.with(axis, 2 * x.shape[axis]!), { axis: axis - x.shape.length });
  },
  (w, x) => {
    const axis = axisOf(w, x);
    if (x.shape[axis]! < 2) return undefined;
    const shape = x.shape.with(axis, x.shape[axis]! - 1);
    return w.emit('Slice', [x.name, w.ints(1), w.ints(2 ** 40), w.ints(axis)], shape);
  },
  (w, x) => {
    const axis = axisOf(w, x);
    const before = x.shape.map((_, at) => (at === axis ? 1 : 0));
    const pads = w.ints(...before, ...x.shape.map(() => 0));
    return w.emit('Pad', [x.name, pads], x.shape.with(axis, x.shape[axis]! + 1));
  },
  (w, x) => {
    const mean = w.reduce('ReduceMean', x, [axisOf(w, x)]);
    return w.emit('Sub', [x.name, mean.name], x.shape);
  },
  (w, x) => {
    const y = w.emit('MatMul', [x.name, w.noise([x.shape.at(-1)!, 3], 0.5)], [...x.shape.slice(0, -1), 3]);
    return w.rng.int(3) ? w.emit('Add', [y.name, w.noise([3])], y.shape) : y;
  },
  (w, x) => w.emit('MatMul', [w.noise([3, x.shape.at(-2)!], 0.5), x.name], x.shape.with(-2, 3)),
];

/** The first axis stays; often only the last two change places, as in layers that mix tokens. */
function orderFor(w: Writer, x: Value): number[] {
  const axes = x.shape.map((_, at) => at);
  const [first, ...rest] = axes;
  return w.rng.int(2) ? [...axes.slice(0, -2), axes.length - 1, axes.length - 2] : [first!, ...w.rng.shuffle(rest)];
}

const back = (perm: readonly number[]) => perm.map((_, axis) => perm.indexOf(axis));

const thereAndBack: Piece = (w) => {
  const x = w.pick(({ shape }) => shape.length === 3 || shape.length === 4);
  if (!x) return;
  const perm = orderFor(w, x);
  let y = turn(w, x, perm);
  const count = 1 + w.rng.int(4);
  for (let step = 0; step < count; step++) y = steps[w.rng.int(steps.length)]!(w, y) ?? y;
  const kind = w.rng.int(6);
  // At times it stays as it is, or goes somewhere else.
  if (kind > 0) turn(w, y, kind === 1 ? orderFor(w, y) : back(perm));
};

const twoBranches: Piece = (w) => {
  const x = w.pick(({ shape }) => shape.length === 3 || shape.length === 4);
  if (!x) return;
  const perm = orderFor(w, x);
  const [left, right] = [turn(w, x, perm), turn(w, w.emit('Tanh', [x.name], x.shape), perm)];
  const sum = w.emit('Add', [left.name, right.name], left.shape);
  const gate = w.emit('Sigmoid', [sum.name], sum.shape);
  turn(w, w.emit('Mul', [gate.name, right.name], sum.shape), back(perm));
  if (w.rng.int(2)) turn(w, sum, back(perm));
  // A mean over what stays in order, and at times over what does not.
  const axes = w.rng.int(2) ? [axisOf(w, gate)] : perm.map((_, at) => at).slice(1);
  if (w.rng.int(2)) w.reduce('ReduceMean', gate, axes, false);
};

export const pieces: Pieces = {
  'transposed there and back': thereAndBack,
  'transposed branches that meet': twoBranches,
};
