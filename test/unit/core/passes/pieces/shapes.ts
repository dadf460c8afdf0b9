/** Reshape, Transpose, Slice and the computation of shapes. */
import { type Pieces, product } from '../random/writer.ts';

export const pieces: Pieces = {
  transpose: (w) => {
    const x = w.pick()!;
    const perm = x.shape.map((_, axis) => axis).slice(1);
    w.rng.shuffle(perm);
    const all = x.shape.length === 0 ? [] : [0, ...perm];
    w.emit(
      'Transpose',
      [x.name],
      all.map((axis) => x.shape[axis]!),
      { perm: all },
    );
  },
  reshape: (w) => {
    const x = w.pick((value) => value.shape.length > 0)!;
    const rest = product(x.shape.slice(1));
    const options = [[rest], [1, rest], [rest / 2, 2].map(Math.floor), x.shape.slice(1)].filter(
      (dims) => product(dims) === rest,
    );
    const dims = options[w.rng.int(options.length)]!;
    w.emit('Reshape', [x.name, w.ints(w.rng.int(2) ? 0 : -1, ...dims)], [x.shape[0]!, ...dims]);
  },
  'reshape by its own shape': (w) => {
    const x = w.pick((value) => value.shape.length > 0)!;
    const rest = product(x.shape.slice(1));
    const shape = w.fresh();
    const batch = w.fresh();
    const target = w.fresh();
    w.node(`${shape} = Shape(${x.name})`);
    w.node(`${batch} = Slice(${shape}, ${w.ints(0)}, ${w.ints(1)})`);
    w.node(`${target} = Concat(${batch}, ${w.ints(rest)})`, { axis: 0 });
    w.emit('Reshape', [x.name, target], [x.shape[0]!, rest]);
  },
  'shape arithmetic': (w) => {
    // [batch * rest] by Gather, Mul and Unsqueeze, as exporters flatten.
    const x = w.pick((value) => value.shape.length >= 2)!;
    const [shape, batch, flat, target] = [w.fresh(), w.fresh(), w.fresh(), w.fresh()];
    w.node(`${shape} = Shape(${x.name})`);
    w.node(`${batch} = Gather(${shape}, ${w.rank0(0, 'int64')})`, { axis: 0 });
    w.node(`${flat} = Mul(${batch}, ${w.rank0(product(x.shape.slice(1)), 'int64')})`);
    w.node(`${target} = Unsqueeze(${flat}, ${w.ints(0)})`);
    w.emit('Reshape', [x.name, target], [product(x.shape)]);
  },
  slice: (w) => {
    const x = w.pick((value) => value.shape.length >= 2)!;
    const axis = 1 + w.rng.int(x.shape.length - 1);
    const start = w.rng.int(x.shape[axis]!);
    const end = start + 1 + w.rng.int(x.shape[axis]! - start);
    const sliced = w.emit(
      'Slice',
      [x.name, w.ints(start), w.ints(end), w.ints(axis)],
      x.shape.map((dim, at) => (at === axis ? end - start : dim)),
    );
    if (end - start === 1 && w.rng.int(2)) {
      const shape = sliced.shape.filter((_, at) => at !== axis);
      w.emit('Squeeze', [sliced.name, w.ints(axis - x.shape.length)], shape);
    }
  },
  unsqueeze: (w) => {
    const x = w.pick((value) => value.shape.length > 0 && value.shape.length < 4)!;
    if (!x) return;
    const axis = 1 + w.rng.int(x.shape.length);
    const dims = [...x.shape];
    dims.splice(axis, 0, 1);
    const wide = w.emit('Unsqueeze', [x.name, w.ints(axis)], dims);
    if (w.rng.int(2)) w.emit('Squeeze', [wide.name, w.ints(axis)], x.shape);
  },
  'split and concat': (w) => {
    const x = w.pick((value) => value.shape.length >= 2 && value.shape.at(-1)! >= 2);
    if (!x) return;
    const size = x.shape.at(-1)!;
    const first = 1 + w.rng.int(size - 1);
    const part = (dim: number) => ({ shape: [...x.shape.slice(0, -1), dim] });
    const halves = w.emitAll('Split', [x.name, w.ints(first, size - first)], [part(first), part(size - first)], {
      axis: -1,
    });
    if (w.rng.int(2)) halves.reverse();
    w.emit(
      'Concat',
      halves.map(({ name }) => name),
      x.shape,
      { axis: x.shape.length - 1 },
    );
  },
  expand: (w) => {
    const x = w.pick((value) => value.shape.length >= 2 && product(value.shape) < 1000);
    if (!x) return;
    const times = 1 + w.rng.int(2);
    const wide = [...x.shape];
    wide.splice(1, 0, 1);
    const y = w.emit('Unsqueeze', [x.name, w.ints(1)], wide);
    const shape = wide.map((dim, axis) => (axis === 1 ? times : dim));
    w.emit('Expand', [y.name, w.ints(...shape.map((dim, axis) => (axis === 1 ? dim : 1)))], shape);
  },
};
