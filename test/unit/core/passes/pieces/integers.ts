/** Integer and boolean tensors, empty tensors, several outputs. They read graph inputs, which no pass can round. */
import { scalar, tensor } from '../helpers.ts';
import { type Pieces, product } from '../random/writer.ts';

export const pieces: Pieces = {
  'index arithmetic': (w) => {
    const x = w.pickAny((value) => value.dtype === 'int64' && product(value.shape) > 0);
    if (!x) return;
    const k = w.weight(scalar(1 + w.rng.int(5), 'int64'));
    w.emit(['Add', 'Mul', 'Sub', 'Div'][w.rng.int(4)]!, [x.name, k], x.shape, {}, 'int64');
  },
  'gather rows': (w) => {
    const x = w.pick((value) => value.shape.length >= 2);
    if (!x) return;
    const picked = [0, 1, 1].map((at) => at % x.shape[1]!);
    const shape = [x.shape[0]!, 3, ...x.shape.slice(2)];
    w.emit('Gather', [x.name, w.ints(...picked)], shape, { axis: 1 });
  },
  'index of the largest': (w) => {
    const x = w.inputs.find(({ dtype, shape }) => dtype === w.float && product(shape) > 0);
    if (!x) return;
    w.emit('ArgMax', [x.name], x.shape.slice(0, -1), { axis: -1, keepdims: 0 }, 'int64');
  },
  'largest three': (w) => {
    const x = w.inputs.find(({ dtype, shape }) => dtype === 'float32' && product(shape) > 0);
    if (!x || x.shape.at(-1)! < 3) return;
    const shape = [...x.shape.slice(0, -1), 3];
    w.emitAll('TopK', [x.name, w.ints(3)], [{ shape }, { shape, dtype: 'int64' }]);
  },
  'cast there and back': (w) => {
    const x = w.pickAny(({ dtype, shape }) => dtype === 'int64' && product(shape) > 0);
    if (!x) return;
    const to = w.float === 'float16' ? 10 : 1;
    const f = w.emit('Cast', [x.name], x.shape, { to });
    w.emit(['Identity', 'Neg', 'Tanh'][w.rng.int(3)]!, [f.name], x.shape);
  },
  'choose by a mask': (w) => {
    const x = w.pick()!;
    const mask = w.weight(
      tensor(
        [x.shape.at(-1) ?? 1],
        Array.from({ length: x.shape.at(-1) ?? 1 }, (_, at) => at % 2),
        'bool',
      ),
    );
    if (x.shape.length === 0) return;
    w.emit('Where', [mask, x.name, w.rank0(0)], x.shape);
  },
  'choose by what is not': (w) => {
    // Of a graph input, which no pass can round.
    const x = w.inputs.find(({ dtype, shape }) => dtype === w.float && shape.length > 0);
    if (!x) return;
    const positive = w.emit('Greater', [x.name, w.rank0(0)], x.shape, {}, 'bool');
    let not = w.emit('Not', [positive.name], x.shape, {}, 'bool');
    if (w.rng.int(3) === 0) not = w.emit('Not', [not.name], x.shape, {}, 'bool');
    w.emit('Where', w.rng.int(2) ? [not.name, x.name, w.rank0(-1)] : [not.name, w.rank0(2), x.name], x.shape);
  },
  'equal shapes': (w) => {
    // A boolean out of the graph's own shapes, as exporters leave them.
    const x = w.pick((value) => value.shape.length > 0)!;
    const [shape, same] = [w.fresh(), w.fresh()];
    w.node(`${shape} = Shape(${x.name})`);
    w.node(`${same} = Equal(${shape}, ${shape})`);
    w.emit('Cast', [same], [x.shape.length], { to: w.float === 'float16' ? 10 : 1 });
  },
  'nothing of it': (w) => {
    // A slice without elements, which is then carried on.
    const x = w.pick((value) => value.shape.length >= 2);
    if (!x) return;
    const shape = x.shape.map((dim, axis) => (axis === 1 ? 0 : dim));
    const none = w.emit('Slice', [x.name, w.ints(0), w.ints(0), w.ints(1)], shape);
    const y = w.emit(['Relu', 'Identity', 'Neg'][w.rng.int(3)]!, [none.name], shape);
    w.emit('Concat', w.rng.int(2) ? [x.name, y.name] : [y.name, x.name], x.shape, { axis: 1 });
  },
  'sum of nothing': (w) => {
    const x = w.pickAny(({ dtype, shape }) => dtype === w.float && product(shape) === 0 && shape[1] === 0);
    if (!x) return;
    const y = w.reduce('ReduceSum', x, [1]);
    w.emit('Add', [y.name, w.scalar(1)], y.shape);
  },
};
