/** The values that are kept between two parts of a model, for every sample: in memory up to a budget, else in the store. */
import { readTensorBytes } from '../ir/tensor.ts';
import type { TensorData } from '../ir/types.ts';
import type { HostTensor, TensorStore } from '../step/define.ts';

type Feeds = ReadonlyMap<string, HostTensor>;

/** Smaller ones stay in memory whatever the budget. */
const MIN_SPILL_BYTES = 64 << 10;

type Kept = HostTensor | { readonly spilled: TensorData; readonly like: Omit<HostTensor, 'data'> };

export class WalkState {
  readonly #samples: Map<string, Kept>[] = [];
  readonly #store: TensorStore | undefined;
  readonly #budgetBytes: number;
  /** In memory now. */
  #heldBytes = 0;
  #spilledBytes = 0;

  constructor(budgetBytes: number, store: TensorStore | undefined) {
    this.#budgetBytes = budgetBytes;
    this.#store = store;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get spilledBytes(): number {
    return this.#spilledBytes;
  }

  get sampleCount(): number {
    return this.#samples.length;
  }

  /** Tensors in memory and in the store. */
  get tensorCount(): number {
    return this.#samples.reduce((sum, sample) => sum + sample.size, 0);
  }

  async get(sample: number, name: string): Promise<HostTensor | undefined> {
    const kept = this.#samples[sample]?.get(name);
    if (!kept || 'dims' in kept) return kept;
    const { like, spilled } = kept;
    return { ...like, data: await readTensorBytes({ name, ...like, data: spilled }) };
  }

  /** Keeps the values of one sample: the `names`, out of what a session gave or, if it has not got them, of `before`. */
  async keep(sample: number, names: Iterable<string>, made: Feeds, before: WalkState | Feeds): Promise<void> {
    const kept = new Map<string, Kept>();
    for (const name of names) {
      const fresh = made.get(name);
      const value = fresh ?? (before instanceof WalkState ? before.#samples[sample]?.get(name) : before.get(name));
      if (value) kept.set(name, await this.#place(value));
    }
    this.#samples[sample] = kept;
  }

  /** Lets go of one sample's values. */
  drop(sample: number): void {
    for (const kept of this.#samples[sample]?.values() ?? [])
      if ('dims' in kept) this.#heldBytes -= kept.data.byteLength;
    this.#samples[sample] = new Map();
  }

  async #place(value: Kept): Promise<Kept> {
    if (!('dims' in value)) return value;
    const { data, ...like } = value;
    const isOver = this.#heldBytes + data.byteLength > this.#budgetBytes;
    if (this.#store && isOver && data.byteLength >= MIN_SPILL_BYTES) {
      this.#spilledBytes += data.byteLength;
      return { spilled: await this.#store.put(data.byteLength, [data]), like };
    }
    this.#heldBytes += data.byteLength;
    return value;
  }
}
