/** Linear layers, activations and normalizations as exporters write them out. */

import { tensor } from '../helpers.ts';
import type { Pieces, Writer } from '../random/writer.ts';

/** Through a wide layer and back by its transpose, or by what is not quite that. */
function tied(w: Writer): void {
  const x = w.pick(({ shape }) => shape.length >= 2 && shape.at(-1)! >= 2);
  if (!x) return;
  const rows = x.shape.at(-1)!;
  const columns = Math.ceil(2100 / rows);
  const values = Array.from({ length: rows * columns }, () => 0.1 * w.rng.normal());
  const back = Array.from(
    { length: rows * columns },
    (_, at) => values[(at % rows) * columns + Math.floor(at / rows)]!,
  );
  if (w.rng.int(3) === 0) back[back.length - 1]! += 1;
  const [wide, relu] = [w.fresh(), w.fresh()];
  w.node(`${wide} = MatMul(${x.name}, ${w.weight(tensor([rows, columns], values, w.float))})`);
  w.node(`${relu} = Relu(${wide})`);
  w.emit('MatMul', [relu, w.weight(tensor([columns, rows], back, w.float))], x.shape);
}

export const pieces: Pieces = {
  'a layer and its transpose': tied,
  linear: (w) => {
    const x = w.pick((value) => value.shape.length >= 2)!;
    const shape = [...x.shape.slice(0, -1), 3];
    const y = w.emit('MatMul', [x.name, w.noise([x.shape.at(-1)!, 3], 0.5)], shape);
    if (w.rng.int(3)) w.emit('Add', [y.name, w.noise([3])], y.shape);
  },
  swish: (w) => {
    const x = w.pick()!;
    const s = w.emit('Sigmoid', [x.name], x.shape);
    w.emit('Mul', [x.name, s.name], x.shape);
  },
  hardswish: (w) => {
    const x = w.pick()!;
    const a = w.emit('Add', [x.name, w.scalar(3)], x.shape);
    const c = w.emit('Clip', [a.name, w.rank0(0), w.rank0(6)], x.shape);
    const m = w.emit('Mul', [x.name, c.name], x.shape);
    w.emit('Div', [m.name, w.scalar(6)], x.shape);
  },
  gelu: (w) => {
    const x = w.pick()!;
    const d = w.emit('Div', [x.name, w.scalar(Math.SQRT2)], x.shape);
    const e = w.emit('Erf', [d.name], x.shape);
    const a = w.emit('Add', [e.name, w.scalar(1)], x.shape);
    const m = w.emit('Mul', [x.name, a.name], x.shape);
    w.emit('Mul', [m.name, w.scalar(0.5)], x.shape);
  },
  'layer normalization': (w) => {
    const x = w.pick((value) => value.shape.length > 0 && value.shape.at(-1)! > 1);
    if (!x) return;
    const mean = w.reduce('ReduceMean', x, [-1]);
    const d = w.emit('Sub', [x.name, mean.name], x.shape);
    const square = w.emit('Mul', [d.name, d.name], x.shape);
    const variance = w.reduce('ReduceMean', square, [-1]);
    const sum = w.emit('Add', [variance.name, w.scalar(0.01)], variance.shape);
    const root = w.emit('Sqrt', [sum.name], variance.shape);
    const n = w.emit('Div', [d.name, root.name], x.shape);
    const vector = () => w.noise([x.shape.at(-1)!]);
    const g = w.emit('Mul', [n.name, vector()], x.shape);
    w.emit('Add', [g.name, vector()], x.shape);
  },
  'rms normalization': (w) => {
    const x = w.pick((value) => value.shape.length > 0 && value.shape.at(-1)! > 1);
    if (!x) return;
    const square = w.emit('Pow', [x.name, w.rank0(2)], x.shape);
    const mean = w.reduce('ReduceMean', square, [-1]);
    const sum = w.emit('Add', [mean.name, w.rank0(0.01)], mean.shape);
    const root = w.emit('Sqrt', [sum.name], mean.shape);
    const n = w.emit('Div', [x.name, root.name], x.shape);
    w.emit('Mul', [n.name, w.noise([x.shape.at(-1)!])], x.shape);
  },
};
