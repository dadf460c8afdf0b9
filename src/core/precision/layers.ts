/** Which values of a model a variant of it still has, and which of them are the outputs of layers. */
import { opFamily } from '../analysis/op-families.ts';
import type { DType } from '../ir/dtype.ts';
import { elementCount, tensorByteLength } from '../ir/tensor.ts';
import type { Graph, Model, Node, Tensor } from '../ir/types.ts';
import { usedValuesOf } from '../ir/walk.ts';
import { nodeLabel } from '../quant/support/patterns.ts';
import { openScopes } from '../quant/support/scopes.ts';
import { findWeightUses } from '../quant/support/weight-uses.ts';
import { inferShapes } from '../shape/infer.ts';
import type { ShapeTable } from '../shape/types.ts';
import { changeDetector, producersOf } from './changed.ts';
import { withEffectiveValues } from './effective-values.ts';
import type { Layer } from './results.ts';

const floatTypes: ReadonlySet<string> = new Set(['float32', 'float16', 'bfloat16', 'float64']);

/** Families whose nodes only move or make values: what they do to an error is nothing. */
const notCompute: ReadonlySet<string> = new Set(['layout', 'constant', 'control-flow', 'quantization']);

export interface MatchedValues {
  /** The variant, with values as their readers see them. */
  readonly variant: Model;
  /** Values that nodes of both main graphs make under the same name, with types that can be compared. */
  readonly values: ReadonlySet<string>;
  /** Layers of the original with a matched output. */
  readonly layers: readonly MatchedLayer[];
  /** Names of the layers without one. */
  readonly unmatched: readonly string[];
  readonly originalType: (value: string) => DType | undefined;
  readonly variantType: (value: string) => DType | undefined;
}

export interface MatchedLayer extends Layer {
  readonly node: Node;
  readonly changed: boolean;
}

/**
 * @param original a floating-point model, nodes in topological order
 * @param made the variant, made from it by steps that keep the names of values
 */
export function matchValues(original: Model, made: Model): MatchedValues {
  const variant = withEffectiveValues(made);
  const originalType = typesOf(original);
  const variantType = typesOf(variant);
  const makers = producersOf(variant.graph);
  const values = new Set<string>();
  for (const node of original.graph.nodes)
    for (const output of node.outputs)
      if (output !== '' && makers.has(output) && comparable(originalType(output), variantType(output)))
        values.add(output);
  const layers: MatchedLayer[] = [];
  const unmatched: { readonly layer: Layer; readonly node: Node }[] = [];
  const weights = weightsByNode(original);
  const isChanged = changeDetector(original, variant, values);
  for (const [order, node] of original.graph.nodes.entries()) {
    const layer = layerOf(node, order, weights, originalType);
    if (!layer) continue;
    const output = node.outputs.find((name) => values.has(name) && isFloat(originalType(name)));
    if (output === undefined) unmatched.push({ layer, node });
    else layers.push({ ...layer, output, node, changed: isChanged(output) });
  }
  const left = adoptUnmatched(original.graph, layers, unmatched);
  return { variant, values, layers, unmatched: left, originalType, variantType };
}

/**
 * A layer whose own output is gone, since the next node was merged into it (a convolution and its Relu), goes by its own
 * name all the same: it takes the place of the node that makes the first value that is still there.
 * @returns names of those that have no such place
 */
function adoptUnmatched(
  graph: Graph,
  layers: MatchedLayer[],
  unmatched: readonly { readonly layer: Layer; readonly node: Node }[],
): string[] {
  if (unmatched.length === 0) return [];
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes)
    for (const value of new Set(usedValuesOf(node))) readers.set(value, [...(readers.get(value) ?? []), node]);
  const places = new Map(layers.map((layer, index) => [layer.node, index]));
  const left: string[] = [];
  for (const { layer, node } of unmatched) {
    let at: Node | undefined = node;
    let place: number | undefined;
    for (let hop = 0; at && place === undefined && hop < MOST_MERGED; hop += 1) {
      const next: Node[] = at.outputs.flatMap((output) => readers.get(output) ?? []);
      at = next.length === 1 ? next[0] : undefined;
      place = at && places.get(at);
    }
    const taken = place === undefined ? undefined : layers[place];
    // Two layers merged into one keep the later one's name.
    if (layer.parameters > 0 && taken && taken.parameters === 0)
      layers[place!] = { ...layer, output: taken.output, node: taken.node, changed: taken.changed };
    else left.push(layer.name);
  }
  return left;
}

/** Nodes that a quantizer merges into the one before them. */
const MOST_MERGED = 4;

/** A compute node with a floating-point output, or nothing. */
function layerOf(
  node: Node,
  order: number,
  weights: ReadonlyMap<Node, ReadonlySet<Tensor>>,
  typeOf: (value: string) => DType | undefined,
): Layer | undefined {
  const tensors = [...(weights.get(node) ?? [])];
  if (tensors.length === 0 && (notCompute.has(opFamily(node.opType)) || node.opType === 'Cast')) return undefined;
  const output = node.outputs.find((name) => name !== '' && isFloat(typeOf(name)));
  if (output === undefined) return undefined;
  return {
    name: nodeLabel(node),
    opType: node.opType,
    order,
    output,
    parameters: tensors.reduce((sum, { dims }) => sum + elementCount(dims), 0),
    weightBytes: tensors.reduce((sum, tensor) => sum + tensorByteLength(tensor), 0),
  };
}

/** The constant weights that each node of the main graph reads. */
function weightsByNode(model: Model): Map<Node, Set<Tensor>> {
  const weights = new Map<Node, Set<Tensor>>();
  for (const { node, source, scope } of findWeightUses(openScopes(model))) {
    if (scope.outer) continue;
    const known = weights.get(node) ?? new Set();
    weights.set(node, known.add(source.tensor));
  }
  return weights;
}

export function typesOf(model: Model): (value: string) => DType | undefined {
  const table: ShapeTable = inferShapes(model);
  return (value) => table.get(value)?.dtype ?? model.graph.initializers.get(value)?.dtype;
}

export const isFloat = (dtype: DType | undefined): boolean => dtype !== undefined && floatTypes.has(dtype);

function comparable(a: DType | undefined, b: DType | undefined): boolean {
  return a !== undefined && b !== undefined && (a === b || (isFloat(a) && isFloat(b)));
}
