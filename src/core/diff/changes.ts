/** How a node differs from what it was. */
import type { GraphNode, WeightRef } from '../graph-view/document.ts';

/** @returns one short sentence for each difference; empty for nodes that are the same */
export function changesOf(was: GraphNode, is: GraphNode): string[] {
  const changes: string[] = [];
  if (was.attributes !== is.attributes) changes.push(...attributeChanges(was.attributes, is.attributes));
  if (was.inputs.length !== is.inputs.length)
    changes.push(`reads ${counted(is.inputs.length, 'computed value')} instead of ${was.inputs.length}`);
  if (was.outputs.length !== is.outputs.length)
    changes.push(`has ${counted(is.outputs.length, 'output')} instead of ${was.outputs.length}`);
  changes.push(...weightChanges(was.weights, is.weights));
  for (const [at, type] of is.types.entries()) {
    const before = was.types[at] ?? '';
    if (before !== '' && type !== '' && dtypeOf(before) !== dtypeOf(type))
      changes.push(`output ${at === 0 ? '' : `${at} `}is ${type} instead of ${before}`);
  }
  return changes;
}

/** Shapes in symbols may read differently and be the same; dtypes may not. */
const dtypeOf = (type: string) => type.replace(/\[.*$/, '');

function attributeChanges(was: string, is: string): string[] {
  const [before, after] = [parse(was), parse(is)];
  const changes: string[] = [];
  for (const [name, value] of after) {
    const old = before.get(name);
    if (old === undefined) changes.push(`${name} = ${short(value)} is new`);
    else if (old !== value) changes.push(`${name}: ${short(old)} → ${short(value)}`);
  }
  for (const name of before.keys()) if (!after.has(name)) changes.push(`${name} is gone`);
  return changes;
}

function parse(text: string): Map<string, string> {
  const entries = text.split('|').filter((part) => part.includes('='));
  return new Map(entries.map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
}

const short = (value: string) => (value.length > 40 ? `${value.slice(0, 39)}…` : value === '' ? '""' : value);

function weightChanges(was: readonly WeightRef[], is: readonly WeightRef[]): string[] {
  const changes: string[] = [];
  const before = new Map(was.map((weight) => [weight.input, weight]));
  for (const weight of is) {
    const old = before.get(weight.input);
    before.delete(weight.input);
    if (!old) changes.push(`input ${weight.input} is now the constant ${weight.name}`);
    else if (old.dtype !== weight.dtype || String(old.dims) !== String(weight.dims))
      changes.push(`weight ${weight.name}: ${typeText(old)} → ${typeText(weight)}`);
    else if (old.name !== weight.name) changes.push(`weight ${old.name} → ${weight.name}`);
  }
  for (const { input, name } of before.values()) changes.push(`input ${input} is no longer the constant ${name}`);
  return changes;
}

const typeText = ({ dtype, dims }: WeightRef) => `${dtype}[${dims.join(', ')}]`;

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
