/**
 * Multiplies channels of some weights and divides the same channels of the weights that read them, by powers of two: the
 * function stays what it was, to the last bit of the products, and activations get the outlier channels that large
 * language models have (Dettmers et al. 2022, LLM.int8(), section 3). Small trained nets have none of their own.
 */
import { z } from 'zod';
import { StudioError } from '../base/errors/index.ts';
import { bytesOf, readTensorFloats } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';

const sideSchema = z.array(z.object({ tensor: z.string(), axis: z.number().int().min(0) }));
export const rescaleSchema = z.object({
  groups: z.array(
    z.object({
      multiply: sideSchema,
      divide: sideSchema,
      channels: z.array(z.number().int().min(0)),
      factors: z.array(z.number().positive()),
    }),
  ),
});
export type Rescale = z.output<typeof rescaleSchema>;

/** Edits the model in place; tensors must be float32. @throws StudioError model/malformed for names that are not there */
export async function rescaleChannels(model: Model, { groups }: Rescale): Promise<void> {
  for (const { multiply, divide, channels, factors } of groups) {
    for (const { tensor, axis } of multiply) await scale(model, tensor, axis, channels, factors);
    const inverse = factors.map((factor) => 1 / factor);
    for (const { tensor, axis } of divide) await scale(model, tensor, axis, channels, inverse);
  }
}

async function scale(
  model: Model,
  name: string,
  axis: number,
  channels: readonly number[],
  factors: readonly number[],
): Promise<void> {
  const tensor = model.graph.initializers.get(name);
  if (tensor?.dtype !== 'float32' || axis >= tensor.dims.length)
    throw new StudioError('model/malformed', {
      offset: 0,
      path: 'rescale',
      reason: `no float32 initializer "${name}" with axis ${axis}`,
    });
  const values = Float32Array.from(await readTensorFloats(tensor));
  const size = tensor.dims[axis]!;
  const inner = tensor.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const outer = values.length / (size * inner);
  for (const [i, channel] of channels.entries())
    for (let o = 0; o < outer; o++) {
      const start = (o * size + channel) * inner;
      for (let j = start; j < start + inner; j++) values[j] = values[j]! * factors[i]!;
    }
  const { external: _external, ...rest } = tensor;
  model.graph.initializers.set(name, { ...rest, data: { kind: 'bytes', bytes: bytesOf(values) } });
}
