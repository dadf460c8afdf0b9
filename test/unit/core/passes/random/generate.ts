/** Random graphs as data that fast-check can make and shrink: a list of pieces, each with its own seed. */
import fc from 'fast-check';
import { createRng } from '../../../../../src/core/base/rng.ts';
import { makeGraph, makeModel, valueInfo } from '../../../../../src/core/ir/build.ts';
import { readTensorBytes } from '../../../../../src/core/ir/tensor.ts';
import type { Dim, FunctionDef, Model, Tensor, ValueInfo } from '../../../../../src/core/ir/types.ts';
import type { HostTensor } from '../../../../../src/core/step/define.ts';
import { noise, tensor } from '../helpers.ts';
import { type Piece, type Pieces, product, type Value, Writer } from './writer.ts';

const modules = import.meta.glob<{ pieces: Pieces }>('../pieces/*.ts', { eager: true });

/** By name, "file/piece"; the plainest first, since shrinking goes that way. */
export const allPieces: ReadonlyMap<string, Piece> = new Map(
  Object.entries(modules).flatMap(([path, { pieces }]) => {
    const file = path.replace(/^.*\/|\.ts$/g, '').replace(/^\d+-/, '');
    return Object.entries(pieces).map(([name, piece]): [string, Piece] => [`${file}/${name}`, piece]);
  }),
);

/** What a graph is made from; together with an opset and a prefix it gives the same graph every time. */
export interface Plan {
  readonly half: boolean;
  /** Initializers that a caller may replace, and does. */
  readonly overridden: boolean;
  /** Outputs beyond the last value. */
  readonly outputs: readonly number[];
  readonly pieces: readonly { readonly piece: string; readonly seed: number }[];
}

const oneIn = (n: number) => fc.nat(n - 1).map((draw) => draw === n - 1);
const onePiece = fc.record({
  piece: fc.constantFrom(...allPieces.keys()),
  seed: fc.noShrink(fc.nat(1e9)),
});

export const anyPlan: fc.Arbitrary<Plan> = fc.record({
  half: oneIn(8),
  overridden: oneIn(5),
  outputs: fc.array(fc.nat(40), { maxLength: 3 }),
  pieces: fc.array(onePiece, { minLength: 1, maxLength: 16, size: 'max' }),
});

/** Half precision rounds a thousandth at every operator: short chains only, or nothing could be told from its noise. */
const HALF_PIECES = 5;

export interface RandomGraph {
  readonly model: Model;
  readonly feeds: ReadonlyMap<string, HostTensor>;
}

interface Given {
  readonly name: string;
  readonly declared: readonly Dim[];
  readonly shape: readonly number[];
}

const given: readonly Given[] = [
  { name: 'x', declared: ['n', 4, 5, 6], shape: [3, 4, 5, 6] },
  { name: 'z', declared: ['n', 6], shape: [3, 6] },
  { name: 't', declared: ['n', 's', 8], shape: [3, 5, 8] },
];

/** @param prefix of all names, so that graphs can stand side by side in one model */
export async function graphOf(plan: Plan, opset: number, prefix: string): Promise<RandomGraph> {
  const float = plan.half ? 'float16' : 'float32';
  const inputs: Value[] = given.map(({ name, shape }) => ({ name: `${prefix}${name}`, shape, dtype: float }));
  const index: Value = { name: `${prefix}i`, shape: [3, 4], dtype: 'int64' };
  const functions: FunctionDef[] = [];
  const writer = new Writer({ prefix, opset, float, names: 0, usesContrib: false, functions }, [...inputs, index]);
  const infos: ValueInfo[] = [
    ...given.map(({ name, declared }) =>
      valueInfo(
        `${prefix}${name}`,
        float,
        declared.map((dim) => (typeof dim === 'string' ? `${prefix}${dim}` : dim)),
      ),
    ),
    valueInfo(index.name, 'int64', [`${prefix}n`, 4]),
  ];
  const feeds = new Map<string, HostTensor>();
  for (const { name, shape, dtype } of inputs) feeds.set(name, await fed(noise(name, shape, dtype, 2)));
  feeds.set(index.name, await fed(tensor(index.shape, [3, -2, 0, 7, 1, 1, -9, 4, 0, 5, 6, 2], 'int64')));
  if (plan.overridden) {
    // A weight that is also an input: its default must not be taken for its value.
    const name = `${prefix}given`;
    writer.weights[name] = tensor([6], [1, 1, 1, 1, 1, 1], float);
    infos.push(valueInfo(name, float, [6]));
    feeds.set(name, await fed(noise(name, [6], float)));
    writer.rng = createRng(0);
    writer.emit('Mul', [inputs[0]!.name, name], inputs[0]!.shape);
    writer.emit('Mul', [inputs[1]!.name, name], inputs[1]!.shape);
  }
  for (const { piece, seed } of plan.half ? plan.pieces.slice(0, HALF_PIECES) : plan.pieces) {
    writer.rng = createRng(seed);
    allPieces.get(piece)!(writer);
  }
  const made = writer.values.slice(inputs.length + 1);
  if (made.length === 0) made.push(writer.emit('Identity', [inputs[0]!.name], inputs[0]!.shape));
  const outputs = new Set([made.at(-1)!, ...plan.outputs.map((at) => made[at % made.length]!)]);
  const graph = makeGraph({
    nodes: writer.nodes,
    inputs: infos,
    outputs: [...outputs].map(({ name, dtype }) => ({ name, type: { kind: 'tensor', dtype } })),
    initializers: Object.entries(writer.weights).map(([name, value]) => ({ ...value, name })),
  });
  const extraOpsets = {
    ...(writer.usesContrib && { 'com.microsoft': 1 }),
    ...(functions.length > 0 && { local: 1 }),
  };
  return { model: modelOf({ graph, opset, extraOpsets, functions }), feeds };
}

/** Functions came with IR version 8. */
function modelOf(parts: Parameters<typeof makeModel>[0]): Model {
  const made = makeModel(parts);
  if (made.functions.length > 0) made.irVersion = Math.max(8, made.irVersion);
  return made;
}

async function fed(value: Tensor): Promise<HostTensor> {
  return {
    dtype: value.dtype,
    dims: value.dims,
    data: product(value.dims) === 0 ? new Uint8Array() : await readTensorBytes(value),
  };
}

/** Disjoint graphs as one model, since a session costs more than the graphs in it. */
export function sideBySide(graphs: readonly RandomGraph[]): RandomGraph {
  const models = graphs.map(({ model }) => model);
  const merged = modelOf({
    graph: makeGraph({
      nodes: models.flatMap(({ graph }) => graph.nodes),
      inputs: models.flatMap(({ graph }) => graph.inputs),
      outputs: models.flatMap(({ graph }) => graph.outputs),
      initializers: models.flatMap(({ graph }) => [...graph.initializers.values()]),
    }),
    opset: models[0]!.opsetImports.get('')!,
    functions: models.flatMap(({ functions }) => functions),
  });
  for (const model of models)
    for (const [domain, version] of model.opsetImports) merged.opsetImports.set(domain, version);
  const feeds = new Map(graphs.flatMap((graph) => [...graph.feeds]));
  return { model: merged, feeds };
}
