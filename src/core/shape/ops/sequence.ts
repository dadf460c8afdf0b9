/** Sequences and optionals: the facts of the elements, not how many there are. */
import type { InferFn } from '../context.ts';
import { containerFacts, type Facts, meet, tensorFacts } from '../facts.ts';
import { axisOf, withDim } from './helpers.ts';

const construct: InferFn = (c) => {
  let element: Facts | undefined = c.facts(0);
  for (let index = 1; index < c.inputCount; index++) element = meet(element, c.facts(index));
  c.setFacts(0, containerFacts('sequence', element));
};

/** The inserted tensor may differ in shape from the others. */
const insert: InferFn = (c) => {
  const element = c.facts(0)?.element;
  c.setFacts(0, containerFacts('sequence', element ? meet(element, c.facts(1)) : undefined));
};

const sameSequence: InferFn = (c) => c.setFacts(0, containerFacts('sequence', c.facts(0)?.element));

const at: InferFn = (c) => c.setFacts(0, c.facts(0)?.element);

const splitToSequence: InferFn = (c) => {
  const shape = c.shape(0);
  const axis = shape && axisOf(c.int('axis', 0), shape.length);
  const isUnit = !c.has(1);
  const keeps = !isUnit || c.int('keepdims', 1) === 1;
  const size = isUnit ? 1 : c.rank(1) === 0 ? null : sameNumber(c.numbers(1));
  const part =
    axis === undefined ? undefined : keeps ? withDim(shape!, axis, size) : shape!.filter((_, index) => index !== axis);
  c.setFacts(0, containerFacts('sequence', tensorFacts(c.dtype(0), part)));
};

const sameNumber = (values: readonly number[] | undefined): number | null =>
  values?.every((value) => value === values[0]) ? (values[0] ?? null) : null;

const concatFromSequence: InferFn = (c) => {
  const element = c.facts(0)?.element;
  const shape = element?.shape;
  const isNew = c.int('new_axis', 0) === 1;
  const rank = shape && shape.length + (isNew ? 1 : 0);
  const axis = rank === undefined ? undefined : axisOf(c.int('axis', 0), rank);
  if (!shape || axis === undefined) return c.set(0, element?.dtype, undefined);
  c.set(0, element?.dtype, isNew ? [...shape.slice(0, axis), null, ...shape.slice(axis)] : withDim(shape, axis, null));
};

/** The body sees elements of sequences, and tensors as they are. */
const sequenceMap: InferFn = (c) => {
  const body = c.graph('body');
  if (!body) return;
  const inputs = body.inputs.map((_, index) => {
    const facts = c.facts(index);
    return facts?.container === 'sequence' ? facts.element : facts;
  });
  const outputs = c.surroundings.inferSubgraph(body, inputs);
  for (const [index, element] of outputs.entries()) c.setFacts(index, containerFacts('sequence', element));
};

const optional: InferFn = (c) => c.setFacts(0, containerFacts('optional', c.facts(0)));

/** Opset 18 also takes a plain tensor or sequence. */
const optionalGet: InferFn = (c) => {
  const facts = c.facts(0);
  c.setFacts(0, facts?.container === 'optional' ? facts.element : facts);
};

export const sequence: Record<string, InferFn> = {
  SequenceConstruct: construct,
  SequenceEmpty: (c) => {
    c.setFacts(0, containerFacts('sequence', tensorFacts(c.dtypeAttribute('dtype') ?? 'float32', undefined)));
  },
  SequenceInsert: insert,
  SequenceErase: sameSequence,
  SequenceAt: at,
  SequenceLength: (c) => c.set(0, 'int64', []),
  SequenceMap: sequenceMap,
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  Optional: optional,
  OptionalGetElement: optionalGet,
  OptionalHasElement: (c) => c.set(0, 'bool', []),
};
