/**
 * Double quantization (Dettmers et al. 2023, QLoRA, section 3): the blocks' largest magnitudes are themselves stored in
 * 8 bits, in blocks of 256, after their mean was taken off. The 8-bit codebook is bitsandbytes' dynamic tree (Dettmers
 * et al. 2022, 8-bit optimizers, section 2): the number of leading zeros is a decimal exponent, the rest a linear
 * fraction.
 */
export const ABSMAX_BLOCK = 256;

/** 256 ascending values in (-1, 1]: for each exponent 10^-6 .. 10^0, 2^i fractions in the middle of equal parts of [0.1, 1]. */
export function dynamicTree(): Float32Array {
  const values = [0, 1];
  for (let i = 0; i < 7; i += 1) {
    const parts = 2 ** i;
    for (let part = 0; part < parts; part += 1) {
      const value = 10 ** (i - 6) * (0.1 + (0.9 * (part + 0.5)) / parts);
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}

export interface QuantizedAbsmax {
  /** uint8 [groups, 256], indices into `dynamicTree()`; the last group is filled up with the code of 0. */
  readonly codes: Uint8Array<ArrayBuffer>;
  /** Largest magnitude of each group, [groups]. */
  readonly scales: Float32Array;
  readonly mean: number;
  /** What a reader gets back, one for each of the original values. */
  readonly restored: Float32Array;
}

export function quantizeAbsmax(absmax: Float32Array): QuantizedAbsmax {
  const tree = dynamicTree();
  const mean = Math.fround(absmax.reduce((sum, value) => sum + value, 0) / absmax.length);
  const groups = Math.ceil(absmax.length / ABSMAX_BLOCK);
  const codes = new Uint8Array(groups * ABSMAX_BLOCK).fill(tree.indexOf(0));
  const scales = new Float32Array(groups);
  const restored = new Float32Array(absmax.length);
  for (let group = 0; group < groups; group += 1) {
    const from = group * ABSMAX_BLOCK;
    const centred = absmax.subarray(from, from + ABSMAX_BLOCK).map((value) => value - mean);
    const scale = centred.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    scales[group] = scale;
    centred.forEach((value, i) => {
      const code = nearestIndex(tree, scale === 0 ? 0 : value / scale);
      codes[from + i] = code;
      restored[from + i] = Math.fround(tree[code]! * scale) + mean;
    });
  }
  return { codes, scales, mean, restored };
}

/** Of the entry nearest to `x` in an ascending list. */
function nearestIndex(list: Float32Array, x: number): number {
  let low = 0;
  let high = list.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (list[middle]! <= x) low = middle;
    else high = middle;
  }
  return x - list[low]! <= list[high]! - x ? low : high;
}
