/** Seeded random inputs for models without data: the same seed and specification give the same inputs everywhere. */
import { StudioError } from '../../base/errors/index.ts';
import { createRng, type Rng } from '../../base/rng.ts';
import type { DType } from '../../ir/dtype.ts';
import { tensorFromNumbers } from '../../ir/tensor.ts';
import type { HostTensor } from '../../step/define.ts';
import type { Feeds, InputSpec } from '../types.ts';

const floating: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16'];
/** For integer types: inclusive bounds of what fits, within what a number holds exactly. */
const integerRange: Partial<Record<DType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 31), 2 ** 31 - 1],
  uint64: [0, 2 ** 32 - 1],
  bool: [0, 1],
};
const MAX_ELEMENTS = 2 ** 28;

/**
 * Distributions: `normal` mean 0 and variance 1; `uniform` [0, 1); `uniform-signed` [-1, 1); `integers` 0 .. max - 1;
 * `zeros`; `ones`. Integer inputs given a continuous distribution take `integers` instead: rounding a normal would
 * feed mostly zeros. Every sample draws from its own stream, so that more samples never change the first ones.
 * @throws StudioError task/bad-inputs for types that have no random form and for more than 2^28 elements
 */
export function randomFeeds(specs: readonly InputSpec[], samples: number, seed: number): Feeds[] {
  return Array.from({ length: samples }, (_, sample) => {
    const feeds = new Map<string, HostTensor>();
    for (const [index, spec] of specs.entries()) {
      const rng = createRng(`${seed}/${sample}/${index}`);
      feeds.set(spec.name, randomTensor(spec, rng));
    }
    return feeds;
  });
}

function randomTensor(spec: InputSpec, rng: Rng): HostTensor {
  const { name, dims, dtype } = spec;
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count > MAX_ELEMENTS)
    throw new StudioError('task/bad-inputs', {
      reason: `input "${name}" would have ${count} elements; the limit is ${MAX_ELEMENTS}`,
    });
  const draw = drawer(spec, rng);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = draw();
  const { data } = tensorFromNumbers(name, dtype, dims, values);
  if (data.kind !== 'bytes') throw new StudioError('task/bad-inputs', { reason: `input "${name}" has type ${dtype}` });
  return { dtype, dims, data: data.bytes };
}

function drawer({ name, dtype, distribution, max }: InputSpec, rng: Rng): () => number {
  const range = integerRange[dtype];
  if (!range && !floating.includes(dtype))
    throw new StudioError('task/bad-inputs', {
      reason: `input "${name}" has type ${dtype}, which has no random values`,
    });
  if (distribution === 'zeros') return () => 0;
  if (distribution === 'ones') return () => 1;
  if (range || distribution === 'integers') {
    const bound = range ? Math.min(max, range[1] + 1) : max;
    return () => rng.int(Math.max(1, bound));
  }
  if (distribution === 'normal') return () => rng.normal();
  if (distribution === 'uniform') return () => rng.uniform();
  return () => 2 * rng.uniform() - 1;
}
