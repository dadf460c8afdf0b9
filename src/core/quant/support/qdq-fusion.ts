/**
 * What onnxruntime will make of a plan: which planned nodes become integer kernels, and where QuantizeLinear and
 * DequantizeLinear stay nodes of their own. Rules found by reading back the models that onnxruntime 1.30 optimizes;
 * they hold on x86 and WASM. Tests compare them with what it really makes.
 */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { dataInputs, qdqOps } from './qdq-ops.ts';
import type { QdqPlan } from './qdq-plan.ts';

export interface FusionForecast {
  /** Planned nodes that compute in floating point between their pairs, with the reason. */
  readonly unfused: ReadonlyMap<Node, string>;
  /** QuantizeLinear nodes that stay. */
  readonly quantize: number;
  /** Values whose DequantizeLinear stays. */
  readonly dequantize: number;
  /** Values whose pair stays whole: rounded, yet read in floating point only. */
  readonly pairs: number;
}

interface Readers {
  readonly planned: readonly Node[];
  /** How often planned nodes read it; a node may do so twice. */
  readonly plannedUses: number;
  /** Nodes that were not planned, or a graph output, read what DequantizeLinear gives. */
  readonly float: number;
}

/** @param editor of the graph before it is rewritten */
export function forecastFusion(
  { planned, values }: QdqPlan,
  editor: GraphEditor,
  type: 'int8' | 'uint8' | 'int16' | 'uint16',
): FusionForecast {
  const readers = new Map<string, Readers>();
  for (const [value, maker] of values) {
    const nodes = editor.consumersOf(value);
    const own = nodes.filter((node) => planned.has(node));
    const plannedUses = own.reduce(
      (sum, node) => sum + dataInputs(node).filter((index) => node.inputs[index] === value).length,
      0,
    );
    const float = maker ? nodes.length - own.length + (editor.isGraphOutput(value) ? 1 : 0) : 0;
    readers.set(value, { planned: own, plannedUses, float });
  }
  // On x86 and WASM the optimizer turns int8 pairs into uint8 ones, where one node reads them, and only then fuses;
  // constants stay int8 unless they are weights.
  const becomesUnsigned = (value: string): boolean => {
    const found = readers.get(value);
    return found === undefined || found.plannedUses + found.float === 1;
  };
  const unfused = new Map<Node, string>();
  for (const { node, outputs } of planned.values()) {
    const { kernel, role } = qdqOps[node.opType]!;
    if (kernel === 'none') unfused.set(node, 'onnxruntime has no integer kernel for it');
    else if (type.endsWith('16') && kernel === 'integer')
      unfused.set(node, 'onnxruntime has no kernel for 16-bit codes');
    else if (type === 'int8') {
      const inputs = dataInputs(node).map((index) => node.inputs[index]!);
      const isSigned = (value: string) => role === 'joining' && editor.constantOf(value) !== undefined;
      const around = [...inputs, ...outputs].map((value) => !isSigned(value) && becomesUnsigned(value));
      const isFine = role === 'moving' ? new Set(around).size <= 1 : around.every(Boolean);
      if (!isFine) unfused.set(node, 'on x86 and WASM int8 codes that several nodes read have no kernel; uint8 has');
    }
  }
  let quantize = 0;
  let dequantize = 0;
  let pairs = 0;
  for (const [value, maker] of values) {
    const found = readers.get(value)!;
    const staysQuantize = maker === undefined || unfused.has(maker.node);
    const inFloat = found.planned.filter((node) => unfused.has(node)).length;
    const staysDequantize = found.float > 0 || inFloat > 0;
    if (staysQuantize) quantize += 1;
    if (staysDequantize) dequantize += 1;
    if (staysQuantize && staysDequantize && inFloat === found.planned.length) pairs += 1;
  }
  return { unfused, quantize, dequantize, pairs };
}
