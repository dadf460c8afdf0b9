/** Graph inputs as sources of sizes. */
import type { Dim, ValueInfo } from '../../ir/types.ts';
import type { ShapeTable } from '../../shape/types.ts';

export interface SizeSource {
  readonly input: string;
  /** Axes [start, end) of the input's shape. */
  readonly start: number;
  readonly end: number;
  /** All of its axes: no attributes are needed. */
  readonly isWhole: boolean;
}

/** Shape has `start` and `end` since opset 15. */
const RANGE_OPSET = 15;
/** Inputs of more axes are not indexed: runs of axes grow with the square. */
const MAX_RANK = 8;

export class SizeSources {
  readonly #runs = new Map<string, SizeSource>();

  constructor(inputs: readonly ValueInfo[], table: ShapeTable, opset: number) {
    for (const { name } of inputs) {
      const shape = table.get(name)?.shape;
      if (!shape || shape.length > MAX_RANK) continue;
      for (let start = 0; start < shape.length; start++) {
        for (let end = start + 1; end <= shape.length; end++) {
          const isWhole = end - start === shape.length;
          if (!isWhole && opset < RANGE_OPSET) continue;
          const key = shape.slice(start, end).join(',');
          if (!this.#runs.has(key)) this.#runs.set(key, { input: name, start, end, isWhole });
        }
      }
    }
  }

  /** Consecutive axes of a graph input that have these sizes. */
  find(sizes: readonly Dim[]): SizeSource | undefined {
    return this.#runs.get(sizes.join(','));
  }
}
