import type { DType } from '../ir/dtype.ts';
import { dtypeFromOnnx } from '../ir/dtype.ts';
import type { Attribute, Graph, Node, Tensor } from '../ir/types.ts';
import { elementsOf, type Facts, type Shape, tensorFacts } from './facts.ts';
import type { Sym } from './symbolic.ts';

/** What the engine lends to the inference of one node. */
export interface Surroundings {
  /** Facts of a value by name, enclosing graphs included. */
  lookup(value: string): Facts | undefined;
  /** Infers a subgraph; outputs come in the graph's order. */
  inferSubgraph(graph: Graph, inputs: readonly (Facts | undefined)[]): readonly Facts[];
  /** Depth of the subgraph that the node lies in; 0 is the main graph. */
  readonly depth: number;
  /** An attribute that a function body takes from its caller. */
  callerAttribute(name: string): Attribute | undefined;
  note(value: string, text: string): void;
}

/** Everything an inference function may ask about its node, and where it leaves what it found. */
export class InferContext {
  readonly node: Node;
  /** Version of the operator set that the node's domain is imported at. */
  readonly opset: number;
  readonly surroundings: Surroundings;
  readonly outputs: (Facts | undefined)[] = [];

  constructor(node: Node, opset: number, surroundings: Surroundings) {
    this.node = node;
    this.opset = opset;
    this.surroundings = surroundings;
  }

  get inputCount(): number {
    return this.node.inputs.length;
  }

  get outputCount(): number {
    return this.node.outputs.length;
  }

  /** The input is given (optional inputs may be left out). */
  has(index: number): boolean {
    return (this.node.inputs[index] ?? '') !== '';
  }

  wants(output: number): boolean {
    return (this.node.outputs[output] ?? '') !== '';
  }

  facts(index: number): Facts | undefined {
    const name = this.node.inputs[index];
    return name ? this.surroundings.lookup(name) : undefined;
  }

  dtype(index: number): DType | undefined {
    return this.facts(index)?.dtype;
  }

  shape(index: number): Shape | undefined {
    return this.facts(index)?.shape;
  }

  rank(index: number): number | undefined {
    return this.facts(index)?.shape?.length;
  }

  /** Elements of a small input in C order; single elements may be null. */
  values(index: number): readonly Sym[] | undefined {
    const facts = this.facts(index);
    return facts && elementsOf(facts);
  }

  /** Elements of an input when all of them are known numbers. */
  numbers(index: number): readonly number[] | undefined {
    const values = this.values(index);
    return values?.every((value) => typeof value === 'number') ? (values as readonly number[]) : undefined;
  }

  scalar(index: number): Sym | undefined {
    const values = this.values(index);
    return values?.length === 1 ? values[0] : undefined;
  }

  set(output: number, dtype: DType | undefined, shape: Shape | undefined): void {
    if (this.wants(output)) this.outputs[output] = tensorFacts(dtype, shape);
  }

  setFacts(output: number, facts: Facts | undefined): void {
    if (facts && this.wants(output)) this.outputs[output] = facts;
  }

  /** Gives elements to an output whose dtype and shape are set. */
  setValues(output: number, values: readonly Sym[]): void {
    const facts = this.outputs[output];
    if (facts) facts.values = values;
  }

  attribute(name: string): Attribute | undefined {
    const attribute = this.node.attributes.get(name);
    return attribute?.type === 'reference' ? this.surroundings.callerAttribute(attribute.refAttrName) : attribute;
  }

  int(name: string, missing: number): number;
  int(name: string, missing?: undefined): number | undefined;
  int(name: string, missing?: number): number | undefined {
    const attribute = this.attribute(name);
    return attribute?.type === 'int' ? Number(attribute.value) : missing;
  }

  float(name: string, missing: number): number {
    const attribute = this.attribute(name);
    return attribute?.type === 'float' ? attribute.value : missing;
  }

  ints(name: string): readonly number[] | undefined {
    const attribute = this.attribute(name);
    return attribute?.type === 'ints' ? attribute.value.map(Number) : undefined;
  }

  text(name: string, missing: string): string {
    const attribute = this.attribute(name);
    return attribute?.type === 'string' ? asciiText(attribute.value) : missing;
  }

  tensor(name: string): Tensor | undefined {
    const attribute = this.attribute(name);
    return attribute?.type === 'tensor' ? attribute.value : undefined;
  }

  graph(name: string): Graph | undefined {
    const attribute = this.attribute(name);
    return attribute?.type === 'graph' ? attribute.value : undefined;
  }

  /** A dtype given as an attribute by its number in onnx.proto. */
  dtypeAttribute(name: string): DType | undefined {
    const number = this.int(name);
    return number ? dtypeFromOnnx(number) : undefined;
  }

  note(text: string): void {
    this.surroundings.note(this.node.outputs.find((output) => output !== '') ?? this.node.name, text);
  }
}

/** Leaves dtype, shape and elements of a node's outputs in the context; leaves out what cannot be known. */
export type InferFn = (context: InferContext) => void;

/** Computes the elements of output 0 (its dtype and shape are set already), in C order. */
export type ValueFn = (context: InferContext) => readonly Sym[] | undefined;

/** The enumerations in attributes are ASCII. */
function asciiText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
