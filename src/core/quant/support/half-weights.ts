/** Which constants are needed in float16, in float32 or in both, and making them so. */
import { attrTensor } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import type { HalfPlan, Precision } from './half-plan.ts';
import { type ClampCounts, convertTensorToHalf, createHalfConverter } from './halves.ts';
import { definingScope, type Scope } from './scopes.ts';

interface Constant {
  readonly scope: Scope;
  readonly value: string;
  readonly tensor: Tensor;
  readonly needs: Set<Precision>;
  readonly names: Map<Precision, string>;
}

export class HalfWeights {
  readonly #constants = new Map<Scope, Map<string, Constant>>();
  readonly clamped: { name: string; counts: ClampCounts }[] = [];
  converted = 0;

  constructor(
    readonly ctx: StepContext,
    readonly plan: HalfPlan,
  ) {
    this.#collectNeeds();
  }

  /** The name under which a constant can be read in a precision; undefined when the value is no float32 constant. */
  nameOf(scope: Scope, value: string, wanted: Precision): string | undefined {
    const home = definingScope(scope, value);
    return home && this.#constants.get(home)?.get(value)?.names.get(wanted);
  }

  async convert(): Promise<void> {
    const all = [...this.#constants.values()].flatMap((ofScope) => [...ofScope.values()]);
    const toHalf = all.filter(({ needs }) => needs.has('half'));
    const converter = createHalfConverter();
    for (const constant of all) constant.names.set('full', constant.value);
    for (const [done, constant] of toHalf.entries()) {
      this.ctx.onProgress({ stage: 'converting weights', done, total: toHalf.length, unit: 'tensors' });
      const { scope, value, tensor, needs, names } = constant;
      const half = await convertTensorToHalf(this.ctx, converter, tensor, value);
      if (half.clamped.large + half.clamped.small > 0) this.clamped.push({ name: value, counts: half.clamped });
      this.converted += 1;
      this.ctx.ledger.record('converted a weight to float16', [value], [value]);
      if (!needs.has('full')) {
        this.#replace(scope, value, half.tensor);
        names.set('half', value);
        names.delete('full');
        continue;
      }
      // Both are needed. The name stays with what a graph output of that name must be.
      const outputIsHalf = scope.editor.isGraphOutput(value) && this.plan.boundaryOf(scope) === 'half';
      const second = outputIsHalf ? tensor : half.tensor;
      const name = scope.editor.addInitializer({ ...second, name: `${value}_${outputIsHalf ? 'fp32' : 'fp16'}` });
      names.set(outputIsHalf ? 'full' : 'half', name);
      if (outputIsHalf) {
        this.#replace(scope, value, half.tensor);
        names.set('half', value);
      }
    }
  }

  #collectNeeds(): void {
    for (const scope of this.plan.scopes) {
      for (const node of scope.editor.nodes())
        for (let i = 0; i < node.inputs.length; i += 1) {
          const wanted = this.plan.inputWants(scope, node, i);
          if (wanted) this.#note(scope, node.inputs[i]!, wanted);
        }
      for (const { name } of scope.graph.outputs)
        if (this.plan.dtypeOf(scope, name) === 'float32') this.#note(scope, name, this.plan.boundaryOf(scope));
      // A default that the caller may override has the type of the graph input.
      for (const [name, tensor] of scope.graph.initializers)
        if (tensor.dtype === 'float32' && scope.editor.isGraphInput(name) && !scope.editor.constantOf(name))
          this.#constant(scope, name, tensor).needs.add(this.plan.boundaryOf(scope));
    }
  }

  #note(scope: Scope, value: string, wanted: Precision): void {
    const home = definingScope(scope, value);
    const tensor = home?.editor.constantOf(value);
    if (home && tensor?.dtype === 'float32') this.#constant(home, value, tensor).needs.add(wanted);
  }

  #constant(scope: Scope, value: string, tensor: Tensor): Constant {
    const ofScope = this.#constants.get(scope) ?? new Map<string, Constant>();
    this.#constants.set(scope, ofScope);
    let constant = ofScope.get(value);
    if (!constant) {
      constant = { scope, value, tensor, needs: new Set(), names: new Map() };
      ofScope.set(value, constant);
    }
    return constant;
  }

  #replace(scope: Scope, value: string, tensor: Tensor): void {
    if (scope.graph.initializers.has(value)) {
      scope.editor.replaceInitializer(value, tensor);
      return;
    }
    const producer = scope.editor.producerOf(value)!;
    const constant = makeNode({
      opType: 'Constant',
      name: producer.name,
      inputs: [],
      outputs: [value],
      attributes: { value: attrTensor(tensor) },
    });
    scope.editor.replaceNode(producer, [constant]);
  }
}
