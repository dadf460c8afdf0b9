/** x * clip(x + 3, 0, 6) / 6 in the spellings of the common exporters, and x * HardSigmoid(x). */
import { floatAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, scalarOf } from './constants.ts';
import { isNear, madeBy, otherOperand, readOnlyBy, withScalar } from './pattern.ts';
import { isOp } from './scopes.ts';

export interface HardSwishMatch {
  readonly x: string;
  /** In topological order; the last one makes the result. */
  readonly nodes: readonly Node[];
}

/** relu6(x + 3), possibly over 6 already. */
interface Gate {
  readonly x: string;
  readonly nodes: readonly Node[];
  readonly isScaled: boolean;
}

function isClip06(editor: GraphEditor, node: Node, opset: number): boolean {
  if (opset < 11) return floatAttr(node, 'min', -Infinity) === 0 && floatAttr(node, 'max', Infinity) === 6;
  return scalarOf(constantInput(editor, node, 1)) === 0 && scalarOf(constantInput(editor, node, 2)) === 6;
}

/** clip(x + 3, 0, 6), as Clip or as Min(Max(.., 0), 6) in either order. */
function clipGate(editor: GraphEditor, value: string, opset: number): Gate | undefined {
  const clip = madeBy(editor, value, 'Clip');
  if (clip) return isClip06(editor, clip, opset) ? sumGate(editor, clip.inputs[0]!, [clip]) : undefined;
  const outer = madeBy(editor, value, 'Min', 'Max');
  const first = withScalar(editor, outer, true);
  const inner = first && madeBy(editor, first.value, outer!.opType === 'Min' ? 'Max' : 'Min');
  const second = withScalar(editor, inner, true);
  if (!outer || !first || !inner || !second || !readOnlyBy(editor, first.value, [outer])) return undefined;
  const [low, high] = outer.opType === 'Min' ? [second.scalar, first.scalar] : [first.scalar, second.scalar];
  return low === 0 && high === 6 ? sumGate(editor, second.value, [inner, outer]) : undefined;
}

function sumGate(editor: GraphEditor, value: string, nodes: readonly Node[]): Gate | undefined {
  const sum = madeBy(editor, value, 'Add');
  const shifted = withScalar(editor, sum, true);
  if (!sum || shifted?.scalar !== 3 || !readOnlyBy(editor, value, [nodes[0]!])) return undefined;
  return { x: shifted.value, nodes: [sum, ...nodes], isScaled: false };
}

/** value / 6 or value * (1/6). */
function sixth(editor: GraphEditor, node: Node | undefined): string | undefined {
  if (isOp(node, 'Div')) {
    const divided = withScalar(editor, node, false);
    return divided?.scalar === 6 ? divided.value : undefined;
  }
  const product = isOp(node, 'Mul') ? withScalar(editor, node, true) : undefined;
  return product && isNear(product.scalar, 1 / 6) ? product.value : undefined;
}

/** HardSigmoid(x, 1/6, 1/2), or the clip with or without its division. */
function gateOf(editor: GraphEditor, value: string, opset: number): Gate | undefined {
  const sigmoid = madeBy(editor, value, 'HardSigmoid');
  if (sigmoid) {
    const isSixth = isNear(floatAttr(sigmoid, 'alpha', 0.2), 1 / 6, 1e-5) && floatAttr(sigmoid, 'beta', 0.5) === 0.5;
    return isSixth ? { x: sigmoid.inputs[0]!, nodes: [sigmoid], isScaled: true } : undefined;
  }
  const plain = clipGate(editor, value, opset);
  if (plain) return plain;
  const scaling = editor.producerOf(value);
  const inner = sixth(editor, scaling);
  const gate = inner ? clipGate(editor, inner, opset) : undefined;
  if (!gate || !readOnlyBy(editor, inner!, [scaling!])) return undefined;
  return { x: gate.x, nodes: [...gate.nodes, scaling!], isScaled: true };
}

/** @param node a Mul that may be x * gate(x) */
export function matchHardSwish(editor: GraphEditor, node: Node, opset: number): HardSwishMatch | undefined {
  if (!isOp(node, 'Mul') || opset < 7) return undefined;
  for (const candidate of node.inputs) {
    const x = otherOperand(node, candidate);
    const gate = x === undefined ? undefined : gateOf(editor, candidate, opset);
    if (!gate || gate.x !== x || !readOnlyBy(editor, candidate, [node])) continue;
    if (gate.isScaled) return { x, nodes: [...gate.nodes, node] };
    const last = editor.singleConsumer(node.outputs[0]!);
    if (sixth(editor, last) === node.outputs[0]) return { x, nodes: [...gate.nodes, node, last!] };
  }
  return undefined;
}
