/** Functions of the model's own, called once or more, one at times from inside a branch. */
import { node } from '../helpers.ts';
import type { Pieces } from '../random/writer.ts';

export const pieces: Pieces = {
  // Rarely, since steps that raise the opset leave a model with functions alone.
  'a function': (w) => {
    const x = w.pick();
    if (!x || w.rng.int(4)) return;
    const body = [node('c = Mul(a, b)'), node('d = Sigmoid(c)'), node('e = Identity(d)'), node('r = Add(e, a)')];
    const name = w.define(['a', 'b'], body, 'r');
    const once = w.emit(`local.${name}`, [x.name, w.scalar(0.5)], x.shape);
    if (w.rng.int(2)) w.emit(`local.${name}`, [once.name, x.name], x.shape);
  },
};
