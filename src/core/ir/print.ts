import { stringAttr } from './attributes.ts';
import { elementCount, smallValues, tensorByteLength } from './tensor.ts';
import type { Attribute, Dim, FunctionDef, Graph, Model, Node, Tensor, ValueInfo, ValueType } from './types.ts';
import { opName } from './walk.ts';

export interface PrintOptions {
  /** Tensors up to this many elements are printed with their values. */
  readonly valuesUpTo?: number;
}

/**
 * A model as text, one line for each value and node, for people and for golden tests: the same model always gives the
 * same text. Names are quoted where they are not plain words.
 */
export function printModel(model: Model, options: PrintOptions = {}): string {
  const printer = new Printer(options.valuesUpTo ?? 8);
  printer.model(model);
  return printer.text();
}

export function printGraph(graph: Graph, options: PrintOptions = {}): string {
  const printer = new Printer(options.valuesUpTo ?? 8);
  printer.graph(graph, 'graph');
  return printer.text();
}

/** e.g. `float32[N, 3, 48, ?]`; `float32` alone when the rank is unknown. */
export function printType(type: ValueType | undefined): string {
  if (!type) return 'untyped';
  if (type.kind === 'other') return type.name;
  const shape = type.shape ? `[${type.shape.map(printDim).join(', ')}]` : '';
  return `${type.kind === 'sparse-tensor' ? 'sparse ' : ''}${type.dtype}${shape}`;
}

const printDim = (dim: Dim): string => (dim === null ? '?' : typeof dim === 'number' ? `${dim}` : quoted(dim));

const plainWord = /^[\w.:/-]+$/;
const quoted = (name: string): string => (plainWord.test(name) ? name : JSON.stringify(name));

class Printer {
  readonly #lines: string[] = [];
  readonly #valuesUpTo: number;
  #indent = '';

  constructor(valuesUpTo: number) {
    this.#valuesUpTo = valuesUpTo;
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #line(text: string): void {
    this.#lines.push(this.#indent + text);
  }

  #inside(write: () => void): void {
    const before = this.#indent;
    this.#indent = `${before}  `;
    write();
    this.#indent = before;
  }

  model(model: Model): void {
    const producer = `${model.producerName} ${model.producerVersion}`.trim();
    this.#line(`model: IR version ${model.irVersion}${producer === '' ? '' : `, made by ${producer}`}`);
    for (const [domain, version] of model.opsetImports) this.#line(`opset ${domain || 'ai.onnx'} ${version}`);
    for (const [key, value] of model.metadataProps) this.#line(`metadata ${quoted(key)} = ${shortText(value)}`);
    this.graph(model.graph, 'graph');
    for (const definition of model.functions) this.#function(definition);
    if (model.trainingInfo.length > 0) this.#line(`training info: ${model.trainingInfo.length}`);
  }

  graph(graph: Graph, label: string): void {
    this.#line(graph.name === '' ? label : `${label} ${quoted(graph.name)}`);
    this.#inside(() => {
      for (const info of graph.inputs) this.#value('input', info);
      for (const tensor of graph.initializers.values())
        this.#line(`weight ${quoted(tensor.name)}: ${this.#tensor(tensor)}`);
      for (const sparse of graph.sparseInitializers)
        this.#line(`sparse weight ${quoted(sparse.values.name)}: ${sparse.values.dtype}[${sparse.dims.join(', ')}]`);
      for (const node of graph.nodes) this.#node(node);
      for (const info of graph.outputs) this.#value('output', info);
    });
  }

  #value(kind: string, info: ValueInfo): void {
    this.#line(`${kind} ${quoted(info.name)}: ${printType(info.type)}`);
  }

  #function(definition: FunctionDef): void {
    const name = opName({ opType: definition.name, domain: definition.domain });
    const attributes = [...definition.attributeNames, ...definition.attributeDefaults.keys()];
    const parameters = attributes.length === 0 ? '' : ` {${attributes.map(quoted).join(', ')}}`;
    const inputs = definition.inputs.map(quoted).join(', ');
    this.#line(`function ${quoted(name)}(${inputs})${parameters} -> ${definition.outputs.map(quoted).join(', ')}`);
    this.#inside(() => {
      for (const [domain, version] of definition.opsetImports) this.#line(`opset ${domain || 'ai.onnx'} ${version}`);
      for (const node of definition.nodes) this.#node(node);
    });
  }

  #node(node: Node): void {
    const outputs = node.outputs.map((output) => (output === '' ? '_' : quoted(output))).join(', ');
    const inputs = node.inputs.map((input) => (input === '' ? '_' : quoted(input))).join(', ');
    const attributes: string[] = [];
    const graphs: [string, Graph][] = [];
    for (const [name, attribute] of node.attributes) {
      if (attribute.type === 'graph') graphs.push([name, attribute.value]);
      else if (attribute.type === 'graphs') graphs.push(...attribute.value.map((g): [string, Graph] => [name, g]));
      else attributes.push(`${name}=${this.#attribute(node, name, attribute)}`);
    }
    const braces = attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`;
    const name = node.name === '' ? '' : `  # ${node.name}`;
    this.#line(`${outputs} = ${opName(node)}(${inputs})${braces}${name}`);
    this.#inside(() => {
      for (const [label, graph] of graphs) this.graph(graph, label);
    });
  }

  #attribute(node: Node, name: string, attribute: Exclude<Attribute, { type: 'graph' | 'graphs' }>): string {
    switch (attribute.type) {
      case 'float':
        return floatText(attribute.value);
      case 'int':
        return `${attribute.value}`;
      case 'string':
        return shortText(stringAttr(node, name, ''));
      case 'floats':
        return shortList(attribute.value.map(floatText));
      case 'ints':
        return shortList(attribute.value.map(String));
      case 'tensor':
        return this.#tensor(attribute.value);
      case 'reference':
        return `@${attribute.refAttrName}`;
      case 'sparse-tensor':
        return `sparse ${attribute.value.values.dtype}[${attribute.value.dims.join(', ')}]`;
      case 'strings': {
        const decoder = new TextDecoder();
        return shortList(attribute.value.map((value) => JSON.stringify(decoder.decode(value))));
      }
      case 'type':
        return 'type';
      default:
        return `${attribute.value.length} ${attribute.type}`;
    }
  }

  #tensor(tensor: Tensor): string {
    const type = `${tensor.dtype}[${tensor.dims.join(', ')}]`;
    const count = elementCount(tensor.dims);
    if (count <= this.#valuesUpTo) {
      const values = smallValues(tensor);
      if (values)
        return `${type} = ${shortList(values.map((value) => (isFloat(tensor) ? floatText(value) : `${value}`)))}`;
      if (tensor.data.kind === 'strings') {
        const decoder = new TextDecoder();
        return `${type} = ${shortList(tensor.data.values.map((value) => JSON.stringify(decoder.decode(value))))}`;
      }
    }
    const place = tensor.external ? ` in ${quoted(tensor.external.location)}` : '';
    return `${type} ${tensorByteLength(tensor)} bytes${place}`;
  }
}

const isFloat = (tensor: Tensor): boolean => tensor.dtype.includes('float');

/** As many digits as tell one float32 from the next. */
function floatText(value: number): string {
  const exact = `${value}`;
  if (exact.length <= 9) return exact;
  const short = Number(value.toPrecision(7));
  return `${Math.fround(short) === value ? short : Number(value.toPrecision(9))}`;
}

function shortText(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}... ${text.length} characters` : text);
}

function shortList(items: readonly string[]): string {
  return items.length > 32 ? `[${items.slice(0, 32).join(', ')}, ... ${items.length} in all]` : `[${items.join(', ')}]`;
}
