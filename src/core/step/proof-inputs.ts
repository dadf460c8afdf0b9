/** Inputs for the proof: generated ones, seeded, and those of the task where it has some. */
import { suggestInputs } from '../analysis/default-inputs.ts';
import { createRng } from '../base/rng.ts';
import { elementCount, tensorFromNumbers } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';
import type { CalibrationSource, HostTensor } from './define.ts';

export type ProofFeeds = ReadonlyMap<string, HostTensor>;

const MAX_INPUT_ELEMENTS = 20_000_000;

/**
 * Normal numbers, small integers, masks of ones: each input as its name and type suggest.
 * @param dims values of free dimensions by symbol; the others get usual sizes
 * @returns the reason where an input cannot be made up
 */
export function generatedFeeds(
  model: Model,
  dims: Readonly<Record<string, number>>,
  seed: number,
): { readonly feeds: ProofFeeds } | { readonly reason: string } {
  const feeds = new Map<string, HostTensor>();
  for (const { name, type } of model.graph.inputs) {
    if (model.graph.initializers.has(name)) continue;
    if (type?.kind !== 'tensor') return { reason: `input "${name}" is no tensor` };
    const [input] = suggestInputs([{ name, dtype: type.dtype, shape: type.shape }], dims);
    const count = elementCount(input!.dims);
    if (count > MAX_INPUT_ELEMENTS) return { reason: `input "${name}" is too large` };
    const rng = createRng(`proof/${seed}/${name}`);
    const draw = { normal: () => rng.normal(), integers: () => rng.int(input!.max), ones: () => 1 }[
      input!.distribution
    ];
    try {
      const { data } = tensorFromNumbers(name, type.dtype, input!.dims, Array.from({ length: count }, draw));
      if (data.kind !== 'bytes') return { reason: `input "${name}" has type ${type.dtype}` };
      feeds.set(name, { dtype: type.dtype, dims: input!.dims, data: data.bytes });
    } catch {
      return { reason: `input "${name}" has type ${type.dtype}` };
    }
  }
  return { feeds };
}

/** The first few inputs of a task. */
export async function firstFeeds(source: CalibrationSource | undefined, count: number): Promise<ProofFeeds[]> {
  const first: ProofFeeds[] = [];
  if (!source) return first;
  for await (const feeds of source.feeds()) {
    first.push(feeds);
    if (first.length >= count) break;
  }
  return first;
}
