/** Walking a pattern through the editor's index. */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { scalarOf } from './constants.ts';
import { isOp } from './scopes.ts';

/** The node that makes a value, when it is of the given type. */
export function madeBy(
  editor: GraphEditor,
  value: string | undefined,
  ...opTypes: readonly string[]
): Node | undefined {
  const node = value ? editor.producerOf(value) : undefined;
  return isOp(node, ...opTypes) ? node : undefined;
}

/** The other operand of a two-operand node; undefined when the value is not an operand or is both. */
export function otherOperand(node: Node, value: string): string | undefined {
  const [a, b] = node.inputs;
  if (node.inputs.length !== 2 || a === b) return undefined;
  return a === value ? b : b === value ? a : undefined;
}

/** Is the value read by exactly these nodes (each as often as it lists it), and not returned by the graph? */
export function readOnlyBy(editor: GraphEditor, value: string, readers: readonly Node[]): boolean {
  if (editor.isGraphOutput(value)) return false;
  const allowed = new Set(readers);
  return editor.consumersOf(value).every((node) => allowed.has(node));
}

/** The value and scalar of `value op scalar` for an operator that commutes, or with the scalar second. */
export function withScalar(
  editor: GraphEditor,
  node: Node | undefined,
  commutes: boolean,
): { readonly value: string; readonly scalar: number; readonly constant: string } | undefined {
  if (node?.inputs.length !== 2) return undefined;
  const [a, b] = node.inputs as [string, string];
  const right = scalarOf(editor.constantOf(b));
  if (right !== undefined) return { value: a, scalar: right, constant: b };
  const left = commutes ? scalarOf(editor.constantOf(a)) : undefined;
  return left === undefined ? undefined : { value: b, scalar: left, constant: a };
}

/** Equal to within the rounding of a constant written down in half precision. */
export function isNear(value: number | undefined, expected: number, relative = 1e-3): boolean {
  return value !== undefined && Math.abs(value - expected) <= relative * Math.abs(expected);
}
