/** Carries out a float16 plan: one Cast for each value that is needed in the other precision, and no more. */
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import type { Node, ValueInfo } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import type { HalfPlan, Precision } from './half-plan.ts';
import { retargetAttributes } from './half-rules.ts';
import type { HalfWeights } from './half-weights.ts';
import { nodeLabel } from './patterns.ts';
import { definingScope, type Scope } from './scopes.ts';

const dtypeOfPrecision = { full: 'float32', half: 'float16' } as const;

/** A graph output whose maker has the wrong precision: the maker gets a new name, a Cast takes the old one. */
interface RenamedOutput {
  readonly producer: Node;
  readonly native: Precision;
  readonly freshName: string;
}

export class HalfRewriter {
  casts = 0;
  converted = 0;
  readonly #renamed = new Map<Scope, Map<string, RenamedOutput>>();
  readonly #castNames = new Map<Scope, Map<string, string>>();
  readonly #newNodes: { scope: Scope; node: Node }[] = [];

  constructor(
    readonly ctx: StepContext,
    readonly plan: HalfPlan,
    readonly weights: HalfWeights,
  ) {}

  /** Leaves the editors to be finished by the caller. */
  rewrite(): void {
    const { scopes } = this.plan;
    for (const scope of scopes) this.#planOutputs(scope);
    const inputs = scopes.flatMap((scope) => scope.editor.nodes().map((node) => this.#newInputs(scope, node)));
    const outputs = scopes.map((scope) => this.#newOutputNames(scope));
    for (const scope of scopes) this.#retype(scope);
    for (const { scope, node, names } of inputs) {
      if (names.some((name, index) => name !== node.inputs[index])) scope.editor.setInputs(node, names);
      this.#convertNode(scope, node);
    }
    for (const rename of outputs) rename();
    this.#applyRenames();
    for (const { scope, node } of this.#newNodes) scope.editor.addNode(node);
    this.casts = this.#newNodes.length;
  }

  #planOutputs(scope: Scope): void {
    const boundary = this.plan.boundaryOf(scope);
    const renamed = new Map<string, RenamedOutput>();
    this.#renamed.set(scope, renamed);
    for (const { name } of scope.graph.outputs) {
      if (renamed.has(name) || this.plan.dtypeOf(scope, name) !== 'float32' || scope.editor.constantOf(name)) continue;
      const producer = scope.editor.producerOf(name);
      const native = producer && this.plan.outputIs(scope, producer, producer.outputs.indexOf(name));
      if (!producer || native === undefined || native === boundary) continue;
      renamed.set(name, { producer, native, freshName: scope.editor.freshName(`${name}_${native}`) });
    }
  }

  #newInputs(scope: Scope, node: Node): { scope: Scope; node: Node; names: string[] } {
    const names = node.inputs.map((value, index) => {
      const wanted = this.plan.inputWants(scope, node, index);
      return wanted ? this.#nameOf(scope, value, wanted) : value;
    });
    return { scope, node, names };
  }

  /** Outputs that are constants or outer values change their name instead, which in a subgraph is only a position. */
  #newOutputNames(scope: Scope): () => void {
    const boundary = this.plan.boundaryOf(scope);
    const renames: [ValueInfo, string][] = [];
    if (scope.outer)
      for (const output of scope.graph.outputs) {
        if (this.plan.dtypeOf(scope, output.name) !== 'float32' || scope.editor.producerOf(output.name)) continue;
        renames.push([output, this.#nameOf(scope, output.name, boundary)]);
      }
    return () => {
      for (const [output, name] of renames) output.name = name;
    };
  }

  /** The name under which a float32 value of the original can be read in the wanted precision. */
  #nameOf(scope: Scope, value: string, wanted: Precision): string {
    const constant = this.weights.nameOf(scope, value, wanted);
    if (constant !== undefined) return constant;
    const home = definingScope(scope, value);
    if (!home) return value;
    const renamed = this.#renamed.get(home)!.get(value);
    // The Cast that makes a renamed graph output gives its old name to the other precision.
    if (renamed) return wanted === renamed.native ? renamed.freshName : value;
    return this.#nativePrecision(home, value) === wanted ? value : this.#castOf(home, value, wanted);
  }

  #nativePrecision(home: Scope, value: string): Precision {
    const producer = home.editor.producerOf(value);
    if (producer) return this.plan.outputIs(home, producer, producer.outputs.indexOf(value)) ?? 'full';
    return home.editor.isGraphInput(value) ? this.plan.boundaryOf(home) : 'full';
  }

  #castOf(home: Scope, value: string, wanted: Precision): string {
    const names = this.#castNames.get(home) ?? new Map<string, string>();
    this.#castNames.set(home, names);
    const known = names.get(value);
    if (known !== undefined) return known;
    const name = home.editor.freshName(`${value}_${wanted === 'half' ? 'fp16' : 'fp32'}`);
    names.set(value, name);
    this.#addCast(home, value, name, wanted);
    return name;
  }

  #addCast(scope: Scope, from: string, to: string, wanted: Precision): void {
    const node = makeNode({
      opType: 'Cast',
      name: scope.editor.freshName(`${to}_Cast`),
      inputs: [from],
      outputs: [to],
      attributes: { to: attrInt(dtypeInfo[dtypeOfPrecision[wanted]].onnx) },
    });
    this.#newNodes.push({ scope, node });
  }

  #convertNode(scope: Scope, node: Node): void {
    if (!this.plan.isHalf(node) || node.opType === 'Constant') return;
    const makesHalf = node.outputs.some((_, index) => this.plan.outputIs(scope, node, index) === 'half');
    const readsHalf = node.inputs.some((_, index) => this.plan.inputWants(scope, node, index) === 'half');
    if (makesHalf) retargetAttributes(node);
    if (!makesHalf && !readsHalf) return;
    this.converted += 1;
    this.ctx.ledger.record('converted to float16', [nodeLabel(node)], [nodeLabel(node)]);
  }

  #applyRenames(): void {
    for (const [scope, renamed] of this.#renamed)
      for (const [name, { producer, native, freshName }] of renamed) {
        scope.editor.setOutputs(
          producer,
          producer.outputs.map((output) => (output === name ? freshName : output)),
        );
        this.#addCast(scope, freshName, name, native === 'half' ? 'full' : 'half');
      }
  }

  /** Declared types follow: of graph inputs and outputs, and of inner values. */
  #retype(scope: Scope): void {
    const { graph } = scope;
    const boundary = dtypeOfPrecision[this.plan.boundaryOf(scope)];
    const set = (info: ValueInfo, dtype: 'float32' | 'float16') => {
      if (info.type?.kind === 'tensor' && info.type.dtype === 'float32') info.type = { ...info.type, dtype };
    };
    for (const input of graph.inputs) {
      const initializer = graph.initializers.get(input.name);
      set(input, initializer?.dtype === 'float16' || initializer?.dtype === 'float32' ? initializer.dtype : boundary);
    }
    for (const output of graph.outputs) set(output, boundary);
    for (const [name, info] of graph.valueInfo) {
      if (scope.editor.constantOf(name)) graph.valueInfo.delete(name);
      else if (this.plan.dtypeOf(scope, name) === 'float32')
        set(info, dtypeOfPrecision[this.#nativePrecision(scope, name)]);
    }
  }
}
