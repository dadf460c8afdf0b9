/** Attention written out as exporters write it, and what nearly is. */
import { tensor } from '../helpers.ts';
import type { Pieces, Value, Writer } from '../random/writer.ts';

const HEADS = 2;

/** Heads split off: [batch, length, width] to [batch, heads, length, size], or the key's [batch, heads, size, length]. */
function byHead(w: Writer, x: Value, size: number, isKey: boolean): Value {
  const [batch, length, width] = x.shape as [number, number, number];
  const projected = w.emit('MatMul', [x.name, w.noise([width, HEADS * size], 0.5)], [batch, length, HEADS * size]);
  const biased = w.rng.int(2) ? w.emit('Add', [projected.name, w.noise([HEADS * size])], projected.shape) : projected;
  const split = w.emit('Reshape', [biased.name, w.ints(0, 0, HEADS, size)], [batch, length, HEADS, size]);
  const shape = isKey ? [batch, HEADS, size, length] : [batch, HEADS, length, size];
  return w.emit('Transpose', [split.name], shape, { perm: isKey ? [0, 2, 3, 1] : [0, 2, 1, 3] });
}

function masked(w: Writer, scores: Value, length: number): Value {
  switch (w.rng.int(4)) {
    case 0:
      return w.emit('Add', [scores.name, w.noise([length, length])], scores.shape);
    case 1:
      return w.emit('Add', [scores.name, w.noise([1, HEADS, 1, length])], scores.shape);
    case 2: {
      // A bias of each head that is scaled as well: not the operator's form.
      const sum = w.emit('Add', [scores.name, w.noise([1, 1, 1, length])], scores.shape);
      return w.emit('Mul', [sum.name, w.scalar(0.5)], scores.shape);
    }
    default:
      return scores;
  }
}

/** One product cut in three, or nearly so, before an attention of onnxruntime. */
function packed(w: Writer): void {
  const x = w.pick(({ shape, dtype }) => shape.length === 3 && shape[1]! <= 16 && dtype === 'float32');
  if (!x) return;
  const [batch, length, width] = x.shape as [number, number, number];
  const hidden = HEADS * (1 + w.rng.int(3));
  const whole = [batch, length, 3 * hidden];
  const product = w.emit('MatMul', [x.name, w.noise([width, 3 * hidden], 0.5)], whole);
  const biased = w.rng.int(2) ? w.emit('Add', [product.name, w.noise([3 * hidden])], whole) : product;
  const parts = [0, 1, 2].map((at) =>
    w.emit('Slice', [biased.name, w.ints(at * hidden), w.ints((at + 1) * hidden), w.ints(2)], [batch, length, hidden]),
  );
  const order = w.rng.int(4) ? [0, 1, 2] : [1, 0, 2];
  const inputs = order.map((at) => parts[at]!.name);
  w.emit('com.microsoft.MultiHeadAttention', inputs, [batch, length, hidden], { num_heads: HEADS });
}

/** Softmax of scaled scores, and the values mixed by it; heads put back together. */
function attended(w: Writer, query: Value, keyT: Value, value: Value): void {
  const [batch, heads, length, size] = query.shape as [number, number, number, number];
  const shape = [batch, heads, length, keyT.shape[3]!];
  const product = w.emit('MatMul', [query.name, keyT.name], shape);
  const scaled = w.emit('Mul', [product.name, w.scalar(size ** -0.5)], shape);
  const weights = w.emit('Softmax', [scaled.name], shape, { axis: -1 });
  const mixed = w.emit('MatMul', [weights.name, value.name], [batch, heads, length, size]);
  const moved = w.emit('Transpose', [mixed.name], [batch, length, heads, size], { perm: [0, 2, 1, 3] });
  w.emit('Reshape', [moved.name, w.ints(0, 0, heads * size)], [batch, length, heads * size]);
}

/** Query, key and value of one product, told apart after their heads; at times not in that order. */
function apart(w: Writer): void {
  const x = w.pick(({ shape, dtype }) => shape.length === 3 && shape[1]! <= 16 && dtype === 'float32');
  if (!x) return;
  const [batch, length, width] = x.shape as [number, number, number];
  const size = 1 + w.rng.int(3);
  const whole = [batch, length, 3 * HEADS * size];
  const product = w.emit('MatMul', [x.name, w.noise([width, 3 * HEADS * size], 0.5)], whole);
  const five = w.emit('Reshape', [product.name, w.ints(0, 0, 3, HEADS, size)], [batch, length, 3, HEADS, size]);
  const moved = w.emit('Transpose', [five.name], [3, batch, HEADS, length, size], { perm: [2, 0, 3, 1, 4] });
  const shape = [batch, HEADS, length, size];
  const order = w.rng.int(4) ? [0, 1, 2] : [0, 2, 1];
  const [query, key, value] = order.map((at) =>
    w.emit('Gather', [moved.name, w.weight(tensor([], [at], 'int64'))], shape),
  ) as [Value, Value, Value];
  const keyT = w.emit('Transpose', [key.name], [batch, HEADS, size, length], { perm: [0, 1, 3, 2] });
  attended(w, query, keyT, value);
}

/** Keys and values of earlier calls before those of this one; at times what was joined is read by others too. */
function cached(w: Writer): void {
  const x = w.pick(({ shape, dtype }) => shape.length === 3 && shape[1]! <= 16 && dtype === 'float32');
  if (!x) return;
  const [batch, length] = x.shape as [number, number, number];
  const size = 1 + w.rng.int(3);
  const [query, key, value] = [0, 1, 2].map(() => byHead(w, x, size, false)) as [Value, Value, Value];
  const whole = [batch, HEADS, 2 * length, size];
  const earlier = [0, 1].map(() => byHead(w, x, size, false));
  const keys = w.emit('Concat', [earlier[0]!.name, key.name], whole, { axis: 2 });
  const values = w.emit('Concat', [earlier[1]!.name, value.name], whole, { axis: 2 });
  if (w.rng.int(3) === 0) w.emit('Neg', [keys.name], whole);
  const keyT = w.emit('Transpose', [keys.name], [batch, HEADS, size, 2 * length], { perm: [0, 1, 3, 2] });
  attended(w, query, keyT, values);
}

/** Causal attention with key heads repeated for the queries; at times the mask is none that only hides later keys. */
function grouped(w: Writer): void {
  const x = w.pick(({ shape, dtype }) => shape.length === 3 && shape[1]! <= 16 && dtype === 'float32');
  if (!x) return;
  const [batch, length, width] = x.shape as [number, number, number];
  const [size, times] = [8, 2];
  const [query, key, value] = [HEADS * times, HEADS, HEADS].map((heads) => {
    const flat = w.emit('MatMul', [x.name, w.noise([width, heads * size], 0.3)], [batch, length, heads * size]);
    const split = w.emit('Reshape', [flat.name, w.ints(0, 0, heads, size)], [batch, length, heads, size]);
    return w.emit('Transpose', [split.name], [batch, heads, length, size], { perm: [0, 2, 1, 3] });
  }) as [Value, Value, Value];
  const all = [batch, HEADS * times, length, size];
  const order = w.rng.int(4) ? [0, 0, 1, 1] : [0, 1, 0, 1];
  const [keys, values] = [key, value].map(({ name }) => w.emit('Gather', [name, w.ints(...order)], all, { axis: 1 }));
  const keyT = w.emit('Transpose', [keys!.name], [batch, HEADS * times, size, length], { perm: [0, 1, 3, 2] });
  const shape = [batch, HEADS * times, length, length];
  const product = w.emit('MatMul', [query.name, keyT.name], shape);
  const scaled = w.emit('Mul', [product.name, w.scalar(size ** -0.5)], shape);
  const distance = w.rng.int(4) ? 0 : 1;
  const hidden = Array.from({ length: length * length }, (_, at) =>
    at % length > Math.floor(at / length) + distance ? -1e38 : 0,
  );
  const mask = w.weight(tensor([length, length], hidden));
  // Not for other pieces to read: the square of such a number is none.
  const masked = w.fresh();
  w.node(`${masked} = Add(${scaled.name}, ${mask})`);
  const weights = w.emit('Softmax', [masked], shape, { axis: -1 });
  const mixed = w.emit('MatMul', [weights.name, values!.name], all);
  const moved = w.emit('Transpose', [mixed.name], [batch, length, HEADS * times, size], { perm: [0, 2, 1, 3] });
  w.emit('Reshape', [moved.name, w.ints(0, 0, HEADS * times * size)], [batch, length, HEADS * times * size]);
}

/** The standard operator, of which some forms have no fused one. */
function standard(w: Writer): void {
  const x = w.pick(({ shape, dtype }) => shape.length === 3 && shape[1]! <= 16 && dtype === 'float32');
  if (!x || w.opset < 23) return;
  const [batch, length] = x.shape as [number, number, number];
  const size = w.rng.int(2) ? 8 : 1 + w.rng.int(3);
  const isFlat = w.rng.int(3) === 0;
  const inputs = [0, 1, 2].map(() => {
    const split = byHead(w, x, size, false);
    if (!isFlat) return split.name;
    const moved = w.emit('Transpose', [split.name], [batch, length, HEADS, size], { perm: [0, 2, 1, 3] });
    return w.emit('Reshape', [moved.name, w.ints(0, 0, HEADS * size)], [batch, length, HEADS * size]).name;
  });
  const isCausal = w.rng.int(2);
  // Now and then a row without any key.
  const flags = Array.from({ length: length * length }, () => w.rng.int(3));
  const mask = w.rng.int(2) ? [w.weight(tensor([length, length], flags.map(Math.sign), 'bool'))] : [];
  const attributes = { is_causal: isCausal, ...(isFlat ? { q_num_heads: HEADS, kv_num_heads: HEADS } : {}) };
  const shape = isFlat ? [batch, length, HEADS * size] : [batch, HEADS, length, size];
  const mixed = w.emit('Attention', [...inputs, ...mask], shape, attributes);
  if (isFlat) return;
  const moved = w.emit('Transpose', [mixed.name], [batch, length, HEADS, size], { perm: [0, 2, 1, 3] });
  if (w.rng.int(4)) w.emit('Reshape', [moved.name, w.ints(0, 0, HEADS * size)], [batch, length, HEADS * size]);
}

export const pieces: Pieces = {
  'the standard attention': standard,
  'causal attention with repeated heads': grouped,
  'query, key and value told apart after their heads': apart,
  'a cache of keys and values': cached,
  'one product for query, key and value': packed,
  'attention written out': (w) => {
    const x = w.pick(({ shape }) => shape.length === 3 && shape[1]! <= 16);
    if (!x) return;
    const [batch, length] = x.shape as [number, number, number];
    const size = 1 + w.rng.int(3);
    const [query, key, value] = [byHead(w, x, size, false), byHead(w, x, size, true), byHead(w, x, size, false)];
    const shape = [batch, HEADS, length, length];
    const product = w.emit('MatMul', [query.name, key.name], shape);
    const scaled = w.emit('Mul', [product.name, w.scalar(size ** -0.5)], shape);
    // Over the queries instead of the keys: not attention.
    const axis = w.rng.int(5) === 0 ? 2 : -1;
    const weights = w.emit('Softmax', [masked(w, scaled, length).name], shape, { axis });
    const mixed = w.emit('MatMul', [weights.name, value.name], [batch, HEADS, length, size]);
    const moved = w.emit('Transpose', [mixed.name], [batch, length, HEADS, size], { perm: [0, 2, 1, 3] });
    if (w.rng.int(4)) w.emit('Reshape', [moved.name, w.ints(0, 0, HEADS * size)], [batch, length, HEADS * size]);
  },
};
