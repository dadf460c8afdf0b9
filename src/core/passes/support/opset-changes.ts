/**
 * What changed in ai.onnx up to opset 23, operator by operator (onnx/docs/Changelog.md, ONNX 1.18; versions 22 and 23 by
 * comparing the schemas: all only added dtypes but for the pools, see `pool`). An operator is in
 * `unchangedSince` with the first version from which on every later definition, up to 23, gives the same results for the
 * same attributes and inputs: later ones only added dtypes, negative axes or attributes whose default is the old way.
 */
import { attrInt, attrString, floatAttr, floatsAttr, intAttr, intsAttr, stringAttr } from '../../ir/attributes.ts';
import type { DType } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { smallValues, tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput } from './constants.ts';
import { type FactLookup, rankOf } from './facts.ts';
import { oldBroadcast, oldGemm } from './opset-before-7.ts';

const since = (version: number, names: string): [string, number][] => names.split(' ').map((name) => [name, version]);

export const unchangedSince: ReadonlyMap<string, number> = new Map([
  ...since(1, 'ArgMax ArgMin Constant Conv DepthToSpace Flatten Gather GlobalAveragePool GlobalLpPool GlobalMaxPool'),
  ...since(1, 'Identity If LRN Loop LpNormalization MatMul MaxPool MaxRoiPool Not RandomNormal RandomNormalLike'),
  ...since(1, 'RandomUniform RandomUniformLike Shape Size Softplus Softsign SpaceToDepth Transpose'),
  // An operator of onnxruntime in this domain, with one version only.
  ...since(1, 'SimplifiedLayerNormalization'),
  ...since(2, 'LpPool'),
  ...since(4, 'Concat'),
  ...since(5, 'Reshape'),
  ...since(6, 'Abs Cast Ceil Elu Exp Floor HardSigmoid InstanceNormalization LeakyRelu Log Neg Reciprocal Relu Selu'),
  ...since(6, 'Sigmoid Sqrt Tanh Tile'),
  ...since(7, 'Acos Add And Asin Atan AveragePool Cos Div Equal GRU Gemm Greater LSTM Less Mul Multinomial Or Pow RNN'),
  ...since(7, 'Sin Sub Tan Xor'),
  ...since(8, 'Expand Max Mean Min Sum'),
  ...since(9, 'Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool MeanVarianceNormalization'),
  ...since(9, 'NonZero OneHot PRelu Scan Shrink Sign Sinh TfIdfVectorizer Where'),
  ...since(10, 'ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv QLinearMatMul'),
  ...since(10, 'QuantizeLinear ReverseSequence StringNormalizer ThresholdedRelu TopK'),
  ...since(11, 'BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements Range Resize Round'),
  ...since(11, 'ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert'),
  ...since(11, 'SequenceLength SplitToSequence Unique'),
  ...since(12, 'Celu Einsum GatherND GreaterOrEqual LessOrEqual'),
  ...since(14, 'HardSwish Trilu'),
  ...since(15, 'Bernoulli CastLike Optional OptionalGetElement OptionalHasElement'),
  // New then; later ones are not known.
  ...since(23, 'Attention RMSNormalization RotaryEmbedding'),
  ...since(17, 'BlackmanWindow HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT'),
  ...since(18, 'BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im Mish'),
  ...since(19, 'DeformConv'),
  ...since(20, 'AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit'),
  ...since(21, 'GroupNormalization'),
]);

export interface AdapterQuestion {
  readonly node: Node;
  readonly editor: GraphEditor;
  readonly from: number;
  readonly target: number;
  readonly facts: FactLookup;
}

export interface Adaptation {
  /** Set when the node cannot be carried over. */
  readonly refusal?: string;
  /** Changes the node; absent when it may stay as it is. */
  readonly edit?: () => void;
}

export type Adapter = (question: AdapterQuestion) => Adaptation;

const asIs: Adaptation = {};
const refuse = (refusal: string): Adaptation => ({ refusal });

/** Moves a list attribute to an int64 input. */
function toIntInput(attribute: string, index: number): Adapter {
  return ({ node, editor }) => {
    const values = intsAttr(node, attribute);
    if (!values) return asIs;
    return {
      edit: () => {
        node.attributes.delete(attribute);
        setInput(editor, node, index, intConstant(editor, node, attribute, values));
      },
    };
  };
}

function intConstant(editor: GraphEditor, node: Node, hint: string, values: readonly number[]): string {
  const whole = values.map((value) =>
    Math.abs(value) > 2 ** 53 ? BigInt(Math.sign(value)) * (2n ** 63n - 1n) : value,
  );
  return editor.addInitializer(tensorFromInts(`${node.outputs[0]}.${hint}`, [values.length], whole));
}

function scalarConstant(editor: GraphEditor, node: Node, hint: string, dtype: DType, value: number): string {
  return editor.addInitializer(tensorFromNumbers(`${node.outputs[0]}.${hint}`, dtype, [], [value]));
}

function setInput(editor: GraphEditor, node: Node, index: number, name: string): void {
  const inputs = [...node.inputs];
  while (inputs.length <= index) inputs.push('');
  inputs[index] = name;
  editor.setInputs(node, inputs);
}

const FLOAT32_MAX = 3.4028234663852886e38;

/** Clip-6 has float attributes, of which the missing ones are the largest float32; Clip-11 has optional inputs. */
const clip: Adapter = ({ node, editor, facts }) => {
  const dtype = facts(node.inputs[0]!)?.dtype;
  if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16')
    return refuse('the dtype of a Clip is unknown');
  const limit = dtype === 'float16' ? 65504 : FLOAT32_MAX;
  const bound = (value: number) => Math.min(Math.max(value, -limit), limit);
  return {
    edit: () => {
      const min = bound(floatAttr(node, 'min', -FLOAT32_MAX));
      const max = bound(floatAttr(node, 'max', FLOAT32_MAX));
      node.attributes.delete('min');
      node.attributes.delete('max');
      setInput(editor, node, 1, scalarConstant(editor, node, 'min', dtype, min));
      setInput(editor, node, 2, scalarConstant(editor, node, 'max', dtype, max));
    },
  };
};

/** Up to 12 the input is seen as a matrix cut at `axis`; from 13 on only `axis` is normalized. Equal on the last axis. */
const softmax: Adapter = ({ node, facts }) => {
  const rank = rankOf(facts(node.inputs[0]!));
  const axis = intAttr(node, 'axis', 1);
  const isLast = axis === -1 || (rank !== undefined && axis === rank - 1);
  if (!isLast) return refuse(`${node.opType} is not on the last axis`);
  return { edit: () => void node.attributes.set('axis', attrInt(axis)) };
};

const slice: Adapter = ({ node, editor }) => {
  const starts = intsAttr(node, 'starts');
  const ends = intsAttr(node, 'ends');
  if (!starts || !ends) return refuse('a Slice has no bounds');
  const axes = intsAttr(node, 'axes') ?? starts.map((_, axis) => axis);
  return {
    edit: () => {
      for (const name of ['starts', 'ends', 'axes']) node.attributes.delete(name);
      setInput(editor, node, 1, intConstant(editor, node, 'starts', starts));
      setInput(editor, node, 2, intConstant(editor, node, 'ends', ends));
      setInput(editor, node, 3, intConstant(editor, node, 'axes', axes));
    },
  };
};

const pad: Adapter = ({ node, editor, facts }) => {
  const pads = intsAttr(node, 'pads');
  const dtype = facts(node.inputs[0]!)?.dtype;
  if (!pads || !dtype) return refuse('the pads or the dtype of a Pad are unknown');
  const value = floatAttr(node, 'value', 0);
  return {
    edit: () => {
      node.attributes.delete('pads');
      node.attributes.delete('value');
      setInput(editor, node, 1, intConstant(editor, node, 'pads', pads));
      if (value !== 0) setInput(editor, node, 2, scalarConstant(editor, node, 'value', dtype, value));
    },
  };
};

/** The ratio is an input from 12 on, and means nothing at inference. */
const dropout: Adapter = ({ node, editor, from }) => {
  const mask = node.outputs[1] ?? '';
  const isMaskRead = mask !== '' && (editor.isGraphOutput(mask) || editor.consumersOf(mask).length > 0);
  if (isMaskRead) return refuse('the mask of a Dropout is read, whose dtype has changed');
  if (from < 7 && intAttr(node, 'is_test', 0) !== 1) return refuse('a Dropout is not for inference');
  return {
    edit: () => {
      for (const name of ['ratio', 'is_test']) node.attributes.delete(name);
    },
  };
};

/** Before 14 it is training that has more outputs than one. */
const batchNormalization: Adapter = ({ node, from }) => {
  const isTraining =
    node.outputs.slice(1).some((name) => name !== '') || (from < 7 && intAttr(node, 'is_test', 0) !== 1);
  if (isTraining || intAttr(node, 'spatial', 1) !== 1) return refuse('a BatchNormalization is not for inference');
  return {
    edit: () => {
      for (const name of ['spatial', 'is_test']) node.attributes.delete(name);
    },
  };
};

/** Upsample and Resize-10 enlarge by repeating: source index = floor(index / scale). */
const upsample: Adapter = ({ node, editor, from }) => {
  const scales = from < 9 ? floatsAttr(node, 'scales') : scaleValues(editor, node);
  if (stringAttr(node, 'mode', 'nearest') !== 'nearest' || !scales?.every((scale) => scale >= 1)) {
    return refuse(`${node.opType} does more than repeat elements`);
  }
  return {
    edit: () => {
      const name =
        from < 9
          ? editor.addInitializer(tensorFromNumbers(`${node.outputs[0]}.scales`, 'float32', [scales.length], scales))
          : node.inputs[1]!;
      node.opType = 'Resize';
      node.attributes.clear();
      node.attributes.set('mode', attrString('nearest'));
      node.attributes.set('coordinate_transformation_mode', attrString('asymmetric'));
      node.attributes.set('nearest_mode', attrString('floor'));
      editor.setInputs(node, [node.inputs[0]!, '', name]);
    },
  };
};

function scaleValues(editor: GraphEditor, node: Node): number[] | undefined {
  const tensor = constantInput(editor, node, 1);
  return tensor && smallValues(tensor);
}

const roiAlign: Adapter = ({ node }) => ({
  edit: () => {
    if (node.attributes.has('coordinate_transformation_mode')) return;
    node.attributes.set('coordinate_transformation_mode', attrString('output_half_pixel'));
  },
});

const scatter: Adapter = ({ node }) => ({
  edit: () => {
    node.opType = 'ScatterElements';
  },
});

/** How output padding was shared out under automatic padding was rewritten in version 11. */
const convTranspose: Adapter = ({ node, from }) =>
  from >= 11 || stringAttr(node, 'auto_pad', 'NOTSET') === 'NOTSET' ? asIs : refuse('ConvTranspose pads automatically');

/** From 18 on a Split without sizes says into how many parts; before, that was the number of its outputs. */
const splitParts: Adapter = ({ node }) => ({
  edit: () => {
    if (!node.inputs[1]) node.attributes.set('num_outputs', attrInt(node.outputs.length));
  },
});

/** Version 20 renamed the modes, since the operator is no longer for images only. */
const gridSample: Adapter = ({ node }) => ({
  edit: () => {
    const mode = stringAttr(node, 'mode', 'bilinear');
    const renamed = { bilinear: 'linear', bicubic: 'cubic' }[mode] ?? mode;
    node.attributes.set('mode', attrString(renamed));
  },
});

/** The axis, whose default changed too, is a scalar input from 20 on. */
const dft: Adapter = ({ node, editor }) => ({
  edit: () => {
    const axis = intAttr(node, 'axis', 1);
    node.attributes.delete('axis');
    setInput(editor, node, 2, editor.addInitializer(tensorFromInts(`${node.outputs[0]}.axis`, [], [axis])));
  },
});

/** From 22 on a window that would start in the padding at the end is left out, which only rounding up can bring about. */
const pool: Adapter = ({ node }) =>
  intAttr(node, 'ceil_mode', 0) === 0 ? asIs : refuse(`${node.opType} rounds its size up`);

interface Change {
  /** The version that brought the change; the adapter is for models from before it. */
  readonly at: number;
  /** The oldest version that the adapter understands. */
  readonly oldest: number;
  readonly adapter: Adapter;
}

const reductions =
  'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare';

const broadcasting = 'Add And Div Equal Greater Less Mul Or Pow Sub Xor';

/** In the order of their versions. */
const changes: ReadonlyMap<string, readonly Change[]> = new Map([
  ['Clip', [{ at: 11, oldest: 6, adapter: clip }]],
  ['Slice', [{ at: 10, oldest: 1, adapter: slice }]],
  ['Pad', [{ at: 11, oldest: 2, adapter: pad }]],
  ['Squeeze', [{ at: 13, oldest: 1, adapter: toIntInput('axes', 1) }]],
  ['Unsqueeze', [{ at: 13, oldest: 1, adapter: toIntInput('axes', 1) }]],
  ['ReduceSum', [{ at: 13, oldest: 1, adapter: toIntInput('axes', 1) }]],
  ...reductions
    .split(' ')
    .map((name): [string, Change[]] => [name, [{ at: 18, oldest: 1, adapter: toIntInput('axes', 1) }]]),
  [
    'Split',
    [
      { at: 13, oldest: 2, adapter: toIntInput('split', 1) },
      { at: 18, oldest: 2, adapter: splitParts },
    ],
  ],
  ['Softmax', [{ at: 13, oldest: 1, adapter: softmax }]],
  ['LogSoftmax', [{ at: 13, oldest: 1, adapter: softmax }]],
  ['Hardmax', [{ at: 13, oldest: 1, adapter: softmax }]],
  ...broadcasting.split(' ').map((name): [string, Change[]] => [name, [{ at: 7, oldest: 6, adapter: oldBroadcast }]]),
  ['Gemm', [{ at: 7, oldest: 6, adapter: oldGemm }]],
  ['Dropout', [{ at: 12, oldest: 6, adapter: dropout }]],
  ['BatchNormalization', [{ at: 14, oldest: 6, adapter: batchNormalization }]],
  ['Upsample', [{ at: 11, oldest: 7, adapter: upsample }]],
  ['Resize', [{ at: 11, oldest: 10, adapter: upsample }]],
  ['RoiAlign', [{ at: 16, oldest: 10, adapter: roiAlign }]],
  ['Scatter', [{ at: 11, oldest: 9, adapter: scatter }]],
  ['ConvTranspose', [{ at: 11, oldest: 1, adapter: convTranspose }]],
  ['GridSample', [{ at: 20, oldest: 16, adapter: gridSample }]],
  ['AveragePool', [{ at: 22, oldest: 7, adapter: pool }]],
  ['MaxPool', [{ at: 22, oldest: 1, adapter: pool }]],
  ['LpPool', [{ at: 22, oldest: 2, adapter: pool }]],
  ['DFT', [{ at: 20, oldest: 17, adapter: dft }]],
]);

/** The rewrite that an operator needs to go from one version to another; undefined when it is not in the table. */
export function adapterFor(opType: string, from: number, target: number): Adapter | undefined {
  const known = changes.get(opType);
  if (!known) return undefined;
  const passed = known.filter(({ at }) => from < at && target >= at);
  // Nothing on the way: then the other table knows from when on the operator is what it is.
  if (passed.length === 0 && unchangedSince.has(opType)) return undefined;
  const unknown = passed.find(({ oldest }) => from < oldest);
  if (unknown) return () => refuse(`${opType} before opset ${unknown.oldest} is not known`);
  return (question) => {
    const steps = passed.map(({ adapter }) => adapter(question));
    const refusal = steps.find((step) => step.refusal !== undefined)?.refusal;
    if (refusal !== undefined) return refuse(refusal);
    const edits = steps.flatMap(({ edit }) => edit ?? []);
    return edits.length === 0 ? asIs : { edit: () => edits.forEach((edit) => void edit()) };
  };
}
