/** Slice after Slice, Concat of Concats, Cast after Cast. */

import { intAttr } from '../../ir/attributes.ts';
import { type DType, dtypeFromOnnx } from '../../ir/dtype.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { rankOf } from './facts.ts';
import { bypass, type Merge, type MovementQuestion } from './merge.ts';
import { madeBy } from './pattern.ts';
import { isOp } from './scopes.ts';
import { constantRanges } from './slice-ranges.ts';

const TO_THE_END = 2 ** 31 - 1;

type Ranges = NonNullable<ReturnType<typeof constantRanges>>;
type Range = Ranges[number];

/** Ranges with axes counted from the start; undefined unless all are constant and step forward by one. */
function plainRanges({ editor, opset }: MovementQuestion, node: Node, rank: number): Ranges | undefined {
  const ranges = constantRanges(editor, node, opset);
  if (!ranges?.every(({ step }) => step === 1)) return undefined;
  return ranges.map((range) => ({ ...range, axis: range.axis < 0 ? range.axis + rank : range.axis }));
}

/** x[a:b][c:d] = x[a+c : min(b, a+d)] where none counts from the end. */
function composed(inner: Range, outer: Range): Range | undefined {
  if (Math.min(inner.start, inner.end, outer.start, outer.end) < 0) return undefined;
  const end = outer.end >= TO_THE_END ? inner.end : Math.min(inner.end, inner.start + outer.end);
  return { axis: inner.axis, start: inner.start + outer.start, end, step: 1 };
}

/** Where the first slice has no other use than being sliced again. */
export function mergeSlices(question: MovementQuestion): Merge | undefined {
  const { editor, node, opset, facts } = question;
  const first = opset < 10 ? undefined : madeBy(editor, node.inputs[0], 'Slice');
  const rank = rankOf(facts(node.inputs[0]!));
  if (!first || rank === undefined) return undefined;
  const between = first.outputs[0]!;
  if (editor.isGraphOutput(between)) return undefined;
  const isPassed = editor.consumersOf(between).every((reader) => isOp(reader, 'Slice') && reader.inputs[0] === between);
  const inner = plainRanges(question, first, rank);
  const outer = plainRanges(question, node, rank);
  if (!isPassed || !inner || !outer) return undefined;
  const ranges = [...inner];
  for (const range of outer) {
    const at = ranges.findIndex(({ axis }) => axis === range.axis);
    if (at < 0) {
      ranges.push(range);
      continue;
    }
    const both = composed(ranges[at]!, range);
    if (!both || both.start > both.end) return undefined;
    ranges[at] = both;
  }
  return {
    action: 'merged two Slices',
    absorbed: [first],
    apply: () => {
      const keep = (what: string, values: number[]) =>
        editor.addInitializer(tensorFromInts(`${node.outputs[0]}.${what}`, [values.length], values));
      editor.setInputs(node, [
        between,
        keep(
          'starts',
          ranges.map(({ start }) => start),
        ),
        keep(
          'ends',
          ranges.map(({ end }) => Math.min(end, TO_THE_END)),
        ),
        keep(
          'axes',
          ranges.map(({ axis }) => axis),
        ),
      ]);
      bypass(editor, node, first);
    },
  };
}

/** A Concat that only another along the same axis reads. */
export function mergeConcats({ editor, node, opset, facts }: MovementQuestion): Merge | undefined {
  const rank = rankOf(facts(node.outputs[0]!));
  const axisOf = (concat: Node) => {
    const axis = intAttr(concat, 'axis', 1);
    return axis < 0 ? axis + (rank ?? 0) : axis;
  };
  if (opset < 4 || (rank === undefined && intAttr(node, 'axis', 0) < 0)) return undefined;
  const inner = new Map<string, Node>();
  for (const input of node.inputs) {
    const concat = madeBy(editor, input, 'Concat');
    if (concat && editor.singleConsumer(input) && axisOf(concat) === axisOf(node)) inner.set(input, concat);
  }
  if (inner.size === 0) return undefined;
  return {
    action: 'merged Concats along one axis',
    absorbed: [...inner.values()],
    apply: () => {
      editor.setInputs(
        node,
        node.inputs.flatMap((input) => inner.get(input)?.inputs ?? [input]),
      );
      for (const concat of inner.values()) editor.removeNode(concat);
    },
  };
}

/** Types that hold every value of the type on the left. */
const holds: Partial<Record<DType, readonly DType[]>> = {
  bool: ['uint8', 'int8', 'uint16', 'int16', 'int32', 'int64', 'uint32', 'uint64', 'float16', 'float32', 'float64'],
  uint8: ['uint16', 'int16', 'int32', 'int64', 'uint32', 'uint64', 'float16', 'float32', 'float64'],
  int8: ['int16', 'int32', 'int64', 'float16', 'float32', 'float64'],
  int16: ['int32', 'int64', 'float32', 'float64'],
  uint16: ['int32', 'int64', 'uint32', 'uint64', 'float32', 'float64'],
  int32: ['int64', 'float64'],
  uint32: ['int64', 'uint64', 'float64'],
  float16: ['float32', 'float64'],
  bfloat16: ['float32', 'float64'],
  float32: ['float64'],
};

/** A first cast that loses nothing does not matter to the second. */
export function mergeCasts({ editor, node, facts }: MovementQuestion): Merge | undefined {
  const first = madeBy(editor, node.inputs[0], 'Cast');
  const from = first && facts(first.inputs[0]!)?.dtype;
  const between = first && dtypeFromOnnx(intAttr(first, 'to', 0));
  const to = dtypeFromOnnx(intAttr(node, 'to', 0));
  if (!first || !from || !between || !to || !holds[from]?.includes(between)) return undefined;
  // How text looks depends on the type that is printed.
  if (to === 'string') return undefined;
  return { action: 'merged two Casts', absorbed: [first], apply: () => bypass(editor, node, first) };
}
