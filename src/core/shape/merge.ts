/** Bringing together what an operator computes and what the model declares about the same value. */
import type { Facts, Shape } from './facts.ts';
import { broadcastOperands, isExpr, type Sym, symbolsOf, toDim } from './symbolic.ts';

export interface MergeReport {
  /** A dimension that only running the model would tell, as opposed to one that follows from the inputs. */
  isDataDependent(symbol: string): boolean;
  note(text: string): void;
}

/**
 * Computed facts win, because declarations go stale when a graph is edited; a declaration fills what is not computed:
 * dtype, rank, sizes that depend on data, and which operand of a symbolic broadcast is the larger one.
 */
export function mergeDeclared(inferred: Facts, declared: Facts, report: MergeReport): Facts {
  if (inferred.container || declared.container) return inferred.container ? inferred : declared;
  if (inferred.dtype && declared.dtype && inferred.dtype !== declared.dtype)
    report.note(`declared as ${declared.dtype}, but its operator gives ${inferred.dtype}`);
  const dtype = inferred.dtype ?? declared.dtype;
  const shape = mergeShapes(inferred.shape, declared.shape, report);
  if (dtype === inferred.dtype && shape === inferred.shape) return inferred;
  return { ...inferred, dtype, shape };
}

function mergeShapes(inferred: Shape | undefined, declared: Shape | undefined, report: MergeReport): Shape | undefined {
  if (!inferred || !declared) return inferred ?? declared;
  if (inferred.length !== declared.length) {
    report.note(`declared with ${declared.length} dimensions, but its operator gives ${inferred.length}`);
    return inferred;
  }
  let isChanged = false;
  const merged = inferred.map((own, axis) => {
    const other = declared[axis]!;
    const dim = mergeDims(own, other, axis, report);
    isChanged ||= dim !== own;
    return dim;
  });
  return isChanged ? merged : inferred;
}

function mergeDims(own: Sym, other: Sym, axis: number, report: MergeReport): Sym {
  if (own === null || other === null) return own ?? other;
  if (typeof own === 'number') {
    if (typeof other === 'number' && own !== other)
      report.note(`dimension ${axis} is declared as ${other}, but its operator gives ${own}`);
    return own;
  }
  if ([...symbolsOf(own)].some((symbol) => report.isDataDependent(symbol))) return other;
  const operands = broadcastOperands(own);
  const isOneOfThem = operands?.some((operand) => operand.text === toDim(other));
  return operands && (isOneOfThem || (typeof other === 'number' && !isExpr(other))) ? other : own;
}
