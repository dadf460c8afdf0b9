/** Normalizations of residual sums, and GELU after a bias, as exporters write them out. */
import { float } from '../helpers.ts';
import type { Pieces, Value, Writer } from '../random/writer.ts';

const vectorFor = (w: Writer, x: Value) => w.noise([x.shape.at(-1)!]);

function rmsNorm(w: Writer, x: Value): Value {
  const square = w.emit('Pow', [x.name, w.scalar(2)], x.shape);
  const mean = w.reduce('ReduceMean', square, [-1]);
  const sum = w.emit('Add', [mean.name, w.scalar(0.01)], mean.shape);
  const root = w.emit('Sqrt', [sum.name], mean.shape);
  const inverse = w.emit('Reciprocal', [root.name], mean.shape);
  const n = w.emit('Mul', [x.name, inverse.name], x.shape);
  return w.rng.int(3) ? w.emit('Mul', [vectorFor(w, x), n.name], x.shape) : n;
}

function layerNorm(w: Writer, x: Value): Value {
  const mean = w.reduce('ReduceMean', x, [-1]);
  const d = w.emit('Sub', [x.name, mean.name], x.shape);
  const square = w.emit('Pow', [d.name, w.rank0(2)], x.shape);
  const variance = w.reduce('ReduceMean', square, [-1]);
  const sum = w.emit('Add', [variance.name, w.scalar(0.01)], variance.shape);
  const root = w.emit('Sqrt', [sum.name], variance.shape);
  const n = w.emit('Div', [d.name, root.name], x.shape);
  const g = w.emit('Mul', [n.name, vectorFor(w, x)], x.shape);
  return w.emit('Add', [g.name, vectorFor(w, x)], x.shape);
}

const isWide = ({ shape }: Value) => shape.length > 0 && shape.at(-1)! > 1;

/** nn.GroupNorm as torch.onnx writes it; at times the same factors for all channels of a group, or one channel a group. */
function groupNorm(w: Writer): void {
  const x = w.pick(({ shape, dtype }) => shape.length === 4 && shape[1]! <= 64 && dtype === 'float32');
  if (!x) return;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const groups = channels % 2 === 0 && w.rng.int(3) ? channels / 2 : w.rng.int(2) ? 1 : channels;
  const inner = [batch, groups, (channels / groups) * height * width];
  const grouped = w.emit('Reshape', [x.name, w.ints(0, groups, -1)], inner);
  const parts = [grouped.name, w.noise([groups]), w.noise([groups])];
  const normal = w.emit('InstanceNormalization', parts, inner, { epsilon: float(1e-3) });
  const back = w.emit('Reshape', [normal.name, w.ints(0, channels, height, width)], x.shape);
  // At times the summand is one of each column instead.
  const [factor, summand] = [[channels, 1, 1], w.rng.int(4) ? [channels, 1, 1] : [width]].map((dims) => w.noise(dims));
  const scaled = w.emit('Mul', [factor!, back.name], x.shape);
  w.emit('Add', [scaled.name, summand!], x.shape);
}

export const pieces: Pieces = {
  'group normalization': groupNorm,
  'rms normalization by a reciprocal': (w) => {
    const x = w.pick(isWide);
    if (x) rmsNorm(w, x);
  },
  'norm of a residual': (w) => {
    // With or without a bias; the sum goes on now and then.
    const x = w.pick((value) => isWide(value) && value.shape.length <= 3);
    if (!x) return;
    let branch = w.emit('Tanh', [x.name], x.shape);
    if (w.rng.int(2)) branch = w.emit('Add', [vectorFor(w, x), branch.name], x.shape);
    const sum = w.emit('Add', w.rng.int(2) ? [x.name, branch.name] : [branch.name, x.name], x.shape);
    const y = (w.rng.int(2) ? rmsNorm : layerNorm)(w, sum);
    if (w.rng.int(2)) w.emit('Add', [sum.name, y.name], x.shape);
  },
  'gelu of a biased value': (w) => {
    const x = w.pick(isWide);
    if (!x) return;
    const s = w.emit('Add', [x.name, vectorFor(w, x)], x.shape);
    const d = w.emit('Mul', [s.name, w.scalar(Math.SQRT1_2)], x.shape);
    const e = w.emit('Erf', [d.name], x.shape);
    const a = w.emit('Add', [w.scalar(1), e.name], x.shape);
    const h = w.emit('Mul', [s.name, w.scalar(0.5)], x.shape);
    w.emit('Mul', [h.name, a.name], x.shape);
  },
  mish: (w) => {
    const x = w.pick();
    if (!x) return;
    const s = w.emit('Softplus', [x.name], x.shape);
    const t = w.emit('Tanh', [s.name], x.shape);
    w.emit('Mul', [t.name, x.name], x.shape);
  },
  'norm of two embeddings': (w) => {
    const x = w.inputs.find(({ shape }) => shape.length === 2);
    if (!x) return;
    const size = w.emit('Abs', [x.name], x.shape);
    const whole = w.emit('Cast', [size.name], x.shape, { to: 7 }, 'int64');
    const ids = w.emit('Min', [whole.name, w.rank0(4, 'int64')], x.shape, {}, 'int64');
    const shape = [...x.shape, 8];
    const a = w.emit('Gather', [w.noise([5, 8]), ids.name], shape);
    const b = w.emit('Gather', [w.noise([6, 8]), ids.name], shape);
    layerNorm(w, w.emit('Add', [a.name, b.name], shape));
  },
};
