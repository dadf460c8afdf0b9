/** Small models from text, steps applied to them, and onnxruntime as the judge of what they compute. */
import ort from 'onnxruntime-node';
import { expect } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import {
  attrFloat,
  attrFloats,
  attrGraph,
  attrInt,
  attrInts,
  attrString,
  attrTensor,
} from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import {
  bytesOf,
  elementCount,
  readTensorBytes,
  tensorFromNumbers,
  toTypedArray,
} from '../../../../src/core/ir/tensor.ts';
import type { Attribute, Dim, Graph, Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { opName } from '../../../../src/core/ir/walk.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import type { Executor, HostTensor, TensorStore } from '../../../../src/core/step/define.ts';
import { runSteps, type StepRecord, type StepsOutcome } from '../../../../src/core/step/run-steps.ts';

class Float {
  constructor(
    readonly value: number,
    readonly dtype: DType = 'float32',
  ) {}
}

/** A float attribute (a bare number is an int attribute). */
export const float = (value: number): Float => new Float(value);

type AttributeValue = number | string | Float | readonly number[] | readonly Float[] | Tensor | Graph;

function attributeOf(value: AttributeValue): Attribute {
  if (typeof value === 'number') return attrInt(value);
  if (typeof value === 'string') return attrString(value);
  if (value instanceof Float) return attrFloat(value.value);
  if (Array.isArray(value)) {
    const items = value as (number | Float)[];
    return items[0] instanceof Float
      ? attrFloats(items.map((item) => (item as Float).value))
      : attrInts(items as number[]);
  }
  return 'nodes' in (value as object) ? attrGraph(value as Graph) : attrTensor(value as Tensor);
}

export type Attributes = Readonly<Record<string, AttributeValue>>;

/** `node('y = Conv(x, w)', { group: 1 })`; `com.microsoft.Gelu(x)` for another domain; an empty name leaves an input out. */
export function node(text: string, attributes: Attributes = {}): Node {
  const match = /^(.*?)=\s*([\w.]+)\s*\((.*)\)$/.exec(text.trim());
  if (!match) throw new Error(`cannot read node: ${text}`);
  const [, outputs, op, inputs] = match as unknown as [string, string, string, string];
  const names = (list: string) => (list.trim() === '' ? [] : list.split(',').map((name) => name.trim()));
  const dot = op.lastIndexOf('.');
  return makeNode({
    opType: op.slice(dot + 1),
    domain: dot < 0 ? '' : op.slice(0, dot),
    inputs: names(inputs),
    outputs: names(outputs),
    attributes: Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)])),
  });
}

export function tensor(dims: readonly number[], values: readonly number[], dtype: DType = 'float32'): Tensor {
  return tensorFromNumbers('', dtype, dims, values);
}

export const scalar = (value: number, dtype: DType = 'float32'): Tensor => tensor([], [value], dtype);
export const ints = (...values: number[]): Tensor => tensor([values.length], values, 'int64');

/** Reproducible values around zero, of about unit size. */
export function noise(seed: number | string, dims: readonly number[], dtype: DType = 'float32', scale = 1): Tensor {
  const rng = createRng(seed);
  return tensor(
    dims,
    Array.from({ length: elementCount(dims) }, () => rng.normal() * scale),
    dtype,
  );
}

interface Declared {
  readonly dtype?: DType;
  readonly shape: readonly Dim[];
}

type Shapes = Readonly<Record<string, readonly Dim[] | Declared>>;

export interface Parts {
  readonly inputs?: Shapes;
  /** Names; dtype and shape are left for the runtime to infer. */
  readonly outputs: readonly string[];
  readonly weights?: Readonly<Record<string, Tensor>>;
  readonly nodes: readonly (string | Node)[];
  readonly opset?: number;
  readonly irVersion?: number;
  readonly contrib?: boolean;
}

export function graph({ inputs = {}, outputs, weights = {}, nodes }: Parts): Graph {
  return makeGraph({
    nodes: nodes.map((item) => (typeof item === 'string' ? node(item) : item)),
    inputs: Object.entries(inputs).map(([name, given]) => {
      const { dtype = 'float32', shape } = 'shape' in given ? given : { shape: given };
      return valueInfo(name, dtype, shape);
    }),
    outputs: outputs.map((name) => ({ name })),
    initializers: Object.entries(weights).map(([name, value]) => ({ ...value, name })),
  });
}

export function model(parts: Parts): Model {
  const extraOpsets = parts.contrib ? { 'com.microsoft': 1 } : {};
  return makeModel({
    graph: graph(parts),
    opset: parts.opset ?? 17,
    extraOpsets,
    ...(parts.irVersion === undefined ? {} : { irVersion: parts.irVersion }),
  });
}

export const memoryStore: TensorStore = {
  async put(byteLength, chunks) {
    const bytes = new Uint8Array(byteLength);
    let at = 0;
    for await (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.byteLength;
    }
    return { kind: 'bytes', bytes };
  },
};

const ortTypes: Partial<Record<DType, string>> = {};
const toOrtType = (dtype: DType): string => ortTypes[dtype] ?? dtype;

function toOrt({ dtype, dims, data, strings }: HostTensor): ort.Tensor {
  if (dtype === 'string') return new ort.Tensor('string', [...(strings ?? [])], [...dims]);
  const values = toTypedArray(dtype, data.slice());
  return new ort.Tensor(toOrtType(dtype) as 'float32', values as Float32Array, [...dims]);
}

function fromOrt(value: ort.Tensor): HostTensor {
  const dims = [...value.dims];
  if (value.type === 'string')
    return { dtype: 'string', dims, data: new Uint8Array(), strings: value.data as string[] };
  return { dtype: value.type as DType, dims, data: bytesOf(value.data as Float32Array) };
}

export type Feeds = ReadonlyMap<string, HostTensor>;

/** Runs a model in onnxruntime, without its own optimizer unless asked. */
export async function runOrt(
  subject: Model | Uint8Array,
  feeds: Feeds = new Map(),
  level: 'disabled' | 'all' = 'disabled',
): Promise<Map<string, HostTensor>> {
  const bytes = subject instanceof Uint8Array ? subject : await modelToBytes(subject);
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const inputs = Object.fromEntries([...feeds].map(([name, value]) => [name, toOrt(value)]));
    const outputs = await session.run(inputs);
    return new Map(Object.entries(outputs).map(([name, value]) => [name, fromOrt(value as ort.Tensor)]));
  } finally {
    await session.release();
  }
}

export const ortExecutor: Executor = { run: (bytes, feeds) => runOrt(bytes, feeds) };

export interface ApplyOptions {
  readonly params?: Readonly<Record<string, Record<string, unknown>>>;
  readonly executor?: Executor | null;
}

/** Applies steps by id, with the whole graph validated after each one that changed something. */
export function apply(subject: Model, ids: readonly string[], options: ApplyOptions = {}): Promise<StepsOutcome> {
  const steps = ids.map((id) => {
    const definition = stepRegistry.get(id);
    if (!definition) throw new Error(`no step ${id}`);
    return { definition, params: definition.params.parse(options.params?.[id] ?? {}) };
  });
  const executor = options.executor === null ? undefined : (options.executor ?? ortExecutor);
  return runSteps({ model: subject, steps, job: quietJob, store: memoryStore, executor, validate: true });
}

/** Seeded feeds for every input of the model that is not also an initializer. Free dims become `freeSize`. */
export async function feedsFor(subject: Model, seed = 1, freeSize = 3): Promise<Map<string, HostTensor>> {
  const feeds = new Map<string, HostTensor>();
  for (const [at, { name, type }] of subject.graph.inputs.entries()) {
    if (subject.graph.initializers.has(name) || type?.kind !== 'tensor') continue;
    const dims = (type.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : freeSize));
    const values = noise(seed * 1000 + at, dims, type.dtype === 'bool' ? 'float32' : type.dtype, 2);
    const data =
      type.dtype === 'bool'
        ? Uint8Array.from({ length: elementCount(dims) }, (_, i) => i % 2)
        : await readTensorBytes(values);
    feeds.set(name, { dtype: type.dtype, dims, data });
  }
  return feeds;
}

export interface Tolerance {
  /** Relative to the largest magnitude of the output; 0 asks for equal bytes. */
  readonly relative?: number;
  /** Smallest range: outputs that are 0 but for rounding are compared with this magnitude. */
  readonly floor?: number;
  readonly seeds?: number;
  readonly feeds?: Feeds;
}

/** Both models give the same outputs, by onnxruntime, for several seeded inputs. */
export async function expectSameOutputs(before: Model, after: Model, tolerance: Tolerance = {}): Promise<void> {
  const { relative = 0, floor = 1e-30, seeds = 2 } = tolerance;
  for (let seed = 1; seed <= seeds; seed++) {
    const feeds = tolerance.feeds ?? (await feedsFor(before, seed));
    const expected = await runOrt(before, feeds);
    const got = await runOrt(after, feeds);
    expect([...got.keys()]).toEqual([...expected.keys()]);
    for (const [name, value] of expected) expectClose(got.get(name)!, value, { relative, floor, name });
  }
}

interface Closeness {
  readonly relative: number;
  readonly floor: number;
  readonly name: string;
}

function expectClose(got: HostTensor, expected: HostTensor, { relative, floor, name }: Closeness): void {
  expect(got.dtype, name).toBe(expected.dtype);
  expect(got.dims, name).toEqual(expected.dims);
  if (expected.dtype === 'string') {
    expect(got.strings, name).toEqual(expected.strings);
    return;
  }
  if (relative === 0) {
    expect(Buffer.from(got.data).equals(Buffer.from(expected.data)), `${name} is not bit-equal`).toBe(true);
    return;
  }
  const a = numbersOf(got);
  const b = numbersOf(expected);
  const range = Math.max(floor, ...b.map(Math.abs).filter(Number.isFinite));
  const worst = Math.max(0, ...a.map((value, at) => (Object.is(value, b[at]) ? 0 : Math.abs(value - b[at]!) / range)));
  expect(worst, `${name}: largest error relative to the range`).toBeLessThanOrEqual(relative);
}

export function numbersOf({ dtype, data, dims }: HostTensor): number[] {
  const typed = tensorFromBytesLoose(dtype, dims, data);
  return typed;
}

function tensorFromBytesLoose(dtype: DType, dims: readonly number[], data: Uint8Array): number[] {
  if (dtype === 'float16') return Array.from(toTypedArray(dtype, data.slice()) as Uint16Array, halfToNumber);
  return Array.from(toTypedArray(dtype, data.slice()) as Float32Array, Number).slice(0, elementCount(dims));
}

/** Written out here so that the tests do not lean on the code they check. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Operators of the main graph in order. */
export const opsOf = (subject: Model): string[] => subject.graph.nodes.map(opName);

/** How often a step fired. */
export function fired(outcome: { ledger: readonly StepRecord[] }, id: string): number {
  return outcome.ledger.find((row) => row.step === id)?.fired ?? 0;
}
