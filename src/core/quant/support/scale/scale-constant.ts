/** Multiplying a constant by a factor a channel, in whatever way its node lays the channels out. */
import { elementCount } from '../../../ir/tensor.ts';
import { type Numbers, numbersLike } from '../../../passes/support/weights.ts';

/**
 * Multiplies along one axis; a constant that is 1 long there, or has too few axes, is repeated for each channel first
 * (numpy's broadcasting).
 * @param axis from the end: -1 is the last
 * @returns new elements, and the dims they have
 */
export function scaleAlongAxis(
  values: Numbers,
  dims: readonly number[],
  axis: number,
  factors: Float64Array,
): { readonly values: Numbers; readonly dims: readonly number[] } {
  const padded = [...new Array<number>(Math.max(0, -axis - dims.length)).fill(1), ...dims];
  const at = padded.length + axis;
  const isRepeated = padded[at] !== factors.length;
  if (isRepeated && padded[at] !== 1) throw new RangeError(`${padded[at]} channels, ${factors.length} factors`);
  const grown = padded.map((dim, i) => (i === at ? factors.length : dim));
  const inner = elementCount(grown.slice(at + 1));
  const outer = elementCount(grown.slice(0, at));
  const result = new (values.constructor as Float32ArrayConstructor)(outer * factors.length * inner) as Numbers;
  let to = 0;
  for (let o = 0; o < outer; o += 1)
    for (let channel = 0; channel < factors.length; channel += 1) {
      const factor = factors[channel]!;
      let from = (isRepeated ? o : o * factors.length + channel) * inner;
      for (let i = 0; i < inner; i += 1) result[to++] = values[from++]! * factor;
    }
  return { values: result, dims: grown };
}

/**
 * Input channels of a Conv weight [M, C / groups, ...]: output channel m reads the inputs of its group, which begin at
 * floor(m / (M / groups)) * C / groups.
 */
export function scaleConvInputs(
  values: Numbers,
  dims: readonly number[],
  groups: number,
  factors: Float64Array,
): Numbers {
  const [outputs, inputs] = dims as [number, number];
  const inner = elementCount(dims.slice(2));
  const result = new (values.constructor as Float32ArrayConstructor)(values.length) as Numbers;
  const outputsPerGroup = outputs / groups;
  let at = 0;
  for (let m = 0; m < outputs; m += 1) {
    const first = Math.floor(m / outputsPerGroup) * inputs;
    for (let c = 0; c < inputs; c += 1) {
      const factor = factors[first + c]!;
      for (let i = 0; i < inner; i += 1, at += 1) result[at] = values[at]! * factor;
    }
  }
  return result;
}

/** [rows, columns] (leading axes of 1 allowed) to [columns, rows]. */
export function transposed(values: Numbers, rows: number, columns: number): Numbers {
  const result = numbersLike(values instanceof Float64Array ? 'float64' : 'float32', values.length);
  for (let r = 0, at = 0; r < rows; r += 1)
    for (let c = 0; c < columns; c += 1, at += 1) result[c * rows + r] = values[at]!;
  return result;
}

export function reciprocals(factors: Float64Array): Float64Array {
  return factors.map((factor) => 1 / factor);
}

/** Largest magnitude with which a Conv weight reads each of its input channels. */
export function convInputMagnitudes(values: Numbers, dims: readonly number[], groups: number): Float64Array {
  const [outputs, inputs] = dims as [number, number];
  const inner = elementCount(dims.slice(2));
  const largest = new Float64Array(inputs * groups);
  const outputsPerGroup = outputs / groups;
  let at = 0;
  for (let m = 0; m < outputs; m += 1) {
    const first = Math.floor(m / outputsPerGroup) * inputs;
    for (let c = first; c < first + inputs; c += 1)
      for (let i = 0; i < inner; i += 1, at += 1) largest[c] = Math.max(largest[c]!, Math.abs(values[at]!));
  }
  return largest;
}
