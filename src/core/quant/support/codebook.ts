/**
 * Codebooks of 16 values and the nearest entry of each weight. NF4: quantiles of a normal distribution, with an exact
 * zero (Dettmers et al. 2023, QLoRA, appendix E). FP4: sign, two bits of exponent, one of mantissa (bitsandbytes).
 * Both as onnxruntime 1.30's MatMulBnb4 decodes them; the tests read the tables back from it.
 */
export type CodebookName = 'nf4' | 'fp4';

/** MatMulBnb4's attribute `quant_type`. */
export const quantTypeOf: Readonly<Record<CodebookName, number>> = { fp4: 0, nf4: 1 };

/** By code; every value is a float32. */
export const codebooks: Readonly<Record<CodebookName, Float32Array>> = {
  nf4: Float32Array.of(
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635],
    ...[-0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725],
    ...[0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
  ),
  // Codes 8 to 15 are the negatives of 0 to 7, so that 8 is a second zero, which is not used.
  fp4: Float32Array.of(
    ...[0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4],
    ...[0, -1 / 192, -2 / 3, -1, -1 / 3, -1 / 2, -1 / 6, -1 / 4],
  ),
};

/** Cells of the lookup over [-1, 1]; narrower than half the smallest distance between two entries. */
const CELLS = 4096;

/** Finds the nearest entry: a table gives the entry that a cell begins in, and each cell holds one boundary at most. */
export class NearestEntry {
  /** Codes by ascending value. */
  readonly #codes: Uint8Array;
  /** Between an entry, by ascending value, and the next one; the last is never passed. */
  readonly #boundaries: Float32Array;
  readonly #entryOfCell: Uint8Array;

  constructor(codebook: Float32Array) {
    const byValue = [...codebook.keys()]
      .filter((code) => codebook.indexOf(codebook[code]!) === code)
      .sort((a, b) => codebook[a]! - codebook[b]!);
    this.#codes = Uint8Array.from(byValue);
    this.#boundaries = Float32Array.from(byValue, (code, at) =>
      at + 1 < byValue.length ? (codebook[code]! + codebook[byValue[at + 1]!]!) / 2 : Number.POSITIVE_INFINITY,
    );
    this.#entryOfCell = Uint8Array.from({ length: CELLS + 1 }, (_, cell) =>
      this.#boundaries.findIndex((boundary) => (cell * 2) / CELLS - 1 <= boundary),
    );
  }

  /** @param x within [-1, 1] */
  codeOf(x: number): number {
    const entry = this.#entryOfCell[((x + 1) * (CELLS / 2)) | 0]!;
    return this.#codes[x > this.#boundaries[entry]! ? entry + 1 : entry]!;
  }
}
