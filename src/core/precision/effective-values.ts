/**
 * Values as their readers see them. Where QuantizeLinear and DequantizeLinear stand behind a value, its readers get the
 * rounded and clipped one, and the value itself may be something that nobody reads: a quantizer drops a Relu whose work
 * the clipping does, and the name of the Relu's output goes to what comes before it.
 */
import { cloneModel } from '../ir/clone.ts';
import { GraphEditor } from '../ir/editor.ts';
import type { Model, Node } from '../ir/types.ts';

/** @returns a copy in which the dequantized value has the name of the value that was quantized */
export function withEffectiveValues(model: Model): Model {
  if (!model.graph.nodes.some(({ opType }) => opType === 'QuantizeLinear')) return model;
  const copy = cloneModel(model);
  const editor = GraphEditor.forModel(copy);
  for (const node of editor.nodes())
    for (const value of node.outputs) {
      const pairs = value === '' || editor.isGraphOutput(value) ? [] : pairsBehind(editor, value);
      const [first, ...others] = pairs;
      if (!first) continue;
      const raw = editor.freshName(`${value}/raw`);
      editor.setOutputs(
        node,
        node.outputs.map((output) => (output === value ? raw : output)),
      );
      for (const { quantize } of pairs) editor.setInputs(quantize, [raw, ...quantize.inputs.slice(1)]);
      const dequantized = first.dequantize.outputs[0]!;
      editor.replaceUses(dequantized, value);
      editor.setOutputs(first.dequantize, [value]);
      for (const { dequantize } of others) editor.replaceUses(dequantize.outputs[0]!, value);
    }
  editor.finish();
  return copy;
}

interface Pair {
  readonly quantize: Node;
  readonly dequantize: Node;
}

/** Empty where anything reads the value, or its codes, in another way, or two pairs round differently. */
function pairsBehind(editor: GraphEditor, value: string): Pair[] {
  const pairs: Pair[] = [];
  for (const quantize of editor.consumersOf(value)) {
    if (quantize.opType !== 'QuantizeLinear' || quantize.inputs[0] !== value) return [];
    for (const dequantize of editor.consumersOf(quantize.outputs[0]!)) {
      const isPair = dequantize.opType === 'DequantizeLinear' && dequantize.inputs[0] === quantize.outputs[0];
      if (!isPair || editor.isGraphOutput(dequantize.outputs[0]!)) return [];
      pairs.push({ quantize, dequantize });
    }
  }
  const parameters = new Set(pairs.map(({ dequantize }) => dequantize.inputs.slice(1).join('\n')));
  return parameters.size === 1 ? pairs : [];
}
