/**
 * Random graphs out of the pieces that the steps look for, wired at random: every graph must keep its outputs.
 * WHITTLE_RANDOM_GRAPHS sets how many (2,000 take about a minute), WHITTLE_RANDOM_SEED where they start.
 */
import { describe, expect, it } from 'vitest';
import { createRng, type Rng } from '../../../../src/core/base/rng.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import { apply, expectSameOutputs, float, ints, model, node, noise, scalar, tensor } from './helpers.ts';
import { normPieces } from './random-pieces-norms.ts';

const count = Number(process.env.WHITTLE_RANDOM_GRAPHS ?? 60);
const firstSeed = Number(process.env.WHITTLE_RANDOM_SEED ?? 1);
const steps = [...stepRegistry.values()]
  .filter(({ section, id }) => section !== 'quantization' && id !== 'raise-opset')
  .map(({ id }) => id);

interface Value {
  readonly name: string;
  /** With the free batch dim as 3, which is what the feeds use. */
  readonly shape: readonly number[];
}

/** Writes a graph down while keeping track of shapes. */
class Writer {
  readonly nodes: (string | Node)[] = [];
  readonly weights: Record<string, Tensor> = {};
  readonly values: Value[] = [];
  readonly rng: Rng;
  #names = 0;

  constructor(rng: Rng) {
    this.rng = rng;
  }

  fresh(): string {
    this.#names += 1;
    return `v${this.#names}`;
  }

  weight(value: Tensor): string {
    const name = `w${Object.keys(this.weights).length}`;
    this.weights[name] = value;
    return name;
  }

  scalar(value: number): string {
    return this.weight(this.rng.int(3) === 0 ? tensor([1], [value]) : scalar(value));
  }

  emit(
    op: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Parameters<typeof node>[1] = {},
  ): Value {
    const value = { name: this.fresh(), shape };
    this.nodes.push(node(`${value.name} = ${op}(${inputs.join(', ')})`, attributes));
    this.values.push(value);
    return value;
  }

  pick(accept: (value: Value) => boolean = () => true): Value | undefined {
    const fitting = this.values.filter(accept);
    // Later values more often, so that graphs become deep.
    return fitting[fitting.length - 1 - Math.floor(this.rng.uniform() ** 2 * fitting.length)];
  }

  /** A constant that broadcasts against the shape without changing it. */
  broadcastable(shape: readonly number[]): string {
    const from = this.rng.int(shape.length + 1);
    const dims = shape.slice(from).map((dim) => (this.rng.int(2) ? dim : 1));
    // Nothing of the free batch dim may be written down.
    if (from === 0 && dims.length > 0) dims[0] = 1;
    const kind = this.rng.int(4);
    const size = dims.reduce((a, b) => a * b, 1);
    if (kind === 0) return this.weight(tensor(dims, new Array<number>(size).fill(1)));
    if (kind === 1) return this.weight(tensor(dims, new Array<number>(size).fill(0)));
    return this.weight(noise(this.rng.int(1e9), dims));
  }
}

type Piece = (writer: Writer) => void;

const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

const pieces: Piece[] = [
  ...normPieces,
  (w) => {
    const x = w.pick()!;
    w.emit(['Relu', 'Tanh', 'Neg', 'Abs', 'Identity', 'Sigmoid', 'Identity'][w.rng.int(7)]!, [x.name], x.shape);
  },
  (w) => {
    const x = w.pick()!;
    const k = w.broadcastable(x.shape);
    const pair = w.rng.int(2) ? [x.name, k] : [k, x.name];
    w.emit(['Add', 'Sub', 'Mul'][w.rng.int(3)]!, pair, x.shape);
  },
  (w) => {
    const x = w.pick()!;
    const y = w.pick((value) => value.shape.join() === x.shape.join())!;
    w.emit(['Add', 'Mul', 'Max'][w.rng.int(3)]!, [x.name, y.name], x.shape);
  },
  (w) => {
    const x = w.pick()!;
    const perm = x.shape.map((_, axis) => axis).slice(1);
    w.rng.shuffle(perm);
    const all = [0, ...perm];
    w.emit(
      'Transpose',
      [x.name],
      all.map((axis) => x.shape[axis]!),
      { perm: all },
    );
  },
  (w) => {
    const x = w.pick()!;
    const rest = product(x.shape.slice(1));
    const options = [[rest], [1, rest], [rest / 2, 2].map(Math.floor), x.shape.slice(1)].filter(
      (dims) => product(dims) === rest,
    );
    const dims = options[w.rng.int(options.length)]!;
    w.emit('Reshape', [x.name, w.weight(ints(w.rng.int(2) ? 0 : -1, ...dims))], [x.shape[0]!, ...dims]);
  },
  (w) => {
    // A target computed from the input's own shape.
    const x = w.pick()!;
    const rest = product(x.shape.slice(1));
    const shape = w.fresh();
    const batch = w.fresh();
    const target = w.fresh();
    w.nodes.push(node(`${shape} = Shape(${x.name})`));
    w.nodes.push(node(`${batch} = Slice(${shape}, ${w.weight(ints(0))}, ${w.weight(ints(1))})`));
    w.nodes.push(node(`${target} = Concat(${batch}, ${w.weight(ints(rest))})`, { axis: 0 }));
    w.emit('Reshape', [x.name, target], [x.shape[0]!, rest]);
  },
  (w) => {
    const x = w.pick((value) => value.shape.length >= 2)!;
    const axis = 1 + w.rng.int(x.shape.length - 1);
    const start = w.rng.int(x.shape[axis]!);
    const end = start + 1 + w.rng.int(x.shape[axis]! - start);
    const sliced = w.emit(
      'Slice',
      [x.name, w.weight(ints(start)), w.weight(ints(end)), w.weight(ints(axis))],
      x.shape.map((dim, at) => (at === axis ? end - start : dim)),
    );
    if (end - start === 1 && w.rng.int(2)) {
      w.emit(
        'Squeeze',
        [sliced.name, w.weight(ints(axis - x.shape.length))],
        sliced.shape.filter((_, at) => at !== axis),
      );
    }
  },
  (w) => {
    const x = w.pick((value) => value.shape.length < 4)!;
    const axis = 1 + w.rng.int(x.shape.length);
    const dims = [...x.shape];
    dims.splice(axis, 0, 1);
    const wide = w.emit('Unsqueeze', [x.name, w.weight(ints(axis))], dims);
    if (w.rng.int(2)) w.emit('Squeeze', [wide.name, w.weight(ints(axis))], x.shape);
  },
  (w) => {
    const x = w.pick((value) => value.shape.length === 4);
    if (!x) return;
    const out = [2, 4][w.rng.int(2)]!;
    const channels = x.shape[1]!;
    const group = channels % 2 === 0 && w.rng.int(3) === 0 ? 2 : 1;
    const kernel = x.shape[2]! >= 3 && x.shape[3]! >= 3 ? [1, 3][w.rng.int(2)]! : 1;
    const pad = kernel === 3 ? w.rng.int(2) : 0;
    const inputs = [x.name, w.weight(noise(w.rng.int(1e9), [out, channels / group, kernel, kernel], 'float32', 0.4))];
    if (w.rng.int(2)) inputs.push(w.weight(noise(w.rng.int(1e9), [out])));
    const size = (dim: number) => dim + 2 * pad - kernel + 1;
    const y = w.emit('Conv', inputs, [x.shape[0]!, out, size(x.shape[2]!), size(x.shape[3]!)], {
      group,
      pads: [pad, pad, pad, pad],
    });
    if (w.rng.int(2)) {
      const vector = () => w.weight(noise(w.rng.int(1e9), [out]));
      const variance = w.weight(
        tensor(
          [out],
          Array.from({ length: out }, () => 0.5 + w.rng.uniform()),
        ),
      );
      w.emit('BatchNormalization', [y.name, vector(), vector(), vector(), variance], y.shape);
    }
  },
  (w) => {
    // Arithmetic by constants around a Conv, or a ConvTranspose.
    let x = w.pick((value) => value.shape.length === 4);
    if (!x) return;
    const perChannel = (channels: number) => {
      const dims = [[], [1], [channels, 1, 1], [1, channels, 1, 1]][w.rng.int(4)]!;
      // Away from 0, since some are divided by.
      const values = Array.from({ length: product(dims) }, () => (w.rng.int(2) ? 1 : -1) * (0.3 + w.rng.uniform()));
      return w.weight(tensor(dims, values));
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
    const filter = noise(w.rng.int(1e9), isTransposed ? [channels, 3, kernel, kernel] : [3, channels, kernel, kernel]);
    const size = (dim: number) => (isTransposed ? dim + kernel - 1 : dim + pad - kernel + 1);
    const shape = [x.shape[0]!, 3, size(x.shape[2]!), size(x.shape[3]!)];
    const inputs = [x.name, w.weight(filter)];
    if (w.rng.int(2)) inputs.push(w.weight(noise(w.rng.int(1e9), [3])));
    let y = w.emit(
      isTransposed ? 'ConvTranspose' : 'Conv',
      inputs,
      shape,
      isTransposed ? {} : { pads: [pad, 0, 0, pad] },
    );
    for (let after = w.rng.int(4); after > 0; after--) y = arithmetic(y);
  },
  (w) => {
    const x = w.pick((value) => value.shape.length >= 2)!;
    const inner = x.shape.at(-1)!;
    const y = w.emit(
      'MatMul',
      [x.name, w.weight(noise(w.rng.int(1e9), [inner, 3], 'float32', 0.5))],
      [...x.shape.slice(0, -1), 3],
    );
    if (w.rng.int(3)) w.emit('Add', [y.name, w.weight(noise(w.rng.int(1e9), [3]))], y.shape);
  },
  (w) => {
    const x = w.pick()!;
    const s = w.emit('Sigmoid', [x.name], x.shape);
    w.emit('Mul', [x.name, s.name], x.shape);
  },
  (w) => {
    const x = w.pick()!;
    const a = w.emit('Add', [x.name, w.scalar(3)], x.shape);
    const c = w.emit('Clip', [a.name, w.weight(scalar(0)), w.weight(scalar(6))], x.shape);
    const m = w.emit('Mul', [x.name, c.name], x.shape);
    w.emit('Div', [m.name, w.scalar(6)], x.shape);
  },
  (w) => {
    const x = w.pick()!;
    const d = w.emit('Div', [x.name, w.scalar(Math.SQRT2)], x.shape);
    const e = w.emit('Erf', [d.name], x.shape);
    const a = w.emit('Add', [e.name, w.scalar(1)], x.shape);
    const m = w.emit('Mul', [x.name, a.name], x.shape);
    w.emit('Mul', [m.name, w.scalar(0.5)], x.shape);
  },
  (w) => {
    const x = w.pick((value) => value.shape.at(-1)! > 1)!;
    if (!x) return;
    const column = [...x.shape.slice(0, -1), 1];
    const mean = w.emit('ReduceMean', [x.name], column, { axes: [-1] });
    const d = w.emit('Sub', [x.name, mean.name], x.shape);
    const square = w.emit('Mul', [d.name, d.name], x.shape);
    const variance = w.emit('ReduceMean', [square.name], column, { axes: [-1] });
    const sum = w.emit('Add', [variance.name, w.scalar(0.01)], column);
    const root = w.emit('Sqrt', [sum.name], column);
    const n = w.emit('Div', [d.name, root.name], x.shape);
    const vector = () => w.weight(noise(w.rng.int(1e9), [x.shape.at(-1)!]));
    const g = w.emit('Mul', [n.name, vector()], x.shape);
    w.emit('Add', [g.name, vector()], x.shape);
  },
  (w) => {
    // Constants in, constant out, then used.
    const x = w.pick()!;
    const name = w.fresh();
    w.nodes.push(
      node(`${name} = ${['Add', 'Mul', 'Div'][w.rng.int(3)]!}(${w.scalar(w.rng.normal() + 3)}, ${w.scalar(2)})`),
    );
    w.emit('Mul', [x.name, name], x.shape);
  },
  (w) => {
    const x = w.pick()!;
    w.nodes.push(node(`k${w.nodes.length} = Constant()`, { value_float: float(0.5) }));
    w.emit('Add', [x.name, `k${w.nodes.length - 1}`], x.shape);
  },
  (w) => {
    const x = w.pick()!;
    const value = { name: w.fresh(), shape: x.shape };
    w.nodes.push(node(`${value.name}, ${w.fresh()} = Dropout(${x.name})`));
    w.values.push(value);
  },
];

function randomModel(seed: number): Model {
  const rng = createRng(`random graph ${seed}`);
  const writer = new Writer(rng);
  writer.values.push({ name: 'x', shape: [3, 4, 5, 6] }, { name: 'z', shape: [3, 6] });
  const size = 4 + rng.int(24);
  for (let at = 0; at < size; at++) pieces[rng.int(pieces.length)]!(writer);
  const made = writer.values.slice(2);
  const outputs = new Set([made.at(-1)!.name]);
  for (let extra = rng.int(3); extra > 0; extra--) outputs.add(made[rng.int(made.length)]!.name);
  return model({
    inputs: { x: ['n', 4, 5, 6], z: ['n', 6] },
    outputs: [...outputs],
    weights: writer.weights,
    nodes: writer.nodes,
    opset: [13, 14, 17][rng.int(3)]!,
  });
}

describe('random graphs', () => {
  const reached = new Set<string>();
  const chunk = 20;
  for (let start = 0; start < count; start += chunk) {
    const last = Math.min(start + chunk, count);
    it(`${firstSeed + start} to ${firstSeed + last - 1}`, async () => {
      for (let at = start; at < last; at++) {
        const before = randomModel(firstSeed + at);
        const where = `seed ${firstSeed + at}`;
        const after = await apply(before, steps).catch((error: unknown) => {
          throw new Error(where, { cause: error });
        });
        for (const row of after.ledger) if (row.fired > 0) reached.add(row.step);
        expect(after.settled, where).toBe(true);
        expect(after.model.graph.nodes.length, where).toBeLessThanOrEqual(before.graph.nodes.length);
        await expectSameOutputs(before, after.model, { relative: 1e-4, floor: 1, seeds: 1 }).catch((error: unknown) => {
          throw new Error(`${where}: ${String(error)}`, { cause: error });
        });
      }
    });
  }

  it('made nearly every step fire', () => {
    // What these graphs have no matter for: no If, no old opset with weights as inputs.
    const others = ['weights-not-inputs', 'inline-constant-if'];
    expect([...reached, ...others].sort()).toEqual([...steps].sort());
  });
});
