/** What the page offers as a task before any data is loaded. Light: it is part of the first screen. */
import { type FreeInput, suggestInputs } from '../core/analysis/default-inputs.ts';
import type { TaskRef } from '../core/study/schema.ts';

/** Random inputs for a model, with a number for every free dimension. */
export function suggestRandomTask(inputs: readonly FreeInput[], dims: Readonly<Record<string, number>> = {}): TaskRef {
  return {
    kind: 'random',
    seed: 1,
    samples: 16,
    inputs: suggestInputs(inputs, dims).map(({ name, dims: sizes, distribution, max }) => ({
      name,
      dims: sizes,
      distribution,
      max,
    })),
  };
}
