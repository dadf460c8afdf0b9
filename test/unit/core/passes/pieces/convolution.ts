/** Conv and ConvTranspose, with BatchNormalization and arithmetic by constants around them. */
import { tensor } from '../helpers.ts';
import { type Pieces, product, type Value } from '../random/writer.ts';

export const pieces: Pieces = {
  conv: (w) => {
    const x = w.pick((value) => value.shape.length === 4);
    if (!x) return;
    const out = [2, 4][w.rng.int(2)]!;
    const channels = x.shape[1]!;
    const group = channels % 2 === 0 && w.rng.int(3) === 0 ? 2 : 1;
    const kernel = x.shape[2]! >= 3 && x.shape[3]! >= 3 ? [1, 3][w.rng.int(2)]! : 1;
    const pad = kernel === 3 ? w.rng.int(2) : 0;
    const inputs = [x.name, w.noise([out, channels / group, kernel, kernel], 0.4)];
    if (w.rng.int(2)) inputs.push(w.noise([out]));
    const size = (dim: number) => dim + 2 * pad - kernel + 1;
    const y = w.emit('Conv', inputs, [x.shape[0]!, out, size(x.shape[2]!), size(x.shape[3]!)], {
      group,
      pads: [pad, pad, pad, pad],
    });
    let last = y.name;
    if (w.rng.int(2)) {
      const vector = () => w.noise([out]);
      last = w.emit('BatchNormalization', [last, vector(), vector(), vector(), w.positive([out])], y.shape).name;
    }
    const activation = [undefined, 'Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'HardSigmoid'][w.rng.int(6)];
    if (activation) w.emit(activation, [last], y.shape);
  },
  'conv with arithmetic': (w) => {
    let x = w.pick((value) => value.shape.length === 4);
    if (!x) return;
    const perChannel = (channels: number) => {
      const dims = [[], [1], [channels, 1, 1], [1, channels, 1, 1]][w.rng.int(4)]!;
      // Away from 0, since some are divided by.
      const values = Array.from({ length: product(dims) }, () => (w.rng.int(2) ? 1 : -1) * (0.3 + w.rng.uniform()));
      return w.weight(tensor(dims, values, w.float));
    };
    const arithmetic = (value: Value): Value => {
      const op = ['Mul', 'Add', 'Sub', 'Div'][w.rng.int(4)]!;
      const pair = [value.name, perChannel(value.shape[1]!)];
      if (op !== 'Div' && w.rng.int(3) === 0) pair.reverse();
      return w.emit(op, pair, value.shape);
    };
    for (let before = w.rng.int(3); before > 0; before--) x = arithmetic(x);
    const channels = x.shape[1]!;
    const isTransposed = w.rng.int(3) === 0;
    const kernel = x.shape[2]! >= 2 && x.shape[3]! >= 2 ? 2 : 1;
    const pad = !isTransposed && kernel === 2 ? w.rng.int(2) : 0;
    const filter = w.noise(isTransposed ? [channels, 3, kernel, kernel] : [3, channels, kernel, kernel]);
    const size = (dim: number) => (isTransposed ? dim + kernel - 1 : dim + pad - kernel + 1);
    const shape = [x.shape[0]!, 3, size(x.shape[2]!), size(x.shape[3]!)];
    const inputs = [x.name, filter];
    if (w.rng.int(2)) inputs.push(w.noise([3]));
    const attributes = isTransposed ? {} : { pads: [pad, 0, 0, pad] };
    let y = w.emit(isTransposed ? 'ConvTranspose' : 'Conv', inputs, shape, attributes);
    for (let after = w.rng.int(4); after > 0; after--) y = arithmetic(y);
  },
};
