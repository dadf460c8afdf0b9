/** Cosines and sines of a rotary embedding: one row for each position, one column for each pair. */
import { attrInt, intAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { smallValues, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import type { Maker } from './attention-operands.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy, withScalar } from './pattern.ts';

/** A value whose elements, in order, are rows of one column for each pair, and what is done to each of them. */
export interface Angles {
  readonly base: string;
  /** First to last. */
  readonly steps: readonly ElementStep[];
}

interface ElementStep {
  readonly opType: string;
  /** '' stands for the element. */
  readonly inputs: readonly string[];
  /** Of a Cast. */
  readonly to?: number;
}

/** Longest chain of nodes that is followed. */
const LONGEST = 12;

/**
 * Goes back from a factor to where its columns were doubled, through nodes that act on single elements or only add axes.
 * @param start a value of `width` columns, each pair of equal ones
 */
export function anglesOf(
  editor: GraphEditor,
  facts: FactLookup,
  start: string,
  width: number,
  interleaved: boolean,
): Angles | undefined {
  const steps: ElementStep[] = [];
  let value = start;
  for (let length = 0; length < LONGEST; length++) {
    const base = interleaved ? repeated(editor, facts, value) : doubled(editor, facts, value);
    if (base !== undefined) return { base, steps: steps.reverse() };
    if (editor.constantOf(value)) {
      const half = halfOf(editor, value, width, interleaved);
      return half === undefined ? undefined : { base: half, steps: steps.reverse() };
    }
    const next = stepBefore(editor, facts, value, width);
    if (!next) return undefined;
    if (next.step) steps.push(next.step);
    value = next.value;
  }
  return undefined;
}

function stepBefore(editor: GraphEditor, facts: FactLookup, value: string, width: number) {
  const moved = madeBy(editor, value, 'Unsqueeze', 'Squeeze', 'Reshape')?.inputs[0];
  if (moved !== undefined) return facts(moved)?.shape?.at(-1) === width ? { value: moved } : undefined;
  const wave = madeBy(editor, value, 'Cos', 'Sin');
  if (wave) return { value: wave.inputs[0]!, step: { opType: wave.opType, inputs: [''] } };
  const cast = madeBy(editor, value, 'Cast');
  if (cast) {
    return { value: cast.inputs[0]!, step: { opType: 'Cast', inputs: [''], to: intAttr(cast, 'to', 0) } };
  }
  const product = madeBy(editor, value, 'Mul');
  const scaled = withScalar(editor, product, true);
  if (!scaled || editor.constantOf(scaled.constant)!.dims.length > 1) return undefined;
  return { value: scaled.value, step: { opType: 'Mul', inputs: ['', scaled.constant] } };
}

/** The two inputs of a Concat over the last axis. */
export function pairOf(facts: FactLookup, concat: Node): readonly string[] | undefined {
  const axis = intAttr(concat, 'axis', 0);
  const isLast = axis === -1 || axis === (facts(concat.outputs[0]!)?.shape?.length ?? Number.NaN) - 1;
  return isLast && concat.inputs.length === 2 ? concat.inputs : undefined;
}

/** What a Concat over the last axis has twice. */
function doubled(editor: GraphEditor, facts: FactLookup, value: string): string | undefined {
  const concat = madeBy(editor, value, 'Concat');
  const [first, second] = (concat && pairOf(facts, concat)) ?? [];
  return first === second ? first : undefined;
}

/** What has each element repeated: a new last axis of size 1, repeated twice, merged with the one before. */
function repeated(editor: GraphEditor, facts: FactLookup, value: string): string | undefined {
  const reshape = madeBy(editor, value, 'Reshape');
  const tile = madeBy(editor, reshape?.inputs[0], 'Tile', 'Expand');
  const single = tile?.inputs[0];
  const [before, after] = [facts(single ?? '')?.shape, facts(tile?.outputs[0] ?? '')?.shape];
  const width = facts(value)?.shape?.at(-1);
  if (!before || !after || before.at(-1) !== 1 || after.at(-1) !== 2) return undefined;
  const isAlone = sameShape(before.slice(0, -1), after.slice(0, -1));
  return isAlone && typeof width === 'number' && before.at(-2) === width / 2 ? single : undefined;
}

/** A new weight of one of each two equal columns of a small constant. */
function halfOf(editor: GraphEditor, name: string, width: number, interleaved: boolean): string | undefined {
  const tensor = editor.constantOf(name)!;
  const values = smallValues(tensor);
  if (!values || tensor.dims.at(-1) !== width) return undefined;
  const half = width / 2;
  const [one, other] = interleaved
    ? [(at: number) => 2 * at, (at: number) => 2 * at + 1]
    : [(at: number) => at, (at: number) => at + half];
  const rows = values.length / width;
  const kept: number[] = [];
  for (let row = 0; row < rows; row++)
    for (let at = 0; at < half; at++) {
      const first = values[row * width + one(at)]!;
      if (first !== values[row * width + other(at)]) return undefined;
      kept.push(first);
    }
  return editor.addInitializer(tensorFromNumbers(`${name}.half`, tensor.dtype, [rows, half], kept));
}

/** Angles are shared by all layers: what was made for one serves the others of the same graph. */
export class AngleMaker {
  readonly #made = new Map<string, string>();

  /** [positions, pairs] */
  rows(maker: Maker, { base, steps }: Angles, pairs: number): string {
    let value = this.once(`rows of ${base}`, () => {
      const dims = maker.editor.constantOf(base)?.dims ?? maker.facts(base)?.shape;
      return dims?.length === 2 ? base : maker.node('Reshape', [base, maker.ints(-1, pairs)]);
    });
    for (const { opType, inputs, to } of steps) {
      const [element] = [value];
      value = this.once(`${opType} of ${element} with ${to ?? inputs.join()}`, () =>
        maker.node(
          opType,
          inputs.map((input) => input || element),
          to === undefined ? {} : { to: attrInt(to) },
        ),
      );
    }
    return value;
  }

  once(key: string, make: () => string): string {
    const made = this.#made.get(key) ?? make();
    this.#made.set(key, made);
    return made;
  }
}
