/** Which values of a quantized draft are the outputs of which layers of the original. */
import type { GraphEditor } from '../../../ir/editor.ts';
import type { Model, Node } from '../../../ir/types.ts';
import { isDefaultDomain } from '../../../ir/walk.ts';
import type { StepContext } from '../../../step/define.ts';
import { openScopes } from '../scopes.ts';
import { isFloatWeight, weightSource } from '../weights.ts';

export interface MatchedLayer {
  /** In the original. */
  readonly node: Node;
  /** The layer's output before any activation, by its names in the original and in the draft. */
  readonly original: string;
  readonly draft: string;
  /** Axis of the output channels, from the end. */
  readonly axis: number;
  readonly channels: number;
  /** The draft's channels are the original's divided by these; undefined where they are the same. */
  readonly divisors: Float64Array | undefined;
}

const convolutions = ['Conv', 'ConvTranspose'];

/**
 * Layers with a constant weight in the main graph that a quantizer has changed, in topological order. Quantizers either
 * keep a node under its name, with other inputs, or give the output's name to what they put in its place.
 */
export function matchLayers(ctx: StepContext, editor: GraphEditor): MatchedLayer[] {
  const byName = new Map(editor.nodes().flatMap((node) => (node.name === '' ? [] : [[node.name, node] as const])));
  const matched: MatchedLayer[] = [];
  for (const layer of layersOf(ctx.original)) {
    const { node } = layer;
    const original = node.outputs[0]!;
    const rescaled = ctx.rescaled.latestOf(original);
    const kept = node.name === '' ? undefined : byName.get(node.name);
    const isKept = kept?.opType === node.opType && kept.domain === node.domain;
    const draft = isKept ? kept.outputs[0]! : (rescaled?.name ?? original);
    const maker = editor.producerOf(draft);
    if (!maker || !(isKept ? hasQuantizedWeight(editor, maker) : !isSameKind(editor, maker, node))) continue;
    matched.push({ ...layer, original, draft, divisors: rescaled?.divisors });
  }
  return matched;
}

function* layersOf(model: Model): Generator<Pick<MatchedLayer, 'node' | 'axis' | 'channels'>> {
  const scope = openScopes(model)[0]!;
  for (const node of scope.editor.nodes()) {
    if (!isDefaultDomain(node.domain)) continue;
    const isConvolution = convolutions.includes(node.opType);
    if (!isConvolution && node.opType !== 'MatMul' && node.opType !== 'Gemm') continue;
    const weight = weightSource(scope, node.inputs[1] ?? '');
    if (!weight || !isFloatWeight(weight.tensor) || weight.tensor.dims.length < 2) continue;
    const channels = outputChannels(node, weight.tensor.dims, weight.transposed);
    yield { node, channels, axis: isConvolution ? 1 - weight.tensor.dims.length : -1 };
  }
}

function outputChannels(node: Node, dims: readonly number[], transposed: boolean): number {
  const group = node.attributes.get('group');
  const groups = group?.type === 'int' ? Number(group.value) : 1;
  if (node.opType === 'Conv') return dims[0]!;
  if (node.opType === 'ConvTranspose') return dims[1]! * groups;
  const transB = node.attributes.get('transB');
  const isRow = node.opType === 'Gemm' && transB?.type === 'int' && transB.value !== 0n;
  return dims.at(isRow !== transposed ? -2 : -1)!;
}

/** The weight is no longer a constant in floating point: it is expanded from codes. */
function hasQuantizedWeight(editor: GraphEditor, node: Node): boolean {
  return editor.constantOf(node.inputs[1] ?? '') === undefined;
}

/** A node that merely lost its name is no quantized form. */
function isSameKind(editor: GraphEditor, maker: Node, node: Node): boolean {
  return maker.opType === node.opType && maker.domain === node.domain && !hasQuantizedWeight(editor, maker);
}
