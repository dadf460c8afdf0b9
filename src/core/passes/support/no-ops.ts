/** When does a node's first output equal one of its inputs, whatever the input is? One rule an operator. */

import { floatAttr, intAttr, intsAttr, stringAttr } from '../../ir/attributes.ts';
import { dtypeFromOnnx } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { elementCount } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { constantInput, intsOf, scalarOf, uniformValue } from './constants.ts';
import { type FactLookup, rankOf, sameShape } from './facts.ts';
import { madeBy } from './pattern.ts';
import { constantRanges } from './slice-ranges.ts';

export interface Question {
  readonly editor: GraphEditor;
  readonly node: Node;
  readonly opset: number;
  readonly facts: FactLookup;
}

/** @returns the input (by position) that the first output equals, or undefined */
type Rule = (question: Question) => number | undefined;

const when = (condition: boolean | undefined): number | undefined => (condition ? 0 : undefined);

/** Input 0 and output 0 provably have the same shape, so an operator that only rearranges within order keeps the value. */
const keepsShape = ({ node, facts }: Question): boolean =>
  sameShape(facts(node.inputs[0]!)?.shape, facts(node.outputs[0]!)?.shape);

const dropout: Rule = ({ editor, node, opset }) => {
  if (opset < 7) return when(intAttr(node, 'is_test', 0) === 1);
  const training = node.inputs[2] ? scalarOf(constantInput(editor, node, 2)) : 0;
  // Left in training mode, one that drops nothing changes nothing either.
  const ratio = opset < 12 || !node.inputs[1] ? undefined : scalarOf(constantInput(editor, node, 1));
  return when(training === 0 || ratio === 0);
};

const cast: Rule = ({ node, facts }) => {
  const to = dtypeFromOnnx(intAttr(node, 'to', 0));
  return when(to !== undefined && facts(node.inputs[0]!)?.dtype === to);
};

const castLike: Rule = ({ node, facts }) => {
  const own = facts(node.inputs[0]!)?.dtype;
  return when(own !== undefined && own === facts(node.inputs[1]!)?.dtype);
};

const transpose: Rule = ({ node, facts }) => {
  const perm = intsAttr(node, 'perm');
  if (perm) return when(perm.every((axis, at) => axis === at));
  const rank = rankOf(facts(node.inputs[0]!));
  return when(rank !== undefined && rank < 2);
};

const pad: Rule = ({ editor, node, opset }) => {
  const pads = opset < 11 ? intsAttr(node, opset < 2 ? 'paddings' : 'pads') : intsOf(constantInput(editor, node, 1));
  return when(pads?.every((amount) => amount === 0));
};

const slice: Rule = (question) => {
  const { editor, node, opset, facts } = question;
  const ranges = constantRanges(editor, node, opset);
  if (!ranges || ranges.some(({ step }) => step !== 1)) return undefined;
  const shape = facts(node.inputs[0]!)?.shape;
  const wholeAxis = ({ axis, start, end }: (typeof ranges)[number]) => {
    const dim = shape?.[axis < 0 && shape ? axis + shape.length : axis];
    return start === 0 && (end >= 2 ** 31 - 1 || (typeof dim === 'number' && end >= dim));
  };
  return when(ranges.every(wholeAxis));
};

const expand: Rule = (question) => {
  const { editor, node, facts } = question;
  const target = constantInput(editor, node, 1);
  const rank = rankOf(facts(node.inputs[0]!));
  if (target && rank !== undefined && elementCount(target.dims) <= rank && uniformValue(target) === 1) return 0;
  return when(keepsShape(question));
};

const concatenation: Rule = ({ node }) => when(node.inputs.length === 1);

const tile: Rule = ({ editor, node, opset }) => when(opset >= 6 && uniformValue(constantInput(editor, node, 1)) === 1);

const clip: Rule = ({ editor, node, opset }) => {
  if (opset < 11) {
    return when(floatAttr(node, 'min', -Infinity) === -Infinity && floatAttr(node, 'max', Infinity) === Infinity);
  }
  const isOpen = (index: number, infinity: number) =>
    !node.inputs[index] || scalarOf(constantInput(editor, node, index)) === infinity;
  return when(isOpen(1, -Infinity) && isOpen(2, Infinity));
};

const resize: Rule = ({ editor, node, opset }) => {
  const isUpsample = node.opType === 'Upsample';
  const scales = opset < 9 && isUpsample ? undefined : constantInput(editor, node, isUpsample || opset < 11 ? 1 : 2);
  return when(
    scales !== undefined &&
      stringAttr(node, 'coordinate_transformation_mode', '') !== 'tf_crop_and_resize' &&
      elementCount(scales.dims) > 0 &&
      uniformValue(scales) === 1,
  );
};

/** x * 1, x / 1, x + 0, x - 0, x ** 1, where the constant does not broadcast x to a larger shape. */
const neutral =
  (element: number, commutes: boolean): Rule =>
  (question) => {
    const { editor, node, opset, facts } = question;
    if (opset < 7 && node.attributes.has('broadcast')) return undefined;
    const keeps = (constantAt: number, valueAt: number): boolean => {
      const constant = constantInput(editor, node, constantAt);
      if (constant === undefined || uniformValue(constant) !== element) return false;
      const value = facts(node.inputs[valueAt]!);
      // Pow takes an exponent of another dtype; its result has the dtype of the base.
      if (elementCount(constant.dims) === 1) {
        return constant.dims.length === 0 || constant.dims.length <= (rankOf(value) ?? -1);
      }
      return sameShape(value?.shape, facts(node.outputs[0]!)?.shape);
    };
    if (keeps(1, 0)) return 0;
    return commutes && keeps(0, 1) ? 1 : undefined;
  };

/** What the operator would make of a value has been made of it already. */
const madeAlready =
  (...producers: readonly string[]): Rule =>
  ({ editor, node }) =>
    when(madeBy(editor, node.inputs[0], ...producers) !== undefined);

/** Operators whose results are never below zero. */
const notNegative = ['Relu', 'Abs', 'Exp', 'Sigmoid', 'Softmax', 'Softplus', 'Sqrt'];

const split: Rule = ({ node }) => when(node.outputs.length === 1 && node.outputs[0] !== '');

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['Identity', () => 0],
  ['Dropout', dropout],
  ['Cast', cast],
  ['CastLike', castLike],
  ['Transpose', transpose],
  ['Pad', pad],
  ['Slice', slice],
  ['Expand', expand],
  ['Tile', tile],
  ['Clip', clip],
  ['Resize', resize],
  ['Upsample', resize],
  ['Concat', concatenation],
  ['Sum', concatenation],
  ['Mean', concatenation],
  ['Max', concatenation],
  ['Min', concatenation],
  ['Split', split],
  ['Relu', madeAlready(...notNegative)],
  ['Abs', madeAlready(...notNegative)],
  ['Ceil', madeAlready('Ceil', 'Floor', 'Round', 'Sign')],
  ['Floor', madeAlready('Ceil', 'Floor', 'Round', 'Sign')],
  ['Round', madeAlready('Ceil', 'Floor', 'Round', 'Sign')],
  ['Sign', madeAlready('Sign')],
  ['Mul', neutral(1, true)],
  ['Div', neutral(1, false)],
  ['Add', neutral(0, true)],
  ['Sub', neutral(0, false)],
  ['Pow', neutral(1, false)],
]);

/** These keep the elements and their order: the same shape means the same value. */
const reshapers = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);
const MAX_HOPS = 16;

/** The nearest value before a chain of reshapers that has the very shape that comes out at its end. */
function beforeReshapes({ editor, node, facts }: Question): string | undefined {
  const target = facts(node.outputs[0]!)?.shape;
  let at: Node | undefined = node;
  for (let hops = 0; at && hops < MAX_HOPS; hops++) {
    const source: string = at.inputs[0]!;
    if (sameShape(facts(source)?.shape, target)) return source;
    const producer = editor.producerOf(source);
    at = producer && isDefaultDomain(producer.domain) && reshapers.has(producer.opType) ? producer : undefined;
  }
  return undefined;
}

/** Done twice they change nothing. */
const selfInverse = ['Neg', 'Not', 'BitwiseNot'];

/** The value that the node's first output always equals, or undefined. */
export function passedThrough(question: Question): string | undefined {
  const { node } = question;
  if (!isDefaultDomain(node.domain)) return undefined;
  if (reshapers.has(node.opType)) return beforeReshapes(question);
  if (selfInverse.includes(node.opType)) return madeBy(question.editor, node.inputs[0], node.opType)?.inputs[0];
  const index = rules.get(node.opType)?.(question);
  const source = index === undefined ? undefined : node.inputs[index];
  return source === '' ? undefined : source;
}
