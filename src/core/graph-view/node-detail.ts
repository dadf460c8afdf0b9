/** Everything about one node that the document leaves out: asked for when it is selected. */
import { elementCount, smallValues } from '../ir/tensor.ts';
import type { Attribute, Tensor } from '../ir/types.ts';
import { type ScopeSource, typeText } from './extract.ts';

export interface NodeDetail {
  /** Of an operator; '' is ai.onnx. */
  readonly domain: string;
  readonly docString: string;
  readonly attributes: readonly { readonly name: string; readonly type: string; readonly text: string }[];
  /** In order, those left out too; with what they are called by the operator's position. */
  readonly inputs: readonly ValueDetail[];
  readonly outputs: readonly ValueDetail[];
  /** Metadata that the exporter left: module paths, source lines. */
  readonly metadata: readonly { readonly key: string; readonly value: string }[];
}

export interface ValueDetail {
  /** '' where it is left out. */
  readonly name: string;
  /** 'float32[N, 768]'; '' while nothing is known. */
  readonly type: string;
  readonly isConstant: boolean;
}

/** Longer texts are cut, with their length told. */
const MAX_TEXT = 600;

/** @param index of the node in the file's list */
export function nodeDetail({ nodes, constant, shapes }: ScopeSource, index: number): NodeDetail | null {
  const node = nodes[index];
  if (!node) return null;
  const value = (name: string): ValueDetail => {
    const tensor = name === '' ? undefined : constant(name);
    const type = tensor ? `${tensor.dtype}[${tensor.dims.join(', ')}]` : typeText(shapes?.get(name));
    return { name, type, isConstant: tensor !== undefined };
  };
  return {
    domain: node.domain,
    docString: cut(node.docString ?? ''),
    attributes: [...node.attributes]
      .map(([name, attribute]) => ({ name, type: attribute.type, text: cut(attributeText(attribute)) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    inputs: node.inputs.map(value),
    outputs: node.outputs.map(value),
    metadata: [...(node.metadataProps ?? [])].map(([key, text]) => ({ key, value: cut(text) })),
  };
}

const cut = (text: string): string =>
  text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;

const DECODER = new TextDecoder();
const LIST = 64;

function attributeText(attribute: Attribute): string {
  switch (attribute.type) {
    case 'int':
      return `${attribute.value}`;
    case 'float':
      return floatText(attribute.value);
    case 'string':
      return DECODER.decode(attribute.value);
    case 'ints':
      return list(attribute.value, String);
    case 'floats':
      return list(attribute.value, floatText);
    case 'strings':
      return list(attribute.value, (value) => DECODER.decode(value));
    case 'tensor':
      return tensorText(attribute.value);
    case 'graph':
      return `graph of ${attribute.value.nodes.length} nodes`;
    case 'graphs':
      return `${attribute.value.length} graphs`;
    case 'reference':
      return `the caller’s ${attribute.refAttrName}`;
    default:
      return attribute.type;
  }
}

function list<T>(values: readonly T[], text: (value: T) => string): string {
  const shown = values.slice(0, LIST).map(text).join(', ');
  return values.length > LIST ? `[${shown}, … ${values.length} in all]` : `[${shown}]`;
}

/** Nine digits tell one float32 from the next. */
const floatText = (value: number): string => `${Number(value.toPrecision(9))}`;

function tensorText(tensor: Tensor): string {
  const type = `${tensor.dtype}[${tensor.dims.join(', ')}]`;
  const values = elementCount(tensor.dims) <= LIST ? smallValues(tensor) : undefined;
  return values ? `${type} = ${list(values, floatText)}` : type;
}
