/**
 * Remembers what was collected, so that another method, another clip or a node more or less does not run every sample
 * again. Keyed by what determines it: the model's graph and weights, and the samples themselves.
 */
import { Digest } from '../base/digest.ts';
import { cloneModel } from '../ir/clone.ts';
import { readTensorBytes, tensorByteLength } from '../ir/tensor.ts';
import type { Model, Tensor, TensorData } from '../ir/types.ts';
import { modelToBytes } from '../onnx/write.ts';
import type { CalibrationSource } from '../step/define.ts';
import type { CollectedTensor } from './types.ts';

interface Collection {
  samples: number;
  readonly tensors: Map<string, CollectedTensor>;
}

const MAX_BYTES = 64 << 20;
const MAX_MODEL_BYTES = 256 << 20;

export class RangeCache {
  /** The one used last comes last. */
  readonly #collections = new Map<string, Collection>();

  get(key: string): Collection | undefined {
    const found = this.#collections.get(key);
    if (!found) return undefined;
    this.#collections.delete(key);
    this.#collections.set(key, found);
    return found;
  }

  add(key: string, samples: number, tensors: ReadonlyMap<string, CollectedTensor>): void {
    const collection = this.get(key) ?? { samples, tensors: new Map<string, CollectedTensor>() };
    for (const [name, tensor] of tensors) collection.tensors.set(name, tensor);
    this.#collections.set(key, collection);
    let bytes = 0;
    for (const one of this.#collections.values()) bytes += bytesOfCollection(one);
    // The oldest go first; one that is too large on its own is not kept either.
    for (const [oldest, one] of this.#collections) {
      if (bytes <= MAX_BYTES) break;
      this.#collections.delete(oldest);
      bytes -= bytesOfCollection(one);
    }
  }
}

function bytesOfCollection({ tensors }: Collection): number {
  let bytes = 0;
  for (const { picture, histograms } of tensors.values())
    bytes +=
      picture.counts.byteLength +
      (histograms?.signed.counts.byteLength ?? 0) +
      (histograms?.magnitude.counts.byteLength ?? 0);
  return bytes;
}

/** Tensors are immutable, so each is read once. */
const digests = new WeakMap<TensorData, string>();

async function digestOf(tensor: Tensor): Promise<string> {
  const known = digests.get(tensor.data);
  if (known !== undefined) return known;
  const digest = new Digest().update(await readTensorBytes(tensor)).hex();
  digests.set(tensor.data, digest);
  return digest;
}

/**
 * Identifies the model and the first `maxSamples` samples by 64 hexadecimal digits; undefined for a model so large that
 * reading it would take longer than it saves.
 */
export async function collectionKey(
  model: Model,
  source: CalibrationSource,
  maxSamples: number,
): Promise<string | undefined> {
  const tensors = [...model.graph.initializers.values()];
  if (tensors.reduce((sum, tensor) => sum + tensorByteLength(tensor), 0) > MAX_MODEL_BYTES) return undefined;
  const digest = new Digest();
  const bare = cloneModel(model);
  bare.graph.initializers = new Map();
  bare.metadataProps = new Map();
  digest.update(await modelToBytes(bare));
  for (const tensor of tensors)
    digest.update(`${tensor.name}\n${tensor.dtype}\n${tensor.dims.join()}\n${await digestOf(tensor)}\n`);
  let taken = 0;
  for await (const feeds of source.feeds()) {
    if (taken >= maxSamples) break;
    taken += 1;
    for (const [name, { dtype, dims, data }] of feeds)
      digest.update(`${name}\n${dtype}\n${dims.join()}\n`).update(data);
  }
  return digest.hex();
}
