/**
 * Attributes of nodes by name. A getter answers its default when the attribute is missing, has another type, or is a
 * reference to a function's parameter (`ref_attr_name`), whose value is not known here.
 */
import type { Attribute, AttributeExtras, Graph, Node, Tensor } from './types.ts';

type Valued = Exclude<Attribute, { type: 'reference' }>;
type ValueByType = { [A in Valued as A['type']]: A['value'] };

function attrValue<Type extends keyof ValueByType>(
  node: Node,
  name: string,
  type: Type,
): ValueByType[Type] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.type === type ? ((attribute as Valued).value as ValueByType[Type]) : undefined;
}

/** Integers beyond 2^53 come back as the nearest number. */
export function intAttr(node: Node, name: string, fallback: number): number;
export function intAttr(node: Node, name: string, fallback?: undefined): number | undefined;
export function intAttr(node: Node, name: string, fallback?: number): number | undefined {
  const value = attrValue(node, name, 'int');
  return value === undefined ? fallback : Number(value);
}

export function floatAttr(node: Node, name: string, fallback: number): number;
export function floatAttr(node: Node, name: string, fallback?: undefined): number | undefined;
export function floatAttr(node: Node, name: string, fallback?: number): number | undefined {
  return attrValue(node, name, 'float') ?? fallback;
}

export function stringAttr(node: Node, name: string, fallback: string): string;
export function stringAttr(node: Node, name: string, fallback?: undefined): string | undefined;
export function stringAttr(node: Node, name: string, fallback?: string): string | undefined {
  const value = attrValue(node, name, 'string');
  return value === undefined ? fallback : new TextDecoder().decode(value);
}

export function intsAttr(node: Node, name: string, fallback: number[]): number[];
export function intsAttr(node: Node, name: string, fallback?: undefined): number[] | undefined;
export function intsAttr(node: Node, name: string, fallback?: number[]): number[] | undefined {
  return attrValue(node, name, 'ints')?.map(Number) ?? fallback;
}

export function floatsAttr(node: Node, name: string, fallback: number[]): number[];
export function floatsAttr(node: Node, name: string, fallback?: undefined): number[] | undefined;
export function floatsAttr(node: Node, name: string, fallback?: number[]): number[] | undefined {
  const value = attrValue(node, name, 'floats');
  return value === undefined ? fallback : [...value];
}

export function stringsAttr(node: Node, name: string): string[] | undefined {
  const decoder = new TextDecoder();
  return attrValue(node, name, 'strings')?.map((value) => decoder.decode(value));
}

export function tensorAttr(node: Node, name: string): Tensor | undefined {
  return attrValue(node, name, 'tensor');
}

export function graphAttr(node: Node, name: string): Graph | undefined {
  return attrValue(node, name, 'graph');
}

export const attrInt = (value: number | bigint): Attribute => ({ type: 'int', value: BigInt(value) });
export const attrFloat = (value: number): Attribute => ({ type: 'float', value });
export const attrString = (value: string): Attribute => ({ type: 'string', value: new TextEncoder().encode(value) });
export const attrInts = (value: readonly (number | bigint)[]): Attribute => ({
  type: 'ints',
  value: value.map(BigInt),
});
export const attrFloats = (value: readonly number[]): Attribute => ({ type: 'floats', value: [...value] });
export const attrStrings = (value: readonly string[]): Attribute => ({
  type: 'strings',
  value: value.map((text) => new TextEncoder().encode(text)),
});
export const attrTensor = (value: Tensor): Attribute => ({ type: 'tensor', value });
export const attrGraph = (value: Graph): Attribute => ({ type: 'graph', value });

/** Sets an attribute, in place of any of the same name. */
export function setAttr(node: Node, name: string, attribute: Attribute & AttributeExtras): void {
  node.attributes.set(name, attribute);
}
