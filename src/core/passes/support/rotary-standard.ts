/** The standard operator RotaryEmbedding (opset 23), read as the rotation that it stands for. */
import { intAttr } from '../../ir/attributes.ts';
import type { Dim, Node } from '../../ir/types.ts';
import { sameShape } from './facts.ts';
import type { Angles } from './rotary-angles.ts';
import { type Layout, placeOf } from './rotary-layout.ts';
import { dtypes, type Look, type Rotation } from './rotary-pattern.ts';
import { isOp } from './scopes.ts';

/** Either form of a rotation, and all that an operator needs of it. */
export interface Rotated {
  readonly rotation: Rotation;
  readonly layout: Layout;
  readonly cos: Angles;
  readonly sin: Angles;
}

/**
 * Angles are [length, pairs] for the position ids, or [batch or 1, length, pairs]. The specification has no 1 there, torch
 * writes it, and onnxruntime 1.30 refuses to run it.
 */
export function matchStandardRotation(look: Look, node: Node): Rotated | undefined {
  const { facts } = look;
  if (!isOp(node, 'RotaryEmbedding') || !dtypes.has(facts(node.outputs[0]!)?.dtype)) return undefined;
  const [whole, cos, sin, positions = ''] = node.inputs as [string, string, string, string?];
  const shape = facts(whole)?.shape;
  const angles = facts(cos)?.shape;
  if (!shape || !angles || !sameShape(angles, facts(sin)?.shape)) return undefined;
  const layout = shape.length === 4 ? placeOf(look, whole, true) : flat(node, whole, shape);
  const pairs = angles.at(-1);
  if (!layout || typeof pairs !== 'number' || angles.length !== (positions === '' ? 3 : 2)) return undefined;
  const width = intAttr(node, 'rotary_embedding_dim', 0) || layout.size;
  if (width !== 2 * pairs) return undefined;
  const isShared = positions === '' && angles[0] === 1;
  const hasRows = positions === '' && sameShape(angles.slice(0, 2), [layout.batch, layout.length]);
  if (!(positions !== '' || hasRows || (isShared && sameShape([angles[1]!], [layout.length])))) return undefined;
  const interleaved = intAttr(node, 'interleaved', 0) === 1;
  return {
    rotation: { whole, width, interleaved, cos, sin, last: node, sum: node },
    layout: { ...layout, isShared, ...(positions === '' ? {} : { positions }) },
    cos: { base: cos, steps: [] },
    sin: { base: sin, steps: [] },
  };
}

function flat(node: Node, whole: string, shape: readonly Dim[]): Omit<Layout, 'isShared'> | undefined {
  const [batch, length, width] = shape as [Dim, Dim, Dim];
  const heads = intAttr(node, 'num_heads', 0);
  const size = typeof width === 'number' && heads > 0 ? width / heads : Number.NaN;
  if (shape.length !== 3 || !Number.isInteger(size)) return undefined;
  return { isByHead: false, batch, length, heads, size, bySequence: undefined, flat: whole };
}
