/** Taking a scale and an offset of a Conv's input into its weights. */
import { intAttr, intsAttr, stringAttr } from '../../ir/attributes.ts';
import { elementCount } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import {
  type Arithmetic,
  arithmeticWithConstant,
  batchNormAffine,
  isInferenceBatchNorm,
  perChannel,
} from './affine-nodes.ts';
import type { FactLookup } from './facts.ts';
import { type Affine, composeAffine, identityAffine, type LinearLayer, linearLayer } from './linear-layer.ts';
import { isOp, labelOf, type Scope } from './scopes.ts';
import { channelValues, keepNumbers, numbersLike, readNumbers, setWeight } from './weights.ts';

/** Zeros are put around the input, so an offset of it does not reach the border. */
function isPadded(node: Node): boolean {
  const auto = stringAttr(node, 'auto_pad', 'NOTSET');
  if (auto !== 'NOTSET') return auto !== 'VALID';
  return (intsAttr(node, 'pads') ?? []).some((amount) => amount !== 0);
}

interface Chain {
  /** Nodes from the value to the Conv, in that order. */
  readonly nodes: readonly Node[];
  readonly value: string;
  readonly affine: Affine;
}

/**
 * Does the operand have the shape of the result? A plain scalar never changes it; any other constant might widen the
 * channels or raise the rank, so the operand's shape must be known.
 */
function keepsShape({ value, constant }: Arithmetic, facts: FactLookup, channels: number, rank: number): boolean {
  if (constant.dims.length <= 1 && elementCount(constant.dims) === 1) return true;
  const shape = facts(value)?.shape;
  return shape?.length === rank && shape[1] === channels;
}

/** Follows the Conv's input back through arithmetic that only feeds this Conv. */
async function inputChain(
  scope: Scope,
  facts: FactLookup,
  layer: LinearLayer,
  channels: number,
): Promise<Chain | undefined> {
  const { editor, opset } = scope;
  let chain: Chain = { nodes: [], value: layer.node.inputs[0]!, affine: identityAffine(channels) };
  for (;;) {
    const producer = editor.producerOf(chain.value);
    if (!editor.singleConsumer(chain.value)) break;
    const link = isInferenceBatchNorm(editor, producer, opset)
      ? { value: producer.inputs[0]!, affine: await batchNormAffine(editor, producer, channels) }
      : await arithmeticLink(scope, facts, layer, channels, producer);
    if (!link?.affine) break;
    chain = { nodes: [producer!, ...chain.nodes], value: link.value, affine: composeAffine(link.affine, chain.affine) };
  }
  return chain.nodes.length > 0 ? chain : undefined;
}

async function arithmeticLink(
  { editor, opset }: Scope,
  facts: FactLookup,
  { weight, rank }: LinearLayer,
  channels: number,
  node: Node | undefined,
): Promise<{ readonly value: string; readonly affine: Affine | undefined } | undefined> {
  const arithmetic = arithmeticWithConstant(editor, node, opset);
  if (arithmetic?.constant.dtype !== weight.dtype || !keepsShape(arithmetic, facts, channels, rank)) return undefined;
  const numbers = await perChannel(arithmetic.constant, channels, rank);
  return { value: arithmetic.value, affine: numbers && arithmetic.toAffine(numbers) };
}

/**
 * conv(x * s + t) = conv'(x) with W' = W * s per input channel and bias' = bias + sum(W * t), where nothing is padded.
 * With padding only the scale can go: conv(x * s + t) = conv'(x + t / s), which saves a node when there were two.
 */
export async function absorbInputArithmetic(
  ctx: StepContext,
  scope: Scope,
  facts: FactLookup,
  node: Node,
): Promise<void> {
  const { editor } = scope;
  const layer = isOp(node, 'Conv') ? linearLayer(editor, node) : undefined;
  if (!layer || !editor.has(node)) return;
  const group = intAttr(node, 'group', 1);
  const channels = layer.weight.dims[1]! * group;
  const chain = await inputChain(scope, facts, layer, channels);
  if (!chain) return;
  const { affine } = chain;
  const hasShift = affine.shift.some((value) => value !== 0);
  const keepsShift = hasShift && isPadded(node);
  if (keepsShift && (chain.nodes.length < 2 || !isInvertible(affine))) return;
  const absorbed: Affine = keepsShift ? { scale: affine.scale, shift: affine.shift.map(() => 0) } : affine;
  const offset = keepsShift ? await offsetTensor(ctx, layer, affine, chain) : undefined;
  if (keepsShift && !offset) return;
  if (!(await absorbIntoWeights(ctx, scope, layer, absorbed, group))) return;
  rewire(scope, node, chain, offset);
  const ops = chain.nodes.map(({ opType }) => opType).join(' + ');
  const what = keepsShift ? `moved the scale of ${ops} into the Conv after it` : `fused ${ops} + Conv`;
  ctx.ledger.record(what, [...chain.nodes, node].map(labelOf), [labelOf(node)]);
}

/** t / s must neither overflow nor drown x: factors far from 1 are left as they are. */
function isInvertible({ scale }: Affine): boolean {
  return scale.every((value) => Math.abs(value) > 1e-2 && Math.abs(value) < 1e4);
}

async function offsetTensor(
  ctx: StepContext,
  { weight, rank }: LinearLayer,
  { scale, shift }: Affine,
  chain: Chain,
): Promise<Tensor | undefined> {
  const ratios = shift.map((value, at) => value / scale[at]!);
  const isUniform = ratios.every((value) => value === ratios[0]);
  const values = numbersLike(weight.dtype, isUniform ? 1 : ratios.length);
  values.set(isUniform ? ratios.subarray(0, 1) : ratios);
  const dims = isUniform ? [] : [ratios.length, ...new Array<number>(rank - 2).fill(1)];
  return keepNumbers(ctx, `${chain.value}.offset`, weight.dtype, dims, values);
}

function rewire({ editor }: Scope, node: Node, chain: Chain, offset: Tensor | undefined): void {
  const last = chain.nodes.at(-1)!;
  if (offset) {
    // The last node of the chain becomes the Add, so that the Conv's input keeps its name.
    const constant = editor.addInitializer(offset);
    editor.setInputs(last, [chain.value, constant]);
    last.opType = 'Add';
    for (const gone of chain.nodes.slice(0, -1)) editor.removeNode(gone);
    return;
  }
  editor.setInputs(node, [chain.value, ...node.inputs.slice(1)]);
  for (const gone of [...chain.nodes].reverse()) editor.removeNode(gone);
}

/** W[m, c, ...] * s[group(m), c]; bias[m] + sum over c and kernel of W[m, c, ...] * t[group(m), c]. */
async function absorbIntoWeights(
  ctx: StepContext,
  { editor }: Scope,
  { node, weight, bias, channels }: LinearLayer,
  { scale, shift }: Affine,
  group: number,
): Promise<boolean> {
  const values = await readNumbers(weight);
  const oldBias = bias ? await channelValues(bias, channels) : new Float64Array(channels);
  if (!oldBias) return false;
  const inputsPerGroup = weight.dims[1]!;
  const kernel = weight.dims.slice(2).reduce((total, dim) => total * dim, 1);
  const scaled = numbersLike(weight.dtype, values.length);
  const newBias = numbersLike(weight.dtype, channels);
  let at = 0;
  for (let m = 0; m < channels; m++) {
    const base = Math.floor(m / (channels / group)) * inputsPerGroup;
    let sum = oldBias[m]!;
    for (let c = base; c < base + inputsPerGroup; c++) {
      for (let k = 0; k < kernel; k++, at++) {
        scaled[at] = values[at]! * scale[c]!;
        sum += values[at]! * shift[c]!;
      }
    }
    newBias[m] = sum;
  }
  const weightTensor = await keepNumbers(ctx, node.inputs[1]!, weight.dtype, weight.dims, scaled);
  const biasName = node.inputs[2] || `${node.outputs[0]}.bias`;
  const biasTensor = await keepNumbers(ctx, biasName, weight.dtype, [channels], newBias);
  if (!weightTensor || !biasTensor) return false;
  setWeight(editor, node, 1, weightTensor);
  if (bias || shift.some((value) => value !== 0)) setWeight(editor, node, 2, biasTensor);
  return true;
}
