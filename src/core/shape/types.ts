import type { DType } from '../ir/dtype.ts';
import type { Dim } from '../ir/types.ts';

/** What is known about a value. `shape` undefined: rank unknown; a dim may be a number, a symbol or null. */
export interface ValueFacts {
  readonly dtype?: DType;
  readonly shape?: readonly Dim[];
}

/** Facts of every value of the main graph and, scoped by name, of the values of its subgraphs. */
export interface ShapeTable {
  /** @returns undefined when nothing is known about the value */
  get(value: string): ValueFacts | undefined;
  readonly entries: ReadonlyMap<string, ValueFacts>;
}
