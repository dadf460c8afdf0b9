/**
 * Small models that compute for a quantizer what would be slow in a loop: the runtime's matrix products and elementwise
 * kernels are vectorized and threaded.
 */
import { attrInt, attrInts } from '../../../ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../ir/build.ts';
import { bytesOf, elementCount, floatsOf, tensorFromBytes, tensorFromInts } from '../../../ir/tensor.ts';
import type { Attribute, Node, Tensor, ValueInfo } from '../../../ir/types.ts';
import { modelToBytes } from '../../../onnx/write.ts';
import type { Executor, HostTensor } from '../../../step/define.ts';

/** A value in the model under construction. */
export type Ref = string & { readonly ref: unique symbol };

export class KernelModel {
  readonly #nodes: Node[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #weights: Tensor[] = [];
  readonly #outputs: string[] = [];
  #count = 0;

  input(name: string, dims: readonly number[]): Ref {
    this.#inputs.push(valueInfo(name, 'float32', dims));
    return name as Ref;
  }

  constant(dims: readonly number[], values: ArrayLike<number>): Ref {
    const name = this.#name('c');
    const floats = values instanceof Float32Array ? values : Float32Array.from(values);
    this.#weights.push(tensorFromBytes(name, 'float32', dims, bytesOf(floats)));
    return name as Ref;
  }

  scalar(value: number): Ref {
    return this.constant([], [value]);
  }

  ints(values: readonly number[]): Ref {
    const name = this.#name('i');
    this.#weights.push(tensorFromInts(name, [values.length], values));
    return name as Ref;
  }

  op(opType: string, inputs: readonly Ref[], attributes: Readonly<Record<string, Attribute>> = {}): Ref {
    const output = this.#name('v');
    this.#nodes.push(makeNode({ opType, name: output, inputs, outputs: [output], attributes }));
    return output as Ref;
  }

  /** ReduceMax, ReduceMin and the like over some axes, kept as 1. */
  reduce(opType: string, value: Ref, axes: readonly number[]): Ref {
    return this.op(opType, [value], { axes: attrInts(axes), keepdims: attrInt(1) });
  }

  reshape(value: Ref, dims: readonly number[]): Ref {
    return this.op('Reshape', [value, this.ints(dims)]);
  }

  clip(value: Ref, low: number, high: number): Ref {
    return this.op('Clip', [value, this.scalar(low), this.scalar(high)]);
  }

  output(value: Ref): void {
    this.#outputs.push(value);
  }

  /** ReduceSum with axes as input came in opset 13, ReduceMax's in 18: 17 has both in the form used here. */
  bytes(): Promise<Uint8Array> {
    const graph = makeGraph({
      nodes: this.#nodes,
      inputs: this.#inputs,
      outputs: this.#outputs.map((name) => ({ name })),
      initializers: this.#weights,
    });
    return modelToBytes(makeModel({ graph, opset: 17 }));
  }

  #name(prefix: string): string {
    this.#count += 1;
    return `${prefix}${this.#count}`;
  }
}

export type KernelFeeds = Readonly<Record<string, { readonly dims: readonly number[]; readonly values: Float32Array }>>;

/** One list of outputs for each of the feeds, in order; all in one session where the executor can. */
export async function runKernel(
  executor: Executor,
  kernel: KernelModel,
  feeds: readonly KernelFeeds[],
): Promise<readonly (readonly Float32Array[])[]> {
  const bytes = await kernel.bytes();
  const hosted = feeds.map(
    (one) =>
      new Map(
        Object.entries(one).map(([name, { dims, values }]): [string, HostTensor] => [
          name,
          { dtype: 'float32', dims, data: bytesOf(values) },
        ]),
      ),
  );
  const results: ReadonlyMap<string, HostTensor>[] = [];
  if (executor.runEach) results.push(...(await executor.runEach(bytes, hosted)));
  else for (const one of hosted) results.push(await executor.run(bytes, one));
  return results.map((outputs) =>
    [...outputs.values()].map(({ data, dims }) => floatsOf('float32', data, elementCount(dims))),
  );
}
