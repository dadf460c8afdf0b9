/** MatMul, Gemm, Einsum, Det and their integer forms. */
import type { DType } from '../../ir/dtype.ts';
import type { InferContext, InferFn } from '../context.ts';
import { broadcastShapes, type Shape } from '../facts.ts';
import { broadcastDim, isDistinct, type Sym } from '../symbolic.ts';

/** numpy.matmul: batch dims broadcast, 1-D operands lose their padding dimension again. */
export function matMulShape(c: InferContext, a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b || a.length === 0 || b.length === 0) return undefined;
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  if (isDistinct(left.at(-1)!, right.at(-2)!)) c.note('the inner dimensions of the matrix product differ');
  const batch = broadcastShapes([left.slice(0, -2), right.slice(0, -2)]);
  if (!batch) return undefined;
  const result = [...batch];
  if (a.length > 1) result.push(left.at(-2)!);
  if (b.length > 1) result.push(right.at(-1)!);
  return result;
}

export const matMulOf =
  (a: number, b: number, dtype: (c: InferContext) => DType | undefined): InferFn =>
  (c) =>
    c.set(0, dtype(c), matMulShape(c, c.shape(a), c.shape(b)));

export const gemm: InferFn = (c) => {
  const a = c.shape(0);
  const b = c.shape(1);
  const rows = a?.length === 2 ? a[c.int('transA', 0) ? 1 : 0]! : null;
  const columns = b?.length === 2 ? b[c.int('transB', 0) ? 0 : 1]! : null;
  c.set(0, c.dtype(0), [rows, columns]);
};

const einsum: InferFn = (c) => c.set(0, c.dtype(0), einsumShape(c));

export function einsumShape(c: InferContext): Shape | undefined {
  const parts = einsumTerms(c.text('equation', ''), c.inputCount);
  if (!parts) return undefined;
  const sizes = new Map<string, Sym>();
  let ellipsis: Shape = [];
  for (const [index, labels] of parts.inputs.entries()) {
    const shape = c.shape(index);
    if (!shape) return undefined;
    const dots = labels.indexOf('.');
    const wild = dots < 0 ? 0 : shape.length - (labels.length - 1);
    if (wild < 0 || (dots < 0 && labels.length !== shape.length)) return undefined;
    let axis = 0;
    for (const label of labels) {
      if (label === '.') {
        const merged = broadcastShapes([ellipsis, shape.slice(axis, axis + wild)]);
        if (!merged) return undefined;
        ellipsis = merged;
        axis += wild;
        continue;
      }
      const size = broadcastDim(sizes.get(label) ?? 1, shape[axis++]!);
      if (size === 'mismatch') return undefined;
      sizes.set(label, size);
    }
  }
  return parts.output.flatMap((label) => (label === '.' ? ellipsis : [sizes.get(label) ?? null]));
}

/** Labels of each operand; '.' stands for the ellipsis. Without "->" the labels used once follow in alphabetic order. */
export function einsumTerms(
  equation: string,
  inputCount: number,
): { inputs: readonly string[][]; output: readonly string[] } | undefined {
  const [left = '', right] = equation.replace(/\s/g, '').replaceAll('...', '.').split('->');
  const inputs = left.split(',').map((term) => [...term]);
  if (inputs.length !== inputCount) return undefined;
  if (right !== undefined) return { inputs, output: [...right] };
  const uses = new Map<string, number>();
  for (const label of inputs.flat()) uses.set(label, (uses.get(label) ?? 0) + 1);
  const once = [...uses.keys()].filter((label) => label !== '.' && uses.get(label) === 1).sort();
  return { inputs, output: uses.has('.') ? ['.', ...once] : once };
}

export const matmul: Record<string, InferFn> = {
  MatMul: matMulOf(0, 1, (c) => c.dtype(0) ?? c.dtype(1)),
  MatMulInteger: matMulOf(0, 1, () => 'int32'),
  QLinearMatMul: matMulOf(0, 3, (c) => c.dtype(7)),
  Gemm: gemm,
  Einsum: einsum,
  Det: (c) => c.set(0, c.dtype(0), c.shape(0)?.slice(0, -2)),
};
