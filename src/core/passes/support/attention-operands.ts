/** Query, key and value of an attention written out: the values before they were split into heads and transposed. */
import { attrInt, attrInts, intsAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Dim, Node } from '../../ir/types.ts';
import { type Third, thirdOf } from './attention-packed.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy, withScalar } from './pattern.ts';
import { isOp } from './scopes.ts';

/** A value and the constant that the operand is a multiple of it by. */
export interface Scaled {
  readonly value: string;
  readonly factor: number;
}

/** One operand in the forms that the graph has it in. */
export interface Operand {
  /** [batch, length, heads * size], where it exists in that form only. */
  readonly merged?: string;
  /** [batch, length, heads, size] */
  readonly bySequence: Scaled | undefined;
  /** [batch, heads, length, size] */
  readonly byHead: Scaled | undefined;
  /** Set where it is one of three that one product makes, and exists by head only. */
  readonly third: Third | undefined;
  readonly batch: Dim;
  readonly length: Dim;
  readonly heads: number;
  readonly size: number;
}

const SWAP_MIDDLE = [0, 2, 1, 3];

/** Does a Transpose make [batch, length, heads, size] of [batch, heads, length, size], or the reverse? */
export const swapsHeads = (transpose: Node): boolean => isSame(intsAttr(transpose, 'perm'), SWAP_MIDDLE);

/**
 * Follows a rank-4 operand of a matrix product back through Transposes and multiplications with a constant.
 * @param transposed whether the operand stands as [batch, heads, size, length], as the key does
 */
export function traceOperand(
  editor: GraphEditor,
  facts: FactLookup,
  start: string,
  transposed: boolean,
): Operand | undefined {
  const byHeadPerm = transposed ? [0, 1, 3, 2] : [0, 1, 2, 3];
  const bySequencePerm = byHeadPerm.map((axis) => SWAP_MIDDLE[axis]!);
  let perm: readonly number[] = [0, 1, 2, 3];
  let current: Scaled = { value: start, factor: 1 };
  let byHead: Scaled | undefined;
  let bySequence: Scaled | undefined;
  for (;;) {
    if (isSame(perm, byHeadPerm)) byHead = current;
    if (isSame(perm, bySequencePerm)) bySequence = current;
    const node = editor.producerOf(current.value);
    const scaled = scaleOf(editor, node);
    const moved = scaled ? undefined : transposeOf(editor, facts, node);
    if (scaled) current = { value: scaled.value, factor: current.factor * scaled.factor };
    else if (moved) {
      perm = perm.map((axis) => moved.perm[axis]!);
      current = { value: moved.value, factor: current.factor };
    } else break;
  }
  const shape = facts((bySequence ?? byHead)?.value ?? '')?.shape;
  if (shape?.length !== 4) return undefined;
  const [batch, length, heads, size] = (bySequence ? shape : SWAP_MIDDLE.map((axis) => shape[axis]!)) as Dim[];
  if (typeof heads !== 'number' || typeof size !== 'number') return undefined;
  const third = bySequence || byHead?.value !== current.value ? undefined : thirdOf(editor, facts, current.value);
  return { bySequence, byHead, third, batch: batch!, length: length!, heads, size };
}

/** Multiplication or division by one finite constant other than 0. */
export function scaleOf(editor: GraphEditor, node: Node | undefined): Scaled | undefined {
  if (!isOp(node, 'Mul', 'Div')) return undefined;
  const found = withScalar(editor, node, node.opType === 'Mul');
  const factor = found && (node.opType === 'Mul' ? found.scalar : 1 / found.scalar);
  if (!found || !factor || !Number.isFinite(factor)) return undefined;
  // A constant of a higher rank than the value would add axes.
  return (editor.constantOf(found.constant)?.dims.length ?? 9) <= 1 ? { value: found.value, factor } : undefined;
}

/** A Transpose of four axes, or what torch writes for one of the last two: a detour over three axes. */
function transposeOf(editor: GraphEditor, facts: FactLookup, node: Node | undefined) {
  if (isOp(node, 'Transpose')) {
    const perm = intsAttr(node, 'perm');
    return perm?.length === 4 ? { perm, value: node.inputs[0]! } : undefined;
  }
  if (!isOp(node, 'Reshape')) return undefined;
  const inner = madeBy(editor, node.inputs[0], 'Transpose');
  const flat =
    inner && isSame(intsAttr(inner, 'perm'), [0, 2, 1]) ? madeBy(editor, inner.inputs[0], 'Reshape') : undefined;
  const value = flat?.inputs[0];
  const from = facts(value ?? '')?.shape;
  const [, rows, columns] = facts(flat?.outputs[0] ?? '')?.shape ?? [];
  const to = facts(node.outputs[0]!)?.shape;
  if (value === undefined || from?.length !== 4) return undefined;
  const [batch, heads, length, size] = from as [Dim, Dim, Dim, Dim];
  const isDetour =
    sameShape([rows ?? null, columns ?? null], [length, size]) && sameShape(to, [batch, heads, size, length]);
  return isDetour ? { perm: [0, 1, 3, 2], value } : undefined;
}

function isSame(a: readonly number[] | undefined, b: readonly number[]): boolean {
  return a?.length === b.length && a.every((item, at) => item === b[at]);
}

/** Makes nodes that a fused operator needs before it. */
export class Maker {
  constructor(
    readonly editor: GraphEditor,
    readonly facts: FactLookup,
    readonly opset: number,
    readonly label: string,
  ) {}

  /** @returns the output, which gets a fresh name unless one is given */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Parameters<typeof makeNode>[0]['attributes'] = {},
    output = this.editor.freshName(`${this.label}/${opType}_output`),
  ): string {
    const name = this.editor.freshName(`${this.label}/${opType}`);
    this.editor.addNode(makeNode({ opType, name, inputs, outputs: [output], attributes }));
    return output;
  }

  ints(...values: number[]): string {
    return this.editor.addInitializer(tensorFromInts(`${this.label}/ints`, [values.length], values));
  }

  /** A whole number without an axis. */
  index(value: number): string {
    return this.editor.addInitializer(tensorFromInts(`${this.label}/index`, [], [value]));
  }

  /**
   * [batch, length, heads * size] of an operand: where it was before its heads were split off, if it was.
   * @param mayUnscale whether a constant factor may be left to the caller
   */
  flat(operand: Operand, mayUnscale: boolean): Scaled {
    const { merged, bySequence, byHead, heads, size } = operand;
    if (merged !== undefined) return { value: merged, factor: 1 };
    if (!bySequence) {
      const turned = this.node('Transpose', [byHead!.value], { perm: attrInts(SWAP_MIDDLE) });
      return { value: this.merged(turned, heads * size), factor: byHead!.factor };
    }
    const before = this.beforeSplit(operand);
    if (before === undefined) return { ...bySequence, value: this.merged(bySequence.value, heads * size) };
    const scaled = mayUnscale ? scaleOf(this.editor, this.editor.producerOf(before)) : undefined;
    return scaled
      ? { value: scaled.value, factor: scaled.factor * bySequence.factor }
      : { value: before, factor: bySequence.factor };
  }

  /** Query, key and value cut out of what makes all three; undefined where they are made otherwise. */
  thirds(operands: readonly Operand[]): Scaled[] | undefined {
    const [first] = operands;
    const whole = first?.third?.whole;
    if (whole === undefined || operands.some(({ third }, at) => third?.whole !== whole || third.part !== at))
      return undefined;
    const outputs = operands.map(() => this.editor.freshName(`${this.label}/Split_output`));
    const width = first!.heads * first!.size;
    const sizes = [width, width, width];
    const isInput = this.opset >= 13;
    this.editor.addNode(
      makeNode({
        opType: 'Split',
        name: this.editor.freshName(`${this.label}/Split`),
        inputs: isInput ? [whole, this.ints(...sizes)] : [whole],
        outputs,
        attributes: { axis: attrInt(2), ...(isInput ? {} : { split: attrInts(sizes) }) },
      }),
    );
    return outputs.map((value, at) => ({ value, factor: operands[at]!.byHead!.factor }));
  }

  /** The value of three axes that a Reshape splits into heads. */
  beforeSplit({ bySequence, batch, length, heads, size }: Operand): string | undefined {
    const reshape = madeBy(this.editor, bySequence?.value, 'Reshape');
    const value = reshape?.inputs[0];
    const shape = this.facts(value ?? '')?.shape;
    const fits = shape?.length === 3 && shape[2] === heads * size;
    return fits && sameShape(shape.slice(0, 2), [batch, length]) ? value : undefined;
  }

  byHead({ bySequence, byHead }: Operand): Scaled {
    if (byHead) return byHead;
    return { ...bySequence!, value: this.node('Transpose', [bySequence!.value], { perm: attrInts(SWAP_MIDDLE) }) };
  }

  private merged(value: string, width: number): string {
    return this.node('Reshape', [value, this.ints(0, 0, width)]);
  }

  /** The size of one axis, as a vector of one element. */
  sizeOf(value: string, axis: number): string {
    const size = this.facts(value)?.shape?.[axis];
    if (typeof size === 'number') return this.ints(size);
    if (this.opset >= 15) return this.node('Shape', [value], { start: attrInt(axis), end: attrInt(axis + 1) });
    return this.node('Gather', [this.node('Shape', [value]), this.ints(axis)], { axis: attrInt(0) });
  }
}

/** Takes out a node and what only it read, as far back as nobody else needs it. */
export function removeUnread(editor: GraphEditor, nodes: readonly Node[]): void {
  const pending = [...nodes];
  for (let node = pending.pop(); node; node = pending.pop()) {
    const isRead = (value: string) => editor.isGraphOutput(value) || editor.consumersOf(value).length > 0;
    if (!editor.has(node) || node.outputs.some((output) => output !== '' && isRead(output))) continue;
    editor.removeNode(node);
    for (const input of node.inputs) {
      const producer = input === '' ? undefined : editor.producerOf(input);
      if (producer && !removable.has(producer.opType)) continue;
      if (producer) pending.push(producer);
    }
  }
}

/** Deterministic operators without side effects that attentions are written with. */
const removable = new Set(
  'Transpose Reshape Mul Div Add MatMul Softmax Attention Where IsNaN Unsqueeze Squeeze Shape Slice Concat Gather Expand Split Cast Neg Not Constant Cos Sin Tile'.split(
    ' ',
  ),
);
