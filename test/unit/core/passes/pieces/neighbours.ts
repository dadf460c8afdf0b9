/** Pairs of operators of which one can do the other's work, and near misses. */
import { type Pieces, product, type Value, type Writer } from '../random/writer.ts';

/**
 * A border around the places of an image, at times around its channels too. Of zeros other pieces may read it; what is
 * infinite is none of their business.
 */
function padded(w: Writer, x: Value, value: readonly string[] = []): Value {
  // A whole channel of what is infinite would stay so behind the pooling.
  const amounts = [0, w.rng.int(6) || value.length > 0 ? 0 : 1, w.rng.int(2), w.rng.int(3), 0, 0, w.rng.int(2), 1];
  const shape = x.shape.map((dim, axis) => dim + amounts[axis]! + amounts[axis + 4]!);
  if (value.length === 0) return w.emit('Pad', [x.name, w.ints(...amounts)], shape);
  const name = w.fresh();
  w.node(`${name} = Pad(${[x.name, w.ints(...amounts), ...value].join(', ')})`);
  return { name, shape, dtype: w.float };
}

export const pieces: Pieces = {
  'a border before a convolution': (w) => {
    const x = w.pick(({ shape }) => shape.length === 4 && product(shape) < 1000);
    if (!x) return;
    const y = padded(w, x, w.rng.int(4) ? [] : [w.rank0(w.rng.int(2))]);
    const [batch, channels, height, width] = y.shape as [number, number, number, number];
    const kernel = height >= 2 && width >= 2 ? 2 : 1;
    const filter = w.noise([3, channels, kernel, kernel], 0.4);
    const own = w.rng.int(2);
    const shape = [batch, 3, height + own - kernel + 1, width - kernel + 1];
    w.emit('Conv', [y.name, filter], shape, { pads: [own, 0, 0, 0] });
  },
  'a border before pooling': (w) => {
    const x = w.pick(({ shape }) => shape.length === 4 && product(shape) < 1000);
    if (!x) return;
    const isMax = w.rng.int(2);
    const y = padded(w, x, isMax && w.float === 'float32' ? [w.rank0(Number.NEGATIVE_INFINITY)] : []);
    const [batch, channels, height, width] = y.shape as [number, number, number, number];
    const [tall, wide] = [Math.min(3, height), Math.min(3, width)];
    const shape = [batch, channels, height - tall + 1, width - wide + 1];
    const counts = w.rng.int(3) === 0 && !isMax ? { count_include_pad: 1 } : {};
    w.emit(isMax ? 'MaxPool' : 'AveragePool', [y.name], shape, { kernel_shape: [tall, wide], ...counts });
  },
  'an operand expanded': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 2);
    if (!x) return;
    const mean = w.reduce('ReduceMean', x, [x.shape.length - 1]);
    // At times by a shape that is computed, at times only as far as needed.
    const kind = w.rng.int(4);
    const sizes = kind === 1 ? [x.shape.at(-1)!] : x.shape.map((dim, axis) => (axis === 0 ? 1 : dim));
    const target = kind === 0 ? w.fresh() : w.ints(...sizes);
    if (kind === 0) w.node(`${target} = Shape(${x.name})`);
    const wide = w.emit('Expand', [mean.name, target], x.shape);
    const other = w.rng.int(4) ? x.name : mean.name;
    const pair = w.rng.int(2) ? [wide.name, other] : [other, wide.name];
    w.emit(w.rng.int(2) ? 'Sub' : 'Mul', pair, x.shape);
  },
  'one clamp after another': (w) => {
    const x = w.pick();
    if (!x) return;
    const isRelu = w.rng.int(2);
    const y = isRelu ? w.emit('Relu', [x.name], x.shape) : w.emit('Clip', [x.name, w.rank0(-1), w.rank0(1)], x.shape);
    const low = w.rng.int(2) ? '' : w.rank0(w.rng.int(2) - 0.5);
    const z = w.emit('Clip', [y.name, low, w.rank0(0.75)], x.shape);
    if (w.rng.int(3) === 0) w.emit('Relu', [z.name], x.shape);
  },
  'done twice': (w) => {
    const x = w.pick();
    if (!x) return;
    const op = ['Relu', 'Neg', 'Abs'][w.rng.int(3)]!;
    w.emit(op, [w.emit(op, [x.name], x.shape).name], x.shape);
  },
  'a product with a turned matrix': (w) => {
    const x = w.pick(({ shape }) => shape.length === 2);
    if (!x) return;
    const [rows, columns] = x.shape as [number, number];
    const [square, turned] = [w.fresh(), w.fresh()];
    const wide = w.emit('Tanh', [x.name], x.shape);
    w.node(`${turned} = Transpose(${wide.name})`, { perm: [1, 0] });
    const isGemm = w.rng.int(2);
    w.node(`${square} = ${isGemm ? 'Gemm' : 'MatMul'}(${x.name}, ${turned})`);
    w.emit('MatMul', [square, x.name], [rows, columns]);
  },
  'taken apart and put together': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 2 && shape.length <= 4 && shape[1]! >= 2);
    if (!x) return;
    const cut = 1 + w.rng.int(x.shape[1]! - 1);
    const sizes = [cut, x.shape[1]! - cut];
    const shapes = sizes.map((size) => ({ shape: x.shape.with(1, size) }));
    const [a, b] = w.emitAll('Split', [x.name, w.ints(...sizes)], shapes, { axis: 1 }) as [Value, Value];
    const order = w.rng.int(4) ? [a, b] : [b, a];
    const all = w.emit('Concat', [order[0]!.name, order[1]!.name], x.shape, { axis: 1 - x.shape.length });
    const from = w.rng.int(2) ? cut : 0;
    const slice = [all.name, w.ints(from), w.ints(from ? 2 ** 40 : cut), w.ints(1)];
    w.emit('Slice', slice, x.shape.with(1, from ? x.shape[1]! - cut : cut));
    const [, c] = w.emitAll('Split', [all.name, w.ints(...sizes)], shapes, { axis: 1 }) as [Value, Value];
    w.emit('Neg', [c.name], c.shape);
  },
  'axes kept and dropped': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 2);
    if (!x) return;
    const axis = 1 + w.rng.int(x.shape.length - 1);
    const keeps = w.rng.int(2) === 1;
    const y = w.reduce('ReduceMean', x, [axis], keeps);
    const shape = keeps ? x.shape.toSpliced(axis, 1) : x.shape.with(axis, 1);
    w.emit(keeps ? 'Squeeze' : 'Unsqueeze', [y.name, w.ints(axis)], shape);
  },
};
