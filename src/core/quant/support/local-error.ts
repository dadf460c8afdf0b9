/**
 * How much each planned node suffers alone, all of them in one run: beside every node of the floating-point model lies
 * its quantized twin, which reads the same values, rounded; their difference is summed up inside the graph, so that two
 * numbers a node come out and no activation does.
 */
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { cloneModel } from '../../ir/clone.ts';
import { GraphEditor } from '../../ir/editor.ts';
import type { Model, Node } from '../../ir/types.ts';
import { dataInputs } from './qdq-ops.ts';
import { importContribOps } from './scopes.ts';
import type { StaticCopy } from './static-build.ts';

export interface LocalErrorModel {
  readonly model: Model;
  /** By position among the nodes of the original: errors of its output. */
  readonly nodes: ReadonlyMap<number, LocalErrors>;
}

export interface LocalErrors {
  /** Inputs, weights and output rounded. */
  readonly all: ErrorOutputs;
  /** Only what it reads rounded. */
  readonly read: ErrorOutputs;
}

/** Names of two scalar outputs: sums of squares of the difference and of the value itself. */
export interface ErrorOutputs {
  readonly noise: string;
  readonly signal: string;
}

/** @param original its nodes in the order that `copy.nodes` has */
export function localErrorModel(original: Model, copy: StaticCopy): LocalErrorModel {
  return new LocalErrorBuilder(original, copy).build();
}

class LocalErrorBuilder {
  readonly #model: Model;
  readonly #editor: GraphEditor;
  readonly #quantized: GraphEditor;
  readonly #originals: readonly Node[];
  readonly #constants = new Map<string, string>();
  readonly #weights = new Map<string, string>();
  readonly #pairs = new Map<string, string>();
  readonly #errors = new Map<string, ErrorOutputs>();

  constructor(
    original: Model,
    readonly copy: StaticCopy,
  ) {
    this.#model = cloneModel(original);
    this.#originals = [...this.#model.graph.nodes];
    this.#editor = GraphEditor.forModel(this.#model);
    this.#quantized = GraphEditor.forModel(copy.model);
  }

  build(): LocalErrorModel {
    const nodes = new Map<number, LocalErrors>();
    for (const [index, twin] of this.copy.nodes.entries()) {
      const entry = this.copy.plan.planned.get(twin);
      if (!entry || entry.role === 'moving') continue;
      const node = this.#originals[index]!;
      const inputs = node.inputs.map((value, position) => this.#input(value, twin.inputs[position]!));
      const made = this.#twin(node, inputs);
      const quantize = this.#quantized.consumersOf(twin.outputs[0]!).find(({ opType }) => opType === 'QuantizeLinear');
      const rounded = entry.outputs.length > 0 && quantize ? this.#pair(made, quantize) : made;
      const data = new Set(dataInputs(node));
      const read = this.#twin(
        node,
        node.inputs.map((value, position) =>
          data.has(position) && !this.#editor.constantOf(value) ? inputs[position]! : value,
        ),
      );
      const all = this.#error(entry.outputs[0] ?? node.outputs[0]!, rounded);
      nodes.set(index, { all, read: this.#error(node.outputs[0]!, read) });
    }
    if (this.#model.opsetImports.has('com.microsoft') || this.copy.model.opsetImports.has('com.microsoft'))
      importContribOps(this.#model);
    this.#editor.finish();
    this.#model.graph.outputs = [...this.#errors.values()].flatMap(({ noise, signal }) => [
      { name: noise },
      { name: signal },
    ]);
    return { model: this.#model, nodes };
  }

  #twin(node: Node, inputs: readonly string[]): string {
    const output = this.#editor.freshName(`${node.outputs[0]}_twin`);
    this.#editor.addNode({ ...makeNode({ ...node, inputs, outputs: [output] }), name: output });
    return output;
  }

  /** What the twin reads where the original reads `value`. */
  #input(value: string, quantized: string): string {
    if (value === '') return '';
    const dequantize = this.#quantized.producerOf(quantized);
    if (dequantize?.opType !== 'DequantizeLinear' || this.#editor.producerOf(value)?.opType === 'DequantizeLinear')
      return value;
    if (this.#quantized.constantOf(dequantize.inputs[0]!)) return this.#weight(dequantize);
    return this.#pair(value, dequantize);
  }

  #constant(name: string): string {
    const known = this.#constants.get(name);
    if (known !== undefined) return known;
    const added = this.#editor.addInitializer(this.#quantized.constantOf(name)!);
    this.#constants.set(name, added);
    return added;
  }

  #weight(dequantize: Node): string {
    const name = dequantize.outputs[0]!;
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const output = this.#editor.freshName(name);
    const inputs = dequantize.inputs.map((input) => this.#constant(input));
    this.#editor.addNode({ ...makeNode({ ...dequantize, inputs, outputs: [output] }), name: output });
    this.#weights.set(name, output);
    return output;
  }

  /** The value through the codes of a node that quantizes or dequantizes. */
  #pair(value: string, like: Node): string {
    const [scale, zeroPoint] = [this.#constant(like.inputs[1]!), this.#constant(like.inputs[2]!)];
    const key = `${value}\n${scale}`;
    const known = this.#pairs.get(key);
    if (known !== undefined) return known;
    const { domain } = like;
    const codes = this.#editor.freshName(`${value}_codes`);
    const output = this.#editor.freshName(`${value}_rounded`);
    this.#add('QuantizeLinear', [value, scale, zeroPoint], codes, domain);
    this.#add('DequantizeLinear', [codes, scale, zeroPoint], output, domain);
    this.#pairs.set(key, output);
    return output;
  }

  #error(value: string, rounded: string): ErrorOutputs {
    const known = this.#errors.get(`${value}\n${rounded}`);
    if (known) return known;
    const difference = this.#editor.freshName(`${rounded}_difference`);
    this.#add('Sub', [value, rounded], difference);
    const outputs = { noise: this.#energy(difference), signal: this.#energy(value) };
    this.#errors.set(`${value}\n${rounded}`, outputs);
    return outputs;
  }

  #energy(value: string): string {
    const square = this.#editor.freshName(`${value}_squared`);
    const sum = this.#editor.freshName(`${value}_energy`);
    this.#add('Mul', [value, value], square);
    this.#editor.addNode(
      makeNode({
        opType: 'ReduceSum',
        name: sum,
        inputs: [square],
        outputs: [sum],
        attributes: { keepdims: attrInt(0) },
      }),
    );
    return sum;
  }

  #add(opType: string, inputs: readonly string[], output: string, domain = ''): void {
    this.#editor.addNode(makeNode({ opType, name: output, domain, inputs, outputs: [output] }));
  }
}
