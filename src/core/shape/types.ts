import type { DType } from '../ir/dtype.ts';
import type { Dim, Graph, Node } from '../ir/types.ts';

/** What is known about a value. `shape` undefined: rank unknown; a dim may be a number, a symbol or null. */
export interface ValueFacts {
  readonly dtype?: DType;
  /**
   * Texts are expressions in canonical form (`symbolic.ts`): equal texts mean equal sizes. A size that only running the
   * model would tell is named after the value where it first appears: "boxes[0]".
   */
  readonly shape?: readonly Dim[];
  /** Set when the value is not a tensor; `element` is then what is known about its elements. */
  readonly container?: 'sequence' | 'optional' | 'other';
  readonly element?: ValueFacts;
}

/** Something the model declares that contradicts what its operators compute, or that limited the inference. */
export interface ShapeNote {
  /** The value, or the output of the node, that the note is about. */
  readonly value: string;
  readonly text: string;
}

/** Facts of every value of the main graph and, scoped by name, of the values of its subgraphs. */
export interface ShapeTable {
  /**
   * Where sibling subgraphs use one name for different values, only what holds for all of them.
   * @returns undefined when nothing is known about the value
   */
  get(value: string): ValueFacts | undefined;
  readonly entries: ReadonlyMap<string, ValueFacts>;
  /**
   * Elements, in C order, of small tensors that shape computations produce ("Shape" -> "Gather" -> "Concat" chains).
   * Elements may be symbolic or unknown (null). Initializers and Constant nodes are not repeated
   * here: `elements` has them too.
   */
  readonly constants: ReadonlyMap<string, readonly Dim[]>;
  /** Elements of any small value: `constants`, initializers and Constant nodes (see there). */
  elements(value: string): readonly Dim[] | undefined;
  readonly notes: readonly ShapeNote[];
  /** Exact facts inside one subgraph: its own values, then those of the enclosing graphs. */
  scope(graph: Graph): ShapeTable | undefined;
  /** Facts of the values in a model-local function's body, for this one call of it. */
  callee(node: Node): ShapeTable | undefined;
}

export interface InferOptions {
  /** Values of free dimensions by symbol; `freeDims` lists the names. */
  readonly overrides?: Readonly<Record<string, number>>;
  /** Shapes of graph inputs where the caller knows better than the file, for instance real inputs at hand. */
  readonly inputShapes?: Readonly<Record<string, readonly Dim[]>>;
  /** Elements of small graph inputs (a shape or a flag given as input), in C order. */
  readonly inputValues?: Readonly<Record<string, readonly number[]>>;
  /**
   * The table of an earlier state of the model in which every name that is still there meant the same value, inferred
   * with the same options: what was known in numbers is taken over instead of inferred again.
   */
  readonly previous?: ShapeTable;
}
