/** Rotary position embeddings written out, in halves and in pairs, and what nearly is one. */
import { tensor } from '../helpers.ts';
import type { Pieces, Value, Writer } from '../random/writer.ts';

/** Columns of the last axis, every `step`th. */
function columns(w: Writer, x: Value, start: number, end: number, step: number): Value {
  const shape = [...x.shape.slice(0, -1), Math.ceil((end - start) / step)];
  return w.emit('Slice', [x.name, w.ints(start), w.ints(end), w.ints(-1), w.ints(step)], shape);
}

function halves(w: Writer, x: Value): Value {
  const width = x.shape.at(-1)!;
  const [low, high] = [columns(w, x, 0, width / 2, 1), columns(w, x, width / 2, width, 1)];
  // The other half negated: a rotation the other way round, for which there is no operator.
  const isOther = w.rng.int(5) === 0;
  const negated = w.emit('Neg', [isOther ? low.name : high.name], low.shape);
  return w.emit('Concat', isOther ? [high.name, negated.name] : [negated.name, low.name], x.shape, { axis: -1 });
}

function pairs(w: Writer, x: Value): Value {
  const width = x.shape.at(-1)!;
  const [even, odd] = [columns(w, x, 0, width, 2), columns(w, x, 1, width, 2)];
  const negated = w.emit('Neg', [odd.name], odd.shape);
  const single = [...even.shape, 1];
  const both = [negated, even].map(({ name }) => w.emit('Unsqueeze', [name, w.ints(-1)], single).name);
  const stacked = w.emit('Concat', both, [...even.shape, 2], { axis: -1 });
  return w.emit('Reshape', [stacked.name, w.ints(0, 0, x.shape[2]!, width)], x.shape);
}

/** cos or sin, [1, length, pairs] doubled, with an axis for the heads. */
function waves(w: Writer, length: number, width: number, interleaved: boolean): readonly string[] {
  const angles = w.noise([1, length, width / 2]);
  return ['Cos', 'Sin'].map((op) => {
    const half = w.emit(op, [angles], [1, length, width / 2]);
    const doubled = interleaved
      ? w.emit(
          'Reshape',
          [
            w.emit(
              'Tile',
              [w.emit('Unsqueeze', [half.name, w.ints(-1)], [1, length, width / 2, 1]).name, w.ints(1, 1, 1, 2)],
              [...[1, length, width / 2, 2]],
            ).name,
            w.ints(1, length, width),
          ],
          [1, length, width],
        )
      : w.emit('Concat', [half.name, half.name], [1, length, width], { axis: -1 });
    return w.emit('Unsqueeze', [doubled.name, w.ints(1)], [1, 1, length, width]).name;
  });
}

/** The standard operator: angles of each row, or a table and positions. */
function standard(w: Writer): void {
  const x = w.pick(({ shape, dtype }) => shape.length === 3 && shape[1]! <= 16 && dtype === 'float32');
  if (!x || w.opset < 23) return;
  const [batch, length, from] = x.shape as [number, number, number];
  const [heads, size] = [1 + w.rng.int(3), 2 * (1 + w.rng.int(3))];
  const projected = w.emit('MatMul', [x.name, w.noise([from, heads * size], 0.5)], [batch, length, heads * size]);
  const hasTable = w.rng.int(2) === 0;
  const angles = hasTable ? [20, size / 2] : [batch, length, size / 2];
  const inputs = ['Cos', 'Sin'].map((op) => w.emit(op, [w.noise(angles)], angles).name);
  const places = Array.from({ length: batch * length }, () => w.rng.int(20));
  const positions = hasTable ? [w.weight(tensor([batch, length], places, 'int64'))] : [];
  const attributes = { num_heads: heads, interleaved: w.rng.int(2) };
  if (w.rng.int(2)) {
    w.emit('RotaryEmbedding', [projected.name, ...inputs, ...positions], projected.shape, attributes);
    return;
  }
  const split = w.emit('Reshape', [projected.name, w.ints(0, 0, heads, size)], [batch, length, heads, size]);
  const value = w.emit('Transpose', [split.name], [batch, heads, length, size], { perm: [0, 2, 1, 3] });
  w.emit('RotaryEmbedding', [value.name, ...inputs, ...positions], value.shape, attributes);
}

export const pieces: Pieces = {
  'the standard rotary embedding': standard,
  'a rotary embedding written out': (w) => {
    const x = w.pick(({ shape, dtype }) => shape.length === 3 && shape[1]! <= 16 && dtype === 'float32');
    if (!x) return;
    const [batch, length, from] = x.shape as [number, number, number];
    const [heads, width] = [1 + w.rng.int(3), 2 * (1 + w.rng.int(3))];
    const projected = w.emit('MatMul', [x.name, w.noise([from, heads * width], 0.5)], [batch, length, heads * width]);
    const split = w.emit('Reshape', [projected.name, w.ints(0, 0, heads, width)], [batch, length, heads, width]);
    const value = w.emit('Transpose', [split.name], [batch, heads, length, width], { perm: [0, 2, 1, 3] });
    const interleaved = w.rng.int(2) === 0;
    const turned = interleaved ? pairs(w, value) : halves(w, value);
    // Angles doubled the one way and exchanged the other do not belong together.
    const [cos, sin] = waves(w, length, width, w.rng.int(5) === 0 ? !interleaved : interleaved);
    const straight = w.emit('Mul', [value.name, cos!], value.shape);
    const across = w.emit('Mul', [turned.name, sin!], value.shape);
    w.emit('Add', [across.name, straight.name], value.shape);
  },
};
