/** Constants that reach an operator through a few nodes: another shape, or scales that were quantized themselves. */
import { readTensorBytes, readTensorFloats, smallInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { definingScope, type Scope } from '../support/scopes.ts';

/** @returns undefined when the value is no such constant */
export async function constantBehind(scope: Scope, value: string): Promise<Tensor | undefined> {
  const home = definingScope(scope, value);
  const constant = home?.editor.constantOf(value);
  if (!home || constant) return constant;
  const producer = defaultOp(home, value);
  if (producer?.opType === 'Identity') return constantBehind(home, producer.inputs[0]!);
  if (producer?.opType === 'Reshape') {
    const data = home.editor.constantOf(producer.inputs[0]!);
    const dims = data && integers(home, producer.inputs[1]!);
    if (dims?.every((dim) => dim > 0)) return { ...data!, dims };
  }
  return doubleQuantized(home, value);
}

function defaultOp(scope: Scope, value: string): Node | undefined {
  const producer = scope.editor.producerOf(value);
  return producer && isDefaultDomain(producer.domain) ? producer : undefined;
}

function integers(scope: Scope, value: string): number[] | undefined {
  const tensor = scope.editor.constantOf(value);
  return tensor && smallInts(tensor)?.map(Number);
}

/** mean + scale * table[code], flattened and perhaps cut: what support/bnb4-nodes.ts writes. */
async function doubleQuantized(scope: Scope, value: string): Promise<Tensor | undefined> {
  const { editor } = scope;
  let at = value;
  let count: number | undefined;
  const through = (opType: string): Node | undefined => {
    const node = defaultOp(scope, at);
    if (node?.opType !== opType) return undefined;
    at = node.inputs[opType === 'Gather' ? 1 : 0]!;
    return node;
  };
  const cut = through('Slice');
  if (cut) count = integers(scope, cut.inputs[2]!)?.[0];
  if (!through('Reshape')) return undefined;
  const [add, multiply, gather] = [through('Add'), through('Mul'), through('Gather')];
  if (!add || !multiply || !gather || !through('Cast')) return undefined;
  const tensors = [at, gather.inputs[0]!, multiply.inputs[1]!, add.inputs[1]!].map((name) => editor.constantOf(name));
  const [codes, table, scales, mean] = tensors as Tensor[];
  if (tensors.some((tensor) => tensor === undefined) || codes!.dtype !== 'uint8') return undefined;
  const bytes = await readTensorBytes(codes!);
  const [entries, factors, offset] = [
    await readTensorFloats(table!),
    await readTensorFloats(scales!),
    await readTensorFloats(mean!),
  ];
  const groupSize = codes!.dims.at(-1)!;
  const values = Float32Array.from(
    { length: count ?? bytes.length },
    (_, i) => Math.fround(entries[bytes[i]!]! * factors[Math.floor(i / groupSize)]!) + offset[0]!,
  );
  return tensorFromNumbers(value, 'float32', [values.length], values);
}
