/**
 * Random small nets of the pieces that quantizers look for, with their output in float64 and, for a given coarseness of
 * the format, a bound on what quantization may do to it (interval arithmetic to first principles: every weight off by so
 * much, every input rounded by so much, errors carried through the operators).
 */
import { createRng, type Rng } from '../../../../../src/core/base/rng.ts';
import { attrGraph, attrInt } from '../../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../../src/core/ir/build.ts';
import { tensorFromInts } from '../../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../../src/core/ir/types.ts';
import { constantNode, floatTensor } from './models.ts';

/** Errors relative to the largest magnitude of what is rounded. */
export interface Coarseness {
  readonly weights: number;
  /** Of what products and convolutions read. */
  readonly inputs: number;
  /** Of what any operator makes. */
  readonly outputs: number;
  /** Values beyond what calibration saw are clipped. */
  readonly clips: boolean;
}

export const ROWS = 3;

interface Value {
  readonly name: string;
  readonly width: number;
}

type Matrix = Float64Array;
interface Bounded {
  readonly value: Matrix;
  readonly error: Matrix;
}

const largest = (values: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < values.length; i += 1) most = Math.max(most, Math.abs(values[i]!));
  return most;
};

export class RandomNet {
  readonly model: Model;
  readonly width: number;
  readonly input: Float32Array;
  readonly #rng: Rng;
  readonly #opset: number;
  readonly #nodes: Node[] = [];
  readonly #weights: Tensor[] = [];
  readonly #values: Value[] = [];
  /** By shape, so that some are shared: "rows x columns". */
  readonly #matrices = new Map<string, { name: string; values: Float32Array }[]>();
  /** Computes every value with its bound, in order. */
  readonly #program: ((known: Map<string, Bounded>, format: Coarseness) => void)[] = [];
  #names = 0;

  constructor(seed: number) {
    this.#rng = createRng(seed);
    this.#opset = this.#pick([13, 17, 21]);
    this.width = this.#pick([16, 24, 33]);
    this.input = this.#noise(ROWS * this.width, 1);
    this.#values.push({ name: 'x', width: this.width });
    const steps = 2 + this.#rng.int(4);
    for (let i = 0; i < steps; i += 1) this.#addPiece();
    // A product at the end, so that every net has one.
    const last = this.#product(this.#values.at(-1)!);
    this.#nodes.push(this.#node('Identity', [last.name], 'y'));
    this.#program.push((known) => void known.set('y', known.get(last.name)!));
    this.model = makeModel({
      opset: this.#opset,
      graph: makeGraph({
        nodes: this.#nodes,
        inputs: [valueInfo('x', 'float32', [ROWS, this.width]), valueInfo('c', 'bool', [])],
        outputs: [valueInfo('y', 'float32')],
        initializers: this.#weights,
      }),
    });
  }

  /** The output, and for each element how far it may be off. */
  bound(format: Coarseness): Bounded {
    const value = Float64Array.from(this.input);
    const known = new Map([['x', { value, error: new Float64Array(value.length) }]]);
    for (const run of this.#program) run(known, format);
    return known.get('y')!;
  }

  #addPiece(): void {
    const from = this.#pick(this.#values.slice(-3));
    const pieces = [
      () => this.#product(from),
      () => this.#product(from),
      () => this.#relu(from),
      () => this.#residual(from),
      () => this.#lookup(from),
      () => this.#branch(from),
      () => this.#norm(from),
    ];
    this.#values.push(this.#pick(pieces)());
  }

  /** MatMul, Gemm in both orientations with a bias, or a convolution of size 1: all are x W + b. */
  #product(from: Value): Value {
    const kind = this.#pick(['MatMul', 'Gemm', 'GemmT', 'Conv'] as const);
    const width = this.#pick([16, 24, 33, this.width]);
    const isTransposed = kind === 'GemmT' || kind === 'Conv';
    const dims = isTransposed ? [width, from.width] : [from.width, width];
    const weight = this.#matrix(kind === 'Conv' ? [...dims, 1, 1] : dims);
    const bias = kind === 'MatMul' ? undefined : this.#noise(width, 0.5);
    const output = this.#fresh();
    const inputs = [from.name, weight.name];
    if (bias) inputs.push(this.#constant([width], bias));
    if (kind === 'Conv') {
      const shape = (sizes: number[]) => {
        const tensor = tensorFromInts(this.#fresh(), [sizes.length], sizes);
        this.#weights.push(tensor);
        return tensor.name;
      };
      const [image, result] = [this.#fresh(), this.#fresh()];
      this.#nodes.push(
        this.#node('Reshape', [from.name, shape([ROWS, from.width, 1, 1])], image),
        this.#node('Conv', [image, ...inputs.slice(1)], result),
        this.#node('Reshape', [result, shape([ROWS, width])], output),
      );
    } else
      this.#nodes.push(
        this.#node(kind === 'MatMul' ? 'MatMul' : 'Gemm', inputs, output, isTransposed ? { transB: attrInt(1) } : {}),
      );
    this.#program.push((known, format) => {
      known.set(output, affine(known.get(from.name)!, weight.values, isTransposed, width, bias, format));
    });
    return { name: output, width };
  }

  #relu(from: Value): Value {
    const output = this.#fresh();
    this.#nodes.push(this.#node('Relu', [from.name], output));
    this.#program.push((known, format) => {
      const { value, error } = known.get(from.name)!;
      known.set(
        output,
        rounded(
          value.map((v) => Math.max(v, 0)),
          error.slice(),
          format,
        ),
      );
    });
    return { name: output, width: from.width };
  }

  #residual(from: Value): Value {
    const other = this.#pick(this.#values.filter(({ width }) => width === from.width));
    const output = this.#fresh();
    this.#nodes.push(this.#node('Add', [from.name, other.name], output));
    this.#program.push((known, format) => {
      const [a, b] = [known.get(from.name)!, known.get(other.name)!];
      const sum = a.value.map((v, i) => v + b.value[i]!);
      known.set(
        output,
        rounded(
          sum,
          a.error.map((e, i) => e + b.error[i]!),
          format,
        ),
      );
    });
    return { name: output, width: from.width };
  }

  /** Rows of a table that products may share. */
  #lookup(from: Value): Value {
    const table = this.#matrix([40, from.width]);
    const indices = Array.from({ length: ROWS }, () => this.#rng.int(40));
    const [rows, output, index] = [this.#fresh(), this.#fresh(), this.#fresh()];
    this.#weights.push(tensorFromInts(index, [ROWS], indices));
    this.#nodes.push(this.#node('Gather', [table.name, index], rows), this.#node('Add', [from.name, rows], output));
    this.#program.push((known, format) => {
      const { value, error } = known.get(from.name)!;
      const slack = format.weights * largest(table.values);
      const sum = value.map(
        (v, i) => v + table.values[indices[Math.floor(i / from.width)]! * from.width + (i % from.width)]!,
      );
      known.set(
        output,
        rounded(
          sum,
          error.map((e) => e + slack),
          format,
        ),
      );
    });
    return { name: output, width: from.width };
  }

  /** If, with a product in each branch; the condition is true. One weight is the branch's own, one may be an outer one. */
  #branch(from: Value): Value {
    const width = this.#pick([16, 24]);
    const own = this.#noise(from.width * width, 0.3);
    const outer = this.#matrix([from.width, width]);
    const output = this.#fresh();
    const branch = (weight: string, tensors: readonly Tensor[]) => {
      const result = this.#fresh();
      return makeGraph({
        name: result,
        nodes: [this.#node('MatMul', [from.name, weight], result)],
        outputs: [valueInfo(result, 'float32')],
        initializers: tensors,
      });
    };
    const ownName = this.#fresh();
    const owning = branch(ownName, [floatTensor(ownName, [from.width, width], own)]);
    const borrowing = branch(outer.name, []);
    const isOwnTaken = this.#rng.int(2) === 0;
    this.#nodes.push(
      makeNode({
        opType: 'If',
        name: `/${output}`,
        inputs: ['c'],
        outputs: [output],
        attributes: {
          then_branch: attrGraph(isOwnTaken ? owning : borrowing),
          else_branch: attrGraph(isOwnTaken ? borrowing : owning),
        },
      }),
    );
    const taken = isOwnTaken ? own : outer.values;
    this.#program.push((known, format) => {
      known.set(output, affine(known.get(from.name)!, taken, false, width, undefined, format));
    });
    return { name: output, width };
  }

  #norm(from: Value): Value {
    // LayerNormalization is part of opset 17.
    if (this.#opset < 17) return this.#relu(from);
    const { width } = from;
    const gamma = this.#noise(width, 0.2).map((v) => 1 + v);
    const beta = this.#noise(width, 0.2);
    const output = this.#fresh();
    const inputs = [from.name, this.#constant([width], gamma), this.#constant([width], beta)];
    this.#nodes.push(this.#node('LayerNormalization', inputs, output));
    this.#program.push((known, format) => {
      known.set(output, normalized(known.get(from.name)!, gamma, beta, format));
    });
    return { name: output, width };
  }

  #matrix(dims: readonly number[]): { name: string; values: Float32Array } {
    const key = dims.join('x');
    const known = this.#matrices.get(key) ?? [];
    this.#matrices.set(key, known);
    if (known.length > 0 && this.#rng.int(2) === 0) return this.#pick(known);
    const values = this.#noise(
      dims.reduce((a, b) => a * b, 1),
      0.3,
    );
    const made = { name: this.#constant(dims, values), values };
    known.push(made);
    return made;
  }

  /** As an initializer or as a Constant node. */
  #constant(dims: readonly number[], values: Float32Array): string {
    const tensor = floatTensor(`w${this.#fresh()}`, dims, values);
    if (this.#rng.int(4) === 0) this.#nodes.push(constantNode(tensor));
    else this.#weights.push(tensor);
    return tensor.name;
  }

  #node(opType: string, inputs: string[], output: string, attributes: Record<string, ReturnType<typeof attrInt>> = {}) {
    return makeNode({ opType, name: `/${output}`, inputs, outputs: [output], attributes });
  }

  #noise(count: number, scale: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.#rng.normal() * scale);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#rng.int(from.length)]!;
  }

  #fresh(): string {
    this.#names += 1;
    return `v${this.#names}`;
  }
}

function affine(
  { value, error }: Bounded,
  weight: Float32Array,
  isTransposed: boolean,
  width: number,
  bias: Float32Array | undefined,
  format: Coarseness,
): Bounded {
  const depth = value.length / ROWS;
  const weightError = format.weights * largest(weight);
  const inputError = format.inputs * (largest(value) + largest(error));
  const out = new Float64Array(ROWS * width);
  const outError = new Float64Array(ROWS * width);
  for (let row = 0; row < ROWS; row += 1)
    for (let column = 0; column < width; column += 1) {
      let sum = bias ? bias[column]! : 0;
      let slack = 0;
      for (let k = 0; k < depth; k += 1) {
        const at = row * depth + k;
        const w = weight[isTransposed ? column * depth + k : k * width + column]!;
        const e = (format.clips ? 2 : 1) * error[at]! + inputError;
        sum += value[at]! * w;
        slack += (Math.abs(value[at]!) + e) * weightError + e * Math.abs(w);
      }
      out[row * width + column] = sum;
      outError[row * width + column] = slack;
    }
  return rounded(out, outError, format);
}

function rounded(value: Matrix, error: Matrix, { outputs, clips }: Coarseness): Bounded {
  const slack = outputs * (largest(value) + largest(error));
  return { value, error: error.map((e) => (clips ? 2 : 1) * e + slack) };
}

/**
 * gamma (x - mean) / deviation + beta. The deviation moves by no more than the largest change of x - mean; and no
 * normalized row of n numbers has one beyond sqrt(n), whatever goes in.
 */
function normalized({ value, error }: Bounded, gamma: Float32Array, beta: Float32Array, format: Coarseness): Bounded {
  const width = gamma.length;
  const out = new Float64Array(value.length);
  const outError = new Float64Array(value.length);
  for (let start = 0; start < value.length; start += width) {
    const row = value.subarray(start, start + width);
    const rowError = error.subarray(start, start + width).map((e) => (format.clips ? 2 : 1) * e);
    const mean = row.reduce((sum, v) => sum + v, 0) / width;
    const meanError = rowError.reduce((sum, e) => sum + e, 0) / width;
    const deviation = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width + 1e-5);
    const most = largest(rowError) + meanError;
    for (let i = 0; i < width; i += 1) {
      const unit = (row[i]! - mean) / deviation;
      out[start + i] = gamma[i]! * unit + beta[i]!;
      const moved = (rowError[i]! + meanError + Math.abs(unit) * most) / Math.max(deviation - most, 1e-12);
      const parameters = format.weights * (largest(gamma) * Math.sqrt(width) + largest(beta));
      outError[start + i] = Math.abs(gamma[i]!) * Math.min(moved, 2 * Math.sqrt(width)) + parameters;
    }
  }
  return rounded(out, outError, format);
}
