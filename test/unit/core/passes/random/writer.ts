/**
 * Writes a random graph down while keeping track of shapes. Pieces (../pieces) are written against this class: each adds
 * a few nodes that read values made before.
 */
import { createRng, type Rng } from '../../../../../src/core/base/rng.ts';
import { valueInfo } from '../../../../../src/core/ir/build.ts';
import type { DType } from '../../../../../src/core/ir/dtype.ts';
import type { FunctionDef, Graph, Node, Tensor, ValueInfo } from '../../../../../src/core/ir/types.ts';
import { type Attributes, graph, ints, node, noise, tensor } from '../helpers.ts';

export interface Value {
  readonly name: string;
  /** As it is with the feeds: free dims have the number that is fed. */
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * Adds nodes to a graph through the writer. Files in ../pieces export `pieces: Pieces`, which is all that is needed to
 * be part of the random graphs. A piece that finds nothing to work on returns without adding anything. Names of values
 * come from `fresh`, `emit` and `weight` only, numbers from `writer.rng` only, the opset is `writer.opset`. Results that
 * jump (ArgMax, Round, comparisons, Cast to integers) must not read `pick()`ed floats, since rounding may differ: read
 * `writer.inputs` there.
 */
export type Piece = (writer: Writer) => void;
export type Pieces = Readonly<Record<string, Piece>>;

export const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

interface Shared {
  readonly prefix: string;
  readonly opset: number;
  readonly float: 'float32' | 'float16';
  names: number;
  usesContrib: boolean;
  /** Of the whole model, in the domain 'local'. */
  readonly functions: FunctionDef[];
}

export class Writer {
  readonly nodes: Node[] = [];
  readonly weights: Record<string, Tensor> = {};
  /** What may be read, oldest first; graph inputs are the first. */
  readonly values: Value[] = [];
  /** Graph inputs: the same bits whatever passes ran. */
  readonly inputs: readonly Value[];
  rng: Rng;
  readonly #shared: Shared;
  readonly #depth: number;

  constructor(shared: Shared, inputs: readonly Value[], visible: readonly Value[] = inputs, depth = 0) {
    this.#shared = shared;
    this.inputs = inputs;
    this.values.push(...visible);
    this.#depth = depth;
    this.rng = createRng(0);
  }

  /** Of ai.onnx; 13 at least. */
  get opset(): number {
    return this.#shared.opset;
  }

  /** The floating-point type of this graph. */
  get float(): 'float32' | 'float16' {
    return this.#shared.float;
  }

  /** True inside the body of an If or a Loop. */
  get isNested(): boolean {
    return this.#depth > 0;
  }

  get usesContrib(): boolean {
    return this.#shared.usesContrib;
  }

  /** A name that no other value has. */
  fresh(): string {
    this.#shared.names += 1;
    return `${this.#shared.prefix}v${this.#shared.names}`;
  }

  /** Adds a constant. @returns its name */
  weight(value: Tensor): string {
    const name = this.fresh();
    this.weights[name] = value;
    return name;
  }

  ints(...values: number[]): string {
    return this.weight(ints(...values));
  }

  /** A floating-point constant that acts as a scalar: rank 0, at times [1]. */
  scalar(value: number): string {
    return this.weight(tensor(this.rng.int(3) === 0 ? [1] : [], [value], this.float));
  }

  /** Exactly rank 0. */
  rank0(value: number, dtype: DType = this.float): string {
    return this.weight(tensor([], [value], dtype));
  }

  /** A floating-point constant of random numbers. */
  noise(dims: readonly number[], scale = 1): string {
    return this.weight(noise(this.rng.int(1e9), dims, this.float, scale));
  }

  /** Random numbers from 0.5 to 1.5, for variances and divisors. */
  positive(dims: readonly number[]): string {
    const values = Array.from({ length: product(dims) }, () => 0.5 + this.rng.uniform());
    return this.weight(tensor(dims, values, this.float));
  }

  /** A constant that broadcasts against the shape without changing it; at times all ones or zeros. */
  broadcastable(shape: readonly number[]): string {
    const from = this.rng.int(shape.length + 1);
    const dims = shape.slice(from).map((dim) => (this.rng.int(2) ? dim : 1));
    // Nothing of the free batch dim may be written down.
    if (from === 0 && dims.length > 0) dims[0] = 1;
    const kind = this.rng.int(4);
    if (kind > 1) return this.noise(dims);
    return this.weight(tensor(dims, new Array<number>(product(dims)).fill(kind), this.float));
  }

  /** Defines a function of the model that calls nothing but ai.onnx. @returns its name, to be emitted as `local.NAME` */
  define(inputs: readonly string[], nodes: readonly Node[], output: string): string {
    const name = this.fresh();
    this.#shared.functions.push({
      name,
      domain: 'local',
      inputs: [...inputs],
      outputs: [output],
      attributeNames: [],
      attributeDefaults: new Map(),
      nodes: [...nodes],
      opsetImports: new Map([['', this.opset]]),
      valueInfo: new Map(),
    });
    return name;
  }

  /** Adds a node without a value that later pieces may read. */
  node(text: string, attributes: Attributes = {}): void {
    if (text.includes('com.microsoft.')) this.#shared.usesContrib = true;
    this.nodes.push(node(text, attributes));
  }

  /** Adds a node with one output, which later pieces may read. `op` may name a domain: `com.microsoft.Gelu`. */
  emit(
    op: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Attributes = {},
    dtype: DType = this.float,
  ): Value {
    return this.emitAll(op, inputs, [{ shape, dtype }], attributes)[0]!;
  }

  /** As `emit`, for several outputs. */
  emitAll(
    op: string,
    inputs: readonly string[],
    outputs: readonly { readonly shape: readonly number[]; readonly dtype?: DType }[],
    attributes: Attributes = {},
  ): Value[] {
    const made = outputs.map(({ shape, dtype = this.float }) => ({ name: this.fresh(), shape, dtype }));
    this.node(`${made.map(({ name }) => name).join(', ')} = ${op}(${inputs.join(', ')})`, attributes);
    this.values.push(...made);
    return made;
  }

  /** ReduceMean and the like: the axes are an attribute up to opset 17, an input from 18 on (ReduceSum: from 13 on). */
  reduce(op: string, x: Value, axes: readonly number[], keepdims = true): Value {
    const at = axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis));
    const shape = x.shape.flatMap((dim, axis) => (at.includes(axis) ? (keepdims ? [1] : []) : [dim]));
    const flag = keepdims ? {} : { keepdims: 0 };
    return this.opset >= 18 || op === 'ReduceSum'
      ? this.emit(op, [x.name, this.ints(...axes)], shape, flag)
      : this.emit(op, [x.name], shape, { ...flag, axes: [...axes] });
  }

  /** A floating-point value without empty dims; later ones more often, so that graphs become deep. */
  pick(accept: (value: Value) => boolean = () => true): Value | undefined {
    return this.pickAny((value) => value.dtype === this.float && product(value.shape) > 0 && accept(value));
  }

  /** A value of any type and size. */
  pickAny(accept: (value: Value) => boolean): Value | undefined {
    const fitting = this.values.filter(accept);
    return fitting[fitting.length - 1 - Math.floor(this.rng.uniform() ** 2 * fitting.length)];
  }

  /**
   * A graph inside this one, which may read everything there is outside. Depth ends at two.
   * @param inputs of the body, with the types that a caller gives them
   * @param write adds the nodes and returns the outputs, which must be made in the body
   */
  body(inputs: readonly Value[], write: (inner: Writer) => readonly Value[]): Graph | undefined {
    if (this.#depth >= 2) return undefined;
    const inner = new Writer(this.#shared, this.inputs, [...this.values, ...inputs], this.#depth + 1);
    inner.rng = this.rng;
    const outputs = write(inner);
    const infos: ValueInfo[] = outputs.map(({ name, dtype }) => ({ name, type: { kind: 'tensor', dtype } }));
    const made = graph({ outputs: [], weights: inner.weights, nodes: inner.nodes });
    made.name = this.fresh();
    made.inputs = inputs.map(({ name, dtype, shape }) =>
      valueInfo(
        name,
        dtype,
        shape.map(() => null),
      ),
    );
    made.outputs = infos;
    return made;
  }
}
