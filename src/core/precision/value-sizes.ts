/** How large the values of a model are for given inputs, as far as shapes tell. */
import type { Feeds } from '../eval/types.ts';
import { elementCount } from '../ir/tensor.ts';
import type { Model } from '../ir/types.ts';
import { inferShapes } from '../shape/infer.ts';

/** For a value whose shape inference cannot tell. */
const ASSUMED_BYTES = 4 << 20;

/** @returns bytes of a value as float32 */
export function valueSizes(model: Model, feeds: Feeds): (value: string) => number {
  const inputShapes = Object.fromEntries([...feeds].map(([name, { dims }]) => [name, dims]));
  const shapes = inferShapes(model, { inputShapes });
  return (value) => {
    const shape = shapes.get(value)?.shape;
    const isKnown = shape?.every((dim) => typeof dim === 'number');
    return isKnown ? 4 * elementCount(shape as number[]) : ASSUMED_BYTES;
  };
}
