import type { DType } from '../ir/dtype.ts';
import type { Dim, Tensor, ValueType } from '../ir/types.ts';
import { constantElements } from './constant-elements.ts';
import { elementTypeOf } from './container-type.ts';
import { broadcastDim, type Sym, sameSym, toDim } from './symbolic.ts';
import { parseDim } from './symbolic-text.ts';
import type { ValueFacts } from './types.ts';

export type Shape = readonly Sym[];

/** What inference knows about a value while it runs. Immutable, except that `values` is decoded on first use. */
export interface Facts {
  readonly dtype: DType | undefined;
  /** undefined: rank unknown. */
  readonly shape: Shape | undefined;
  /** Elements in C order, null where unknown; undefined: nothing known (or not decoded yet, see `tensor`). */
  values?: readonly Sym[] | undefined;
  /** The constant that the value is; `values` comes from it when first asked for. */
  readonly tensor?: Tensor;
  readonly container?: 'sequence' | 'optional' | 'other';
  readonly element?: Facts | undefined;
}

export const unknownFacts: Facts = { dtype: undefined, shape: undefined };

export function tensorFacts(dtype: DType | undefined, shape: Shape | undefined): Facts {
  return { dtype, shape };
}

export function constantFacts(tensor: Tensor): Facts {
  return { dtype: tensor.dtype, shape: tensor.dims, tensor };
}

export function containerFacts(container: 'sequence' | 'optional' | 'other', element: Facts | undefined): Facts {
  return { dtype: undefined, shape: undefined, container, element };
}

/** @param lookup overrides of symbols */
export function declaredFacts(type: ValueType | undefined, lookup: (name: string) => number | undefined): Facts {
  if (type === undefined) return unknownFacts;
  if (type.kind === 'other') {
    // Exporters leave the types of subgraph outputs as empty messages.
    if (type.proto.length === 0) return unknownFacts;
    const container = type.name === 'sequence' || type.name === 'optional' ? type.name : 'other';
    const element = elementTypeOf(type.proto);
    return containerFacts(container, element && declaredFacts(element, lookup));
  }
  const dtype = type.dtype === 'undefined' ? undefined : type.dtype;
  return { dtype, shape: type.shape?.map((dim) => dimToSym(dim, lookup)) };
}

export function dimToSym(dim: Dim, lookup: (name: string) => number | undefined): Sym {
  if (typeof dim === 'string') return dim === '' ? null : parseDim(dim, lookup);
  // Some exporters write -1 for a free dimension.
  return dim !== null && dim < 0 ? null : dim;
}

/** Elements in C order, decoded from a constant on first use. */
export function elementsOf(facts: Facts): readonly Sym[] | undefined {
  if (facts.values === undefined && facts.tensor) facts.values = constantElements(facts.tensor);
  return facts.values;
}

/** What holds for both: the facts of a value that is one or the other (the branches of an If). */
export function meet(a: Facts | undefined, b: Facts | undefined): Facts {
  if (!a || !b) return unknownFacts;
  if (a === b) return a;
  if (a.container || b.container) {
    if (a.container !== b.container || !a.container) return unknownFacts;
    return containerFacts(a.container, meet(a.element, b.element));
  }
  const dtype = a.dtype === b.dtype ? a.dtype : undefined;
  return { dtype, shape: meetShapes(a.shape, b.shape) };
}

export function meetShapes(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b || a.length !== b.length) return undefined;
  return a.map((dim, axis) => (sameSym(dim, b[axis]!) ? dim : null));
}

/**
 * ONNX multidirectional (numpy) broadcasting.
 * @returns undefined when a rank is unknown or two sizes cannot go together
 */
export function broadcastShapes(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  let result: Shape = [];
  for (const shape of shapes) {
    if (!shape) return undefined;
    const [long, short] = shape.length >= result.length ? [shape, result] : [result, shape];
    const offset = long.length - short.length;
    const next: Sym[] = [];
    for (let axis = 0; axis < long.length; axis++) {
      const size = axis < offset ? long[axis]! : broadcastDim(long[axis]!, short[axis - offset]!);
      if (size === 'mismatch') return undefined;
      next.push(size);
    }
    result = next;
  }
  return result;
}

export function toValueFacts(facts: Facts): ValueFacts {
  return {
    ...(facts.dtype && { dtype: facts.dtype }),
    ...(facts.shape && { shape: facts.shape.map(toDim) }),
    ...(facts.container && { container: facts.container }),
    ...(facts.element && { element: toValueFacts(facts.element) }),
  };
}
