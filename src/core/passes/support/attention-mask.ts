/** The bias input of a fused attention: [1 or batch, 1 or heads, query length, key length], added to the scores. */
import { attrInt, attrInts } from '../../ir/attributes.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Dim } from '../../ir/types.ts';
import type { Maker } from './attention-operands.ts';
import type { AttentionDType, AttentionMatch, Masking } from './attention-pattern.ts';
import { scalarOf, uniformValue } from './constants.ts';
import { sameShape } from './facts.ts';
import { madeBy } from './pattern.ts';

/** What is known of the mask before anything is made of it. */
export interface MaskPlan {
  readonly maskings: readonly Masking[];
  /** Set where rows without any allowed key give zeros: the condition of the mask. */
  readonly guard: { readonly condition: string; readonly keeps: boolean } | undefined;
}

/**
 * What takes the place of -inf, so that a row without keys is no row of NaN. In half precision a sum with it must not
 * overflow, and its exponential is 0 long before.
 */
const LOWEST = { float32: -3.4028234663852886e38, float16: -3e4 };

/** @returns undefined when the masks cannot be expressed */
export function planMask(maker: Maker, match: AttentionMatch): MaskPlan | undefined {
  const { maskings, guarded } = match;
  for (const masking of maskings) {
    const shape = maker.facts(masking.kind === 'add' ? masking.value : masking.condition)?.shape;
    if (!shape || !fits(shape, match)) return undefined;
  }
  // Without a mask all scores are finite, and so is their softmax.
  if (!guarded || maskings.length === 0) return { maskings, guard: undefined };
  if (maskings.length > 1) return undefined;
  const masking = maskings[0]!;
  const found = masking.kind === 'where' ? masking : whereMask(maker, masking.value);
  if (found === 'finite') return { maskings, guard: undefined };
  const shape = maker.facts(found?.condition ?? '')?.shape;
  // One flag a row has to do for all heads.
  const isPerRow = shape?.length === 2 || (shape?.length === 4 && shape[1] === 1);
  return found && isPerRow ? { maskings: [found], guard: found } : undefined;
}

/** Only axes that a bias may have; a size that is not proven equal is left to Expand, and the runtime checks it. */
function fits(shape: readonly Dim[], { query, key }: AttentionMatch): boolean {
  if (shape.length > 4) return false;
  const [, heads, rows, columns] = padded(shape) as [Dim, Dim, Dim, Dim];
  const isOr1 = (dim: Dim, size: Dim) =>
    dim === 1 || dim === size || typeof dim !== 'number' || typeof size !== 'number';
  return (heads === 1 || heads === query.heads) && isOr1(rows, query.length) && isOr1(columns, key.length);
}

const padded = (shape: readonly Dim[]): Dim[] => [...Array<Dim>(4 - shape.length).fill(1), ...shape];

/** Whether the masks together have every row and column of the scores, so that nothing has to be repeated. */
export function coversScores(maker: Maker, { query, key }: AttentionMatch, { maskings }: MaskPlan): boolean {
  if (maskings.length === 0) return true;
  const shapes = maskings.map(
    (masking) => maker.facts(masking.kind === 'add' ? masking.value : masking.condition)!.shape!,
  );
  return sameShape(broadcast(shapes).slice(2), [query.length, key.length]);
}

/** Of four axes; every size fits, as `fits` has seen. */
const broadcast = (shapes: readonly (readonly Dim[])[]): Dim[] =>
  shapes.map(padded).reduce((a, b) => a.map((dim, axis) => (dim === 1 ? b[axis]! : dim)));

/** A mask of 0 and -inf by a condition; 'finite' when no entry is infinite. */
function whereMask(maker: Maker, value: string): (Masking & { kind: 'where' }) | 'finite' | undefined {
  const { editor } = maker;
  const node = madeBy(editor, value, 'Where');
  if (!node) return Number.isFinite(uniformValue(editor.constantOf(value)) ?? Number.NaN) ? 'finite' : undefined;
  const [condition, a, b] = node.inputs as [string, string, string];
  const [whenTrue, whenFalse] = [scalarOf(editor.constantOf(a)), scalarOf(editor.constantOf(b))];
  if (whenTrue === undefined || whenFalse === undefined) return undefined;
  if (Number.isFinite(whenTrue) && Number.isFinite(whenFalse)) return 'finite';
  if (whenTrue === 0 && whenFalse === Number.NEGATIVE_INFINITY)
    return { kind: 'where', condition, keeps: true, fill: whenFalse };
  if (whenFalse === 0 && whenTrue === Number.NEGATIVE_INFINITY)
    return { kind: 'where', condition, keeps: false, fill: whenTrue };
  return undefined;
}

/** Masks are often shared by all layers: what was made for one serves the others of the same graph. */
export class MaskMaker {
  readonly #made = new Map<string, string>();

  /** @returns the bias; undefined without any mask */
  bias(
    maker: Maker,
    { query, key, dtype }: AttentionMatch,
    plan: MaskPlan,
    queryValue: string,
    keyValue: { value: string; axis: number },
  ): string | undefined {
    const terms = plan.maskings.map((masking) => this.#term(maker, dtype, masking, plan.guard !== undefined));
    if (terms.length === 0) return undefined;
    const shapes = terms.map((term) => term.shape);
    const sum = terms
      .map((term) => term.value)
      .reduce((a, b) => this.#once(`${a}+${b}`, () => maker.node('Add', [a, b])));
    const rank = Math.max(...shapes.map((one) => one.length));
    const [, , rows, columns] = broadcast(shapes) as [Dim, Dim, Dim, Dim];
    const hasRows = rows !== null && rows === query.length;
    const hasColumns = columns !== null && columns === key.length;
    if (rank === 4 && hasRows && hasColumns) return sum;
    const key4 = `${sum}|${query.length ?? queryValue}|${key.length ?? keyValue.value}`;
    if (hasRows && hasColumns) {
      const axes = Array.from({ length: 4 - rank }, (_, at) => at);
      return this.#once(key4, () => unsqueeze(maker, sum, axes));
    }
    return this.#once(key4, () => {
      const ones = maker.ints(1, 1);
      const one = maker.ints(1);
      const size = [
        hasRows ? one : maker.sizeOf(queryValue, 1),
        hasColumns ? one : maker.sizeOf(keyValue.value, keyValue.axis),
      ];
      return maker.node('Expand', [sum, maker.node('Concat', [ones, ...size], { axis: attrInt(0) })]);
    });
  }

  /** [batch or 1, length or 1, 1] of 0 and 1: whether the row may look at any key. */
  rowsWithKeys(maker: Maker, dtype: AttentionDType, { condition, keeps }: NonNullable<MaskPlan['guard']>): string {
    return this.#once(`rows of ${condition} ${keeps} ${dtype}`, () => {
      const allowed = keeps ? condition : maker.node('Not', [condition]);
      const numbers = maker.node('Cast', [allowed], { to: attrInt(dtypeInfo[dtype].onnx) });
      const any =
        maker.opset >= 18
          ? maker.node('ReduceMax', [numbers, maker.ints(-1)], { keepdims: attrInt(1) })
          : maker.node('ReduceMax', [numbers], { axes: attrInts([-1]), keepdims: attrInt(1) });
      if (maker.facts(condition)!.shape!.length < 4) return any;
      return maker.opset >= 13
        ? maker.node('Squeeze', [any, maker.ints(1)])
        : maker.node('Squeeze', [any], { axes: attrInts([1]) });
    });
  }

  #term(
    maker: Maker,
    dtype: AttentionDType,
    masking: Masking,
    finite: boolean,
  ): { value: string; shape: readonly Dim[] } {
    if (masking.kind === 'add') return { value: masking.value, shape: maker.facts(masking.value)!.shape! };
    const { condition, keeps, fill } = masking;
    const value = this.#once(`bias of ${condition} ${keeps} ${finite ? 'finite' : fill} ${dtype}`, () => {
      const [zero, low] = [0, finite ? LOWEST[dtype] : fill].map((value) =>
        maker.editor.addInitializer(tensorFromNumbers(`${maker.label}/fill`, dtype, [], [value])),
      ) as [string, string];
      return maker.node('Where', keeps ? [condition, zero, low] : [condition, low, zero]);
    });
    return { value, shape: maker.facts(condition)!.shape! };
  }

  #once(key: string, make: () => string): string {
    const made = this.#made.get(key) ?? make();
    this.#made.set(key, made);
    return made;
  }
}

function unsqueeze(maker: Maker, value: string, axes: readonly number[]): string {
  if (maker.opset < 13) return maker.node('Unsqueeze', [value], { axes: attrInts(axes) });
  return maker.node('Unsqueeze', [
    value,
    maker.editor.addInitializer(tensorFromInts(`${maker.label}/axes`, [axes.length], axes)),
  ]);
}
