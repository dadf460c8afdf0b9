/**
 * Chains of data movement, and near misses of what merges. Casts there and back are left to merge-chains.test.ts:
 * onnxruntime 1.x itself loses their results where subgraphs are near.
 */
import { type Pieces, product } from '../random/writer.ts';

export const pieces: Pieces = {
  'flattened layer': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 3 && shape.at(-1)! <= 64);
    if (!x) return;
    const inner = x.shape.at(-1)!;
    const columns = 1 + w.rng.int(5);
    const flat = w.emit('Reshape', [x.name, w.ints(-1, inner)], [product(x.shape) / inner, inner]);
    const bias = w.rng.int(3) ? [w.noise([columns])] : [];
    const rows = flat.shape[0]!;
    const gemm = w.emit('Gemm', [flat.name, w.noise([inner, columns], 0.3), ...bias], [rows, columns]);
    // At times the rows are grouped otherwise: that is no stack of the same matrices.
    const middle = w.rng.int(4) === 0 ? [product(x.shape.slice(1, -1))] : x.shape.slice(1, -1);
    w.emit('Reshape', [gemm.name, w.ints(-1, ...middle, columns)], [x.shape[0]!, ...middle, columns]);
  },
  'entries of an axis repeated': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 2 && shape.length <= 4 && shape.slice(1).some((dim) => dim >= 2));
    if (!x) return;
    const axis = x.shape.findIndex((dim, at) => at > 0 && dim >= 2);
    const times = 2 + w.rng.int(2);
    // In front of the axis the entries are repeated in another order.
    const added = axis + (w.rng.int(4) ? 1 : 0);
    const single = w.emit('Unsqueeze', [x.name, w.ints(added)], x.shape.toSpliced(added, 0, 1));
    const sizes = single.shape.map((_, at) => (at === added ? times : 1));
    const all = w.emit('Expand', [single.name, w.ints(...sizes)], x.shape.toSpliced(added, 0, times));
    const shape = x.shape.with(axis, x.shape[axis]! * times);
    w.emit('Reshape', [all.name, w.ints(-1, ...shape.slice(1))], shape);
  },
  'slices that cover an axis': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 2 && shape.slice(1).some((dim) => dim >= 2));
    if (!x) return;
    const axis = x.shape.findIndex((dim, at) => at > 0 && dim >= 2);
    const size = x.shape[axis]!;
    const cut = 1 + w.rng.int(size - 1);
    // At times they overlap.
    const second = w.rng.int(4) === 0 ? cut - 1 : cut;
    const part = (start: number, end: number) =>
      w.emit(
        'Slice',
        [x.name, w.ints(start), w.ints(end), w.ints(axis)],
        x.shape.map((dim, at) => (at === axis ? Math.min(end, size) - start : dim)),
      );
    const first = part(0, cut);
    const rest = part(second, 2 ** 40);
    const shape = x.shape.map((dim, at) => (at === axis ? cut + size - second : dim));
    w.emit('Concat', [rest.name, first.name], shape, { axis });
  },
  'transpose between reshapes': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 3);
    if (!x) return;
    const [batch, ...rest] = x.shape as [number, ...number[]];
    const last = rest.at(-1)!;
    const middle = product(rest.slice(0, -1));
    const flat = w.emit('Reshape', [x.name, w.ints(-1, middle, last)], [batch, middle, last]);
    const moved = w.emit('Transpose', [flat.name], [batch, last, middle], { perm: [0, 2, 1] });
    const shape = w.rng.int(4) ? [last, ...rest.slice(0, -1)] : [...rest.slice(0, -1), last];
    w.emit('Reshape', [moved.name, w.ints(-1, ...shape)], [batch, ...shape]);
  },
  'concats along one axis': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 2 && product(shape) < 2000);
    if (!x) return;
    const grown = (times: number) => x.shape.map((dim, at) => (at === 1 ? dim * times : dim));
    const inner = w.emit('Concat', [x.name, x.name], grown(2), { axis: 1 });
    w.emit('Concat', [inner.name, x.name], grown(3), { axis: 1 - (w.rng.int(2) ? x.shape.length : 0) });
  },
  'transposed copies of a constant': (w) => {
    const x = w.pick(({ shape }) => shape.length >= 1 && shape[0]! > 0)!;
    if (!x) return;
    const [rows, columns] = [1 + w.rng.int(3), 1 + w.rng.int(4)];
    // As many copies as the batch has, which is free; at times of other axes too.
    const [shape, batch] = [w.fresh(), w.fresh()];
    w.node(`${shape} = Shape(${x.name})`);
    w.node(`${batch} = Slice(${shape}, ${w.ints(0)}, ${w.ints(1)})`);
    const times = w.rng.int(3) === 0 ? 2 : 1;
    const repeats = w.fresh();
    w.node(`${repeats} = Concat(${batch}, ${w.ints(1)}, ${w.ints(times)})`, { axis: 0 });
    const tiled = w.emit('Tile', [w.noise([1, rows, columns]), repeats], [x.shape[0]!, rows, columns * times]);
    w.emit('Transpose', [tiled.name], [x.shape[0]!, columns * times, rows], { perm: [0, 2, 1] });
  },
};
