/** Pieces for the random graphs: normalizations and activations as exporters write them out. */
import { noise, scalar } from './helpers.ts';

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a piece may ask of the writer of random graphs. */
export interface PieceWriter {
  readonly rng: { int(below: number): number };
  weight(tensor: ReturnType<typeof scalar>): string;
  scalar(value: number): string;
  emit(op: string, inputs: readonly string[], shape: readonly number[], attributes?: object): Value;
  pick(accept?: (value: Value) => boolean): Value | undefined;
}

const vectorFor = (w: PieceWriter, x: Value) => w.weight(noise(w.rng.int(1e9), [x.shape.at(-1)!]));

function rmsNorm(w: PieceWriter, x: Value): Value {
  const column = [...x.shape.slice(0, -1), 1];
  const square = w.emit('Pow', [x.name, w.scalar(2)], x.shape);
  const mean = w.emit('ReduceMean', [square.name], column, { axes: [-1] });
  const sum = w.emit('Add', [mean.name, w.scalar(0.01)], column);
  const root = w.emit('Sqrt', [sum.name], column);
  const inverse = w.emit('Reciprocal', [root.name], column);
  const n = w.emit('Mul', [x.name, inverse.name], x.shape);
  return w.rng.int(3) ? w.emit('Mul', [vectorFor(w, x), n.name], x.shape) : n;
}

function layerNorm(w: PieceWriter, x: Value): Value {
  const column = [...x.shape.slice(0, -1), 1];
  const mean = w.emit('ReduceMean', [x.name], column, { axes: [-1] });
  const d = w.emit('Sub', [x.name, mean.name], x.shape);
  const square = w.emit('Pow', [d.name, w.weight(scalar(2))], x.shape);
  const variance = w.emit('ReduceMean', [square.name], column, { axes: [-1] });
  const sum = w.emit('Add', [variance.name, w.scalar(0.01)], column);
  const root = w.emit('Sqrt', [sum.name], column);
  const n = w.emit('Div', [d.name, root.name], x.shape);
  const g = w.emit('Mul', [n.name, vectorFor(w, x)], x.shape);
  return w.emit('Add', [g.name, vectorFor(w, x)], x.shape);
}

const isWide = ({ shape }: Value) => shape.at(-1)! > 1;

export const normPieces: readonly ((w: PieceWriter) => void)[] = [
  (w) => {
    const x = w.pick(isWide);
    if (x) rmsNorm(w, x);
  },
  (w) => {
    // A residual with or without a bias, and a norm of the sum, which goes on now and then.
    const x = w.pick((value) => isWide(value) && value.shape.length <= 3);
    if (!x) return;
    let branch = w.emit('Tanh', [x.name], x.shape);
    if (w.rng.int(2)) branch = w.emit('Add', [vectorFor(w, x), branch.name], x.shape);
    const sum = w.emit('Add', w.rng.int(2) ? [x.name, branch.name] : [branch.name, x.name], x.shape);
    const y = (w.rng.int(2) ? rmsNorm : layerNorm)(w, sum);
    if (w.rng.int(2)) w.emit('Add', [sum.name, y.name], x.shape);
  },
  (w) => {
    const x = w.pick(isWide);
    if (!x) return;
    const s = w.emit('Add', [x.name, vectorFor(w, x)], x.shape);
    const d = w.emit('Mul', [s.name, w.scalar(Math.SQRT1_2)], x.shape);
    const e = w.emit('Erf', [d.name], x.shape);
    const a = w.emit('Add', [w.scalar(1), e.name], x.shape);
    const h = w.emit('Mul', [s.name, w.scalar(0.5)], x.shape);
    w.emit('Mul', [h.name, a.name], x.shape);
  },
];
