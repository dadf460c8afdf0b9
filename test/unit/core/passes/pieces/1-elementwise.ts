/** Elementwise operators, constants and what folds away. */
import { float } from '../helpers.ts';
import type { Pieces } from '../random/writer.ts';

export const pieces: Pieces = {
  unary: (w) => {
    const x = w.pick()!;
    w.emit(['Relu', 'Tanh', 'Neg', 'Abs', 'Identity', 'Sigmoid', 'Identity'][w.rng.int(7)]!, [x.name], x.shape);
  },
  'arithmetic by a constant': (w) => {
    const x = w.pick()!;
    const k = w.broadcastable(x.shape);
    const pair = w.rng.int(2) ? [x.name, k] : [k, x.name];
    w.emit(['Add', 'Sub', 'Mul'][w.rng.int(3)]!, pair, x.shape);
  },
  'arithmetic of two values': (w) => {
    const x = w.pick()!;
    const y = w.pick((value) => value.shape.join() === x.shape.join())!;
    w.emit(['Add', 'Mul', 'Max'][w.rng.int(3)]!, [x.name, y.name], x.shape);
  },
  'constant arithmetic': (w) => {
    const x = w.pick()!;
    const name = w.fresh();
    w.node(`${name} = ${['Add', 'Mul', 'Div'][w.rng.int(3)]!}(${w.scalar(w.rng.normal() + 3)}, ${w.scalar(2)})`);
    w.emit('Mul', [x.name, name], x.shape);
  },
  'constant node': (w) => {
    if (w.float !== 'float32') return;
    const x = w.pick()!;
    const name = w.fresh();
    w.node(`${name} = Constant()`, { value_float: float(0.5) });
    w.emit('Add', [x.name, name], x.shape);
  },
  dropout: (w) => {
    const x = w.pick()!;
    const [kept] = w.emitAll('Dropout', [x.name], [{ shape: x.shape }, { shape: x.shape, dtype: 'bool' }]);
    // The mask is not what these graphs are about.
    w.values.pop();
    if (w.rng.int(2)) w.emit('Relu', [kept!.name], x.shape);
  },
  'equal branches': (w) => {
    const x = w.pick()!;
    const k = w.broadcastable(x.shape);
    const a = w.emit('Mul', [x.name, k], x.shape);
    const b = w.emit('Mul', [x.name, k], x.shape);
    w.emit('Add', [a.name, b.name], x.shape);
  },
};
