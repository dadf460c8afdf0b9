/**
 * Models whose large float32 weights are stored as float16 to halve the download. `whittle.expand_fp16` in
 * metadata_props lists the initializers; expanding them gives the model, whose weights then are exactly those values.
 */
import { StudioError } from '../base/errors/index.ts';
import { bytesOf, readTensorFloats } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';

export const EXPAND_HALF_KEY = 'whittle.expand_fp16';

/**
 * Expands in place, and removes the metadata entry.
 * @returns whether there was anything to expand
 * @throws StudioError model/malformed when the list names what is not there or not float16
 */
export async function expandHalfWeights(model: Model): Promise<boolean> {
  const list = model.metadataProps.get(EXPAND_HALF_KEY);
  if (list === undefined) return false;
  for (const name of parseNames(list)) {
    const tensor = model.graph.initializers.get(name);
    if (tensor?.dtype !== 'float16')
      throw malformed(`initializer "${name}" is ${tensor ? tensor.dtype : 'missing'}, not float16`);
    const floats = await readTensorFloats(tensor);
    const { external: _external, ...rest } = tensor;
    model.graph.initializers.set(name, { ...rest, dtype: 'float32', data: { kind: 'bytes', bytes: bytesOf(floats) } });
  }
  model.metadataProps.delete(EXPAND_HALF_KEY);
  return true;
}

function parseNames(text: string): string[] {
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch {
    throw malformed('it is no JSON list');
  }
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    throw malformed('it is no JSON list of names');
  return names;
}

function malformed(reason: string): StudioError {
  return new StudioError('model/malformed', { offset: 0, path: `metadata_props.${EXPAND_HALF_KEY}`, reason });
}
