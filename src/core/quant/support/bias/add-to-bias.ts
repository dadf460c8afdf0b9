/** Adding a number to each output channel of a layer, in its bias where it has one, whatever form that is stored in. */
import { floatAttr } from '../../../ir/attributes.ts';
import { makeNode } from '../../../ir/build.ts';
import type { GraphEditor } from '../../../ir/editor.ts';
import {
  bytesOf,
  elementCount,
  readTensorBytes,
  tensorFromBytes,
  tensorFromNumbers,
  toTypedArray,
} from '../../../ir/tensor.ts';
import type { Node, Tensor } from '../../../ir/types.ts';
import { isDefaultDomain } from '../../../ir/walk.ts';
import { isFloatWeight, readNumbers, setWeight } from '../../../passes/support/weights.ts';
import { roundHalfEven } from '../affine.ts';
import { nodeLabel } from '../patterns.ts';

export interface BiasTarget {
  readonly editor: GraphEditor;
  /** The layer's output. */
  readonly value: string;
  /** Of its channels, from the end. */
  readonly axis: number;
  readonly dtype: 'float32' | 'float16';
  /** Whether an Add node may be put after a layer without a bias. */
  readonly mayInsert: boolean;
}

export type BiasPlace = 'bias' | 'quantized bias' | 'new bias' | 'fused bias after it' | 'Add after it' | 'new Add';

const INT32_MAX = 2 ** 31 - 1;

/** @returns where it went; undefined where there is no place and none may be made */
export async function addToBias(target: BiasTarget, amounts: Float64Array): Promise<BiasPlace | undefined> {
  const { editor, value } = target;
  const maker = editor.producerOf(value)!;
  if (isDefaultDomain(maker.domain) && ['Conv', 'ConvTranspose', 'Gemm'].includes(maker.opType)) {
    const place = await addToOwnBias(target, maker, amounts);
    if (place) return place;
  }
  if (isAdd(maker) && (await addToOperand(target, maker, amounts))) return 'Add after it';
  const reader = editor.singleConsumer(value);
  if (reader && isAdd(reader) && (await addToOperand(target, reader, amounts))) return 'Add after it';
  if (reader && (await addToFusedBias(target, reader, amounts))) return 'fused bias after it';
  if (!target.mayInsert) return undefined;
  insertAdd(target, maker, amounts);
  return 'new Add';
}

const isAdd = (node: Node) => node.opType === 'Add' && isDefaultDomain(node.domain);

async function addToOwnBias(
  { editor, dtype }: BiasTarget,
  node: Node,
  amounts: Float64Array,
): Promise<BiasPlace | undefined> {
  const name = node.inputs[2] ?? '';
  const beta = node.opType === 'Gemm' ? floatAttr(node, 'beta', 1) : 1;
  if (beta === 0) return undefined;
  const wanted = beta === 1 ? amounts : amounts.map((amount) => amount / beta);
  if (name === '') return addNewBias(editor, node, wanted, dtype);
  const constant = editor.constantOf(name);
  if (isFloatWeight(constant)) {
    const sum = await sumAlong(constant, -1, wanted);
    if (!sum) return undefined;
    setWeight(editor, node, 2, sum);
    return 'bias';
  }
  return addToCodes(editor, node, name, wanted);
}

/** int32 codes behind a DequantizeLinear with zero point 0. */
async function addToCodes(
  editor: GraphEditor,
  node: Node,
  bias: string,
  amounts: Float64Array,
): Promise<BiasPlace | undefined> {
  const expand = editor.producerOf(bias);
  if (expand?.opType !== 'DequantizeLinear') return undefined;
  const [codes, scale] = [editor.constantOf(expand.inputs[0]!), editor.constantOf(expand.inputs[1]!)];
  if (codes?.dtype !== 'int32' || !isFloatWeight(scale)) return undefined;
  const scales = await readNumbers(scale);
  const old = toTypedArray('int32', await readTensorBytes(codes)) as Int32Array;
  if (old.length !== amounts.length || (scales.length !== 1 && scales.length !== amounts.length)) return undefined;
  const changed = Int32Array.from(amounts, (amount, channel) => {
    const code = old[channel]! + roundHalfEven(amount / scales[scales.length === 1 ? 0 : channel]!);
    return Math.min(Math.max(code, -INT32_MAX), INT32_MAX);
  });
  const tensor = tensorFromBytes(codes.name, 'int32', codes.dims, bytesOf(changed));
  if (editor.singleConsumer(bias) === node) {
    setWeight(editor, expand, 0, tensor);
    return 'quantized bias';
  }
  // Layers that share a bias part here.
  const output = editor.freshName(`${bias}_corrected`);
  editor.addNode(
    makeNode({
      opType: 'DequantizeLinear',
      name: editor.freshName(`${output}_DequantizeLinear`),
      inputs: [editor.addInitializer(tensor), ...expand.inputs.slice(1)],
      outputs: [output],
      attributes: expand.attributes,
    }),
    { before: node },
  );
  editor.setInputs(
    node,
    node.inputs.map((input, index) => (index === 2 ? output : input)),
  );
  return 'quantized bias';
}

/** In codes where the layer's operands are codes, as integer kernels want it; else in floating point. */
async function addNewBias(
  editor: GraphEditor,
  node: Node,
  amounts: Float64Array,
  dtype: 'float32' | 'float16',
): Promise<BiasPlace> {
  const [input, weight] = await Promise.all([scalesOf(editor, node.inputs[0]!), scalesOf(editor, node.inputs[1]!)]);
  const name = `${nodeLabel(node)}_bias`;
  const channels = amounts.length;
  if (input?.length !== 1 || !weight || (weight.length !== 1 && weight.length !== channels)) {
    setWeight(editor, node, 2, tensorFromNumbers(name, dtype, [channels], amounts));
    return 'new bias';
  }
  const scales = Array.from(weight, (scale) => Math.fround(scale * input[0]!));
  const dims = scales.length === 1 ? [] : [channels];
  const codes = Array.from(amounts, (amount, channel) => amount / scales[scales.length === 1 ? 0 : channel]!);
  const output = editor.freshName(name);
  const expand = makeNode({
    opType: 'DequantizeLinear',
    name: editor.freshName(`${name}_DequantizeLinear`),
    inputs: [
      editor.addInitializer(tensorFromNumbers(`${name}_quantized`, 'int32', [channels], codes)),
      editor.addInitializer(tensorFromNumbers(`${name}_scale`, 'float32', dims, scales)),
      editor.addInitializer(tensorFromNumbers(`${name}_zero_point`, 'int32', dims, new Array(scales.length).fill(0))),
    ],
    outputs: [output],
    attributes: scales.length === 1 ? {} : { axis: { type: 'int', value: 0n } },
  });
  editor.addNode(expand, { before: node });
  editor.setInputs(node, [...node.inputs.slice(0, 2), output]);
  return 'new bias';
}

async function scalesOf(editor: GraphEditor, value: string): Promise<ArrayLike<number> | undefined> {
  const expand = editor.producerOf(value);
  if (expand?.opType !== 'DequantizeLinear') return undefined;
  const scale = editor.constantOf(expand.inputs[1]!);
  return isFloatWeight(scale) ? readNumbers(scale) : undefined;
}

/** The constant operand of an Add. */
async function addToOperand({ editor, axis }: BiasTarget, add: Node, amounts: Float64Array): Promise<boolean> {
  for (const index of [0, 1]) {
    const constant = editor.constantOf(add.inputs[index] ?? '');
    const sum = isFloatWeight(constant) ? await sumAlong(constant, axis, amounts) : undefined;
    if (!sum) continue;
    setWeight(editor, add, index, sum);
    return true;
  }
  return false;
}

/** Where operators of onnxruntime that add a bias to their first input keep it. */
const fusedBiasInput: Readonly<Record<string, number>> = {
  BiasGelu: 1,
  FastGelu: 1,
  SkipLayerNormalization: 4,
  SkipSimplifiedLayerNormalization: 3,
};

/** The bias of the operator that reads the layer. */
async function addToFusedBias(
  { editor, value, axis }: BiasTarget,
  node: Node,
  amounts: Float64Array,
): Promise<boolean> {
  const index = node.domain === 'com.microsoft' ? fusedBiasInput[node.opType] : undefined;
  if (index === undefined || axis !== -1 || node.inputs[0] !== value) return false;
  const constant = editor.constantOf(node.inputs[index] ?? '');
  const sum = isFloatWeight(constant) ? await sumAlong(constant, axis, amounts) : undefined;
  if (sum) setWeight(editor, node, index, sum);
  return sum !== undefined;
}

/** The constant plus a number a channel; undefined where it does not lie along the channels alone. */
async function sumAlong(constant: Tensor, axis: number, amounts: Float64Array): Promise<Tensor | undefined> {
  const { dims, dtype, name } = constant;
  const count = elementCount(dims);
  const isVector = count === amounts.length && (dims.at(axis) ?? 0) === count;
  if (!isVector && count !== 1) return undefined;
  const old = await readNumbers(constant);
  const sums = amounts.map((amount, channel) => old[count === 1 ? 0 : channel]! + amount);
  const rank = Math.max(dims.length, -axis);
  const shape = Array.from({ length: rank }, (_, at) => (at === rank + axis ? amounts.length : 1));
  return tensorFromNumbers(name, dtype, isVector ? dims : shape, sums);
}

/** Between what makes the value and its readers, who find it under the same name. */
function insertAdd({ editor, value, axis, dtype }: BiasTarget, maker: Node, amounts: Float64Array): void {
  const name = editor.freshName(`${value}_uncorrected`);
  editor.setOutputs(
    maker,
    maker.outputs.map((output) => (output === value ? name : output)),
  );
  const shape = [amounts.length, ...new Array<number>(-axis - 1).fill(1)];
  const constant = editor.addInitializer(tensorFromNumbers(`${value}_correction`, dtype, shape, amounts));
  editor.addNode(
    makeNode({
      opType: 'Add',
      name: editor.freshName(`${value}_correct`),
      inputs: [name, constant],
      outputs: [value],
    }),
    { after: maker },
  );
}
