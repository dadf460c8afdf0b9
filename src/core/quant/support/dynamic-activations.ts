/** DynamicQuantizeLinear nodes, one for each activation and graph however many quantized nodes read it. */
import { makeNode } from '../../ir/build.ts';
import type { Node } from '../../ir/types.ts';
import type { Scope } from './scopes.ts';

export interface QuantizedActivation {
  /** Value names: uint8 codes, float32 scale, uint8 zero point. */
  readonly codes: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

export class DynamicActivations {
  readonly #known = new Map<Scope, Map<string, QuantizedActivation>>();

  /** @param before the node that will read the codes, or its replacement's position */
  quantize(scope: Scope, value: string, before: Node): QuantizedActivation {
    const ofScope = this.#known.get(scope) ?? new Map<string, QuantizedActivation>();
    this.#known.set(scope, ofScope);
    const known = ofScope.get(value);
    if (known) return known;
    const { editor } = scope;
    const activation = {
      codes: editor.freshName(`${value}_quantized`),
      scale: editor.freshName(`${value}_scale`),
      zeroPoint: editor.freshName(`${value}_zero_point`),
    };
    const node = makeNode({
      opType: 'DynamicQuantizeLinear',
      name: editor.freshName(`${value}_QuantizeLinear`),
      inputs: [value],
      outputs: [activation.codes, activation.scale, activation.zeroPoint],
    });
    editor.addNode(node, { before });
    ofScope.set(value, activation);
    return activation;
  }
}
