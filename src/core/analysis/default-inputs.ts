/** What random inputs a model gets before the user says otherwise: seeded, with every assumption about sizes listed. */
import type { DType } from '../ir/dtype.ts';
import type { Dim } from '../ir/types.ts';

export interface FreeInput {
  readonly name: string;
  readonly dtype: DType;
  /** undefined: the model does not even say the rank. */
  readonly shape?: readonly Dim[] | undefined;
}

export interface SuggestedInput {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: number[];
  readonly distribution: 'normal' | 'integers' | 'ones';
  /** Exclusive upper bound of `integers`. */
  readonly max: number;
  /** Dimensions that were free and got a number here. */
  readonly assumed: readonly { readonly axis: number; readonly symbol: string | null; readonly value: number }[];
}

const IMAGE_SIDE = 224;
const SEQUENCE = 32;

/**
 * @param sizes values of symbols that are known (`{ batch: 1 }`), or of single dimensions (`{ 'input:0': 1 }`)
 */
export function suggestInputs(
  inputs: readonly FreeInput[],
  sizes: Readonly<Record<string, number>> = {},
): SuggestedInput[] {
  return inputs.map(({ name, dtype, shape = [] }) => {
    const assumed: { axis: number; symbol: string | null; value: number }[] = [];
    const dims = shape.map((dim, axis) => {
      if (typeof dim === 'number') return dim;
      const known = (dim === null ? undefined : sizes[dim]) ?? sizes[`${name}:${axis}`];
      const value = known ?? assumeSize(dim, axis, shape.length, name);
      assumed.push({ axis, symbol: dim, value });
      return value;
    });
    return { name, dtype, dims, ...fill(name, dtype), assumed };
  });
}

function assumeSize(symbol: string | null, axis: number, rank: number, input: string): number {
  const text = (symbol ?? '').toLowerCase();
  if (/past|cache/.test(text) || (/past|cache/.test(input.toLowerCase()) && axis === rank - 2)) return 0;
  if (axis === 0 || /batch|^n$|^b$/.test(text)) return 1;
  if (/seq|len|token|time|frames|^t$/.test(text)) return SEQUENCE;
  if (rank === 4) return axis === 1 ? 3 : IMAGE_SIDE;
  return SEQUENCE;
}

function fill(name: string, dtype: DType): Pick<SuggestedInput, 'distribution' | 'max'> {
  if (/mask/i.test(name)) return { distribution: 'ones', max: 2 };
  if (/^(u?int|bool)/.test(dtype)) return { distribution: 'integers', max: dtype === 'bool' ? 2 : 100 };
  return { distribution: 'normal', max: 100 };
}
