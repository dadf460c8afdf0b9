/** Weights stored as bfloat16: which they are, their conversion, and the Cast that gives float32 back. */
import { throwIfCancelled } from '../../base/cancel.ts';
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { bytesOf, elementCount, floatsOf, readTensorSlab } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import type { StepContext } from '../../step/define.ts';
import { isQuantizedOp } from './quantized-ops.ts';
import { definingScope, nodesOf, type Scope } from './scopes.ts';

export interface WeightReader {
  readonly scope: Scope;
  readonly node: Node;
  readonly inputIndex: number;
}

/** A float32 constant and every node that reads it, in whatever graph. */
export interface ReadWeight {
  readonly home: Scope;
  readonly value: string;
  readonly tensor: Tensor;
  readonly readers: readonly WeightReader[];
}

/**
 * Constants that may be stored otherwise. Scales and the like of quantized operators are left out: the runtime's kernels
 * want them as they are.
 */
export function findReadWeights(scopes: readonly Scope[], minElements: number): ReadWeight[] {
  const found = new Map<Scope, Map<string, ReadWeight & { readers: WeightReader[] }>>();
  for (const { node, scope } of nodesOf(scopes))
    for (const [inputIndex, value] of node.inputs.entries()) {
      const home = definingScope(scope, value);
      const tensor = home?.editor.constantOf(value);
      if (!home || tensor?.dtype !== 'float32' || elementCount(tensor.dims) < minElements) continue;
      const ofHome = found.get(home) ?? new Map<string, ReadWeight & { readers: WeightReader[] }>();
      found.set(home, ofHome);
      const weight = ofHome.get(value) ?? { home, value, tensor, readers: [] };
      ofHome.set(value, weight);
      weight.readers.push({ scope, node, inputIndex });
    }
  return [...found.values()]
    .flatMap((ofHome) => [...ofHome.values()])
    .filter(({ readers }) => !readers.some(({ node }) => isQuantizedOp(node)));
}

export interface BfloatCounts {
  /** Finite, and beyond the largest finite bfloat16 (3.39e38) when rounded: they became that. */
  clamped: number;
  nan: number;
}

const SLAB_ELEMENTS = 2 << 20;
const INFINITY_BITS = 0x7f800000;
const LARGEST_FINITE = 0x7f7f;

/**
 * A float32 tensor as bfloat16, rounded to nearest, ties to even (IEEE 754-2019, 4.3.1). Infinities stay, NaN stays NaN.
 * @throws StudioError storage/full, job/cancelled
 */
export async function toBfloat16(
  ctx: StepContext,
  tensor: Tensor,
  name: string,
): Promise<{ tensor: Tensor; counts: BfloatCounts }> {
  const count = elementCount(tensor.dims);
  const counts: BfloatCounts = { clamped: 0, nan: 0 };
  async function* slabs(): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < count; start += SLAB_ELEMENTS) {
      throwIfCancelled(ctx.signal);
      await ctx.yield();
      const length = Math.min(SLAB_ELEMENTS, count - start);
      const bytes = await readTensorSlab(tensor, start * 4, length * 4);
      const values = floatsOf('float32', bytes, length, tensor.name);
      const codes = new Uint16Array(length);
      roundSlab(new Uint32Array(values.buffer, values.byteOffset, length), codes, counts);
      yield bytesOf(codes);
    }
  }
  const data = await ctx.store.put(count * 2, slabs());
  return { tensor: { name, dtype: 'bfloat16', dims: tensor.dims, data }, counts };
}

/** @param bits of float32 values */
function roundSlab(bits: Uint32Array, codes: Uint16Array, counts: BfloatCounts): void {
  for (let i = 0; i < codes.length; i += 1) {
    const word = bits[i]!;
    const magnitude = word & 0x7fffffff;
    if (magnitude > INFINITY_BITS) {
      codes[i] = (word >>> 16) | 0x40;
      counts.nan += 1;
      continue;
    }
    const code = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
    if ((code & 0x7fff) === 0x7f80 && magnitude !== INFINITY_BITS) {
      codes[i] = (code & 0x8000) | LARGEST_FINITE;
      counts.clamped += 1;
    } else codes[i] = code;
  }
}

/**
 * Every node reads what it read, under the same name: a Cast makes it, which the runtime computes once when it loads the
 * model. A table that only Gather reads is expanded row by row instead, so that it stays small in memory.
 * @param stored the weight as bfloat16
 * @returns names of what took the weight's place
 */
export function readExpanded({ home, value, readers }: ReadWeight, stored: Tensor, scopes: readonly Scope[]): string[] {
  const { editor } = home;
  const isOutput = scopes.some(({ graph }) => graph.outputs.some(({ name }) => name === value));
  const isTable = !isOutput && readers.every(({ node, inputIndex }) => isTableOf(node, inputIndex));
  const name = editor.addInitializer({ ...stored, name: `${value}_bf16` });
  const producer = editor.producerOf(value);
  if (producer) editor.removeNode(producer);
  else editor.removeInitializer(value);
  if (!isTable) {
    editor.addNode(castToFloat(home, name, value));
    return [name];
  }
  home.graph.valueInfo.delete(value);
  for (const { scope, node } of readers) {
    const output = node.outputs[0]!;
    const rows = scope.editor.freshName(`${output}_bf16`);
    scope.editor.setInputs(node, [name, ...node.inputs.slice(1)]);
    scope.editor.setOutputs(node, [rows]);
    scope.editor.addNode(castToFloat(scope, rows, output), { after: node });
  }
  return [name];
}

const isTableOf = (node: Node, inputIndex: number) =>
  isDefaultDomain(node.domain) && node.opType === 'Gather' && inputIndex === 0;

function castToFloat({ editor }: Scope, from: string, to: string): Node {
  return makeNode({
    opType: 'Cast',
    name: editor.freshName(`${to}_Cast`),
    inputs: [from],
    outputs: [to],
    attributes: { to: attrInt(dtypeInfo.float32.onnx) },
  });
}
