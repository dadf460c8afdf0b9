/** If and Loop with bodies made of other pieces, which read values of the outer graph. */
import { scalar } from '../helpers.ts';
import type { Piece, Pieces, Value, Writer } from '../random/writer.ts';
import { pieces as elementwise } from './1-elementwise.ts';
import { pieces as layers } from './layers.ts';
import { pieces as shapes } from './shapes.ts';

const inside: readonly Piece[] = [elementwise, layers, shapes].flatMap((group) => Object.values(group));

/** A few pieces, then a value of the shape that the caller needs, made in the body. */
function someOf(like: Value) {
  return (inner: Writer): Value[] => {
    const visible = new Set(inner.values.map(({ name }) => name));
    for (let left = 1 + inner.rng.int(4); left > 0; left--) inside[inner.rng.int(inside.length)]!(inner);
    const made = inner.values.findLast(
      ({ name, shape, dtype }) => !visible.has(name) && dtype === like.dtype && shape.join() === like.shape.join(),
    );
    return [made ?? inner.emit('Neg', [like.name], like.shape)];
  };
}

export const pieces: Pieces = {
  if: (w) => {
    const x = w.pick()!;
    const kind = w.rng.int(3);
    let condition = w.weight(scalar(w.rng.int(2), 'bool'));
    if (kind > 0) {
      // Not constant: whether the rank is above 2, or the sum of an input is positive.
      const [reduced, positive] = [w.fresh(), w.fresh()];
      const input = w.inputs[0]!;
      if (kind === 1) {
        const shape = w.fresh();
        w.node(`${shape} = Shape(${input.name})`);
        w.node(`${reduced} = ReduceMax(${shape})`, { keepdims: 0 });
        w.node(`${positive} = Greater(${reduced}, ${w.rank0(4, 'int64')})`);
      } else {
        w.node(`${reduced} = ReduceSum(${input.name})`, { keepdims: 0 });
        w.node(`${positive} = Greater(${reduced}, ${w.rank0(0, input.dtype)})`);
      }
      condition = positive;
    }
    const then = w.body([], someOf(x));
    const otherwise = w.body([], someOf(x));
    if (then && otherwise) w.emit('If', [condition], x.shape, { then_branch: then, else_branch: otherwise });
  },
  loop: (w) => {
    const x = w.pick()!;
    const turn: Value = { name: w.fresh(), shape: [], dtype: 'int64' };
    const goOn: Value = { name: w.fresh(), shape: [], dtype: 'bool' };
    const state: Value = { ...x, name: w.fresh() };
    const body = w.body([turn, goOn, state], (inner) => {
      const [next] = someOf(state)(inner) as [Value];
      // Kept small over the turns.
      const bounded = inner.emit('Tanh', [next.name], next.shape);
      return [inner.emit('Identity', [goOn.name], [], {}, 'bool'), bounded];
    });
    if (!body) return;
    const trips = w.weight(scalar(1 + w.rng.int(3), 'int64'));
    w.emit('Loop', [trips, w.weight(scalar(1, 'bool')), x.name], x.shape, { body });
  },
};
