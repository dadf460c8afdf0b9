/** Sessions of parts of a model, fed with values by their own names. */
import { StudioError } from '../base/errors/index.ts';
import type { Feeds } from '../eval/types.ts';
import type { Executor } from '../step/define.ts';
import { type ModelPart, modelPart, type PartRequest } from './part.ts';

export interface PartSession {
  /**
   * @param values at least everything the part reads, by the names they have in the model
   * @returns the wanted values, by the names they have in the model
   */
  run(values: Feeds): Promise<Feeds>;
  /** Frees the session; it may be called more than once. */
  close(): Promise<void>;
}

export async function openPart(executor: Executor, request: PartRequest): Promise<PartSession> {
  const part = await modelPart(request);
  const session = executor.open
    ? await executor.open(part.bytes)
    : { run: (feeds: Feeds) => executor.run(part.bytes, feeds), close: async () => {} };
  let isOpen = true;
  return {
    run: async (values) => named(part, await session.run(feedsOf(part, values))),
    close: async () => {
      if (isOpen) await session.close();
      isOpen = false;
    },
  };
}

function feedsOf({ inputs }: ModelPart, values: Feeds): Feeds {
  return new Map(
    [...inputs].map(([name, input]) => {
      const value = values.get(name);
      if (!value) throw new StudioError('calib/missing-value', { tensor: name });
      return [input, value];
    }),
  );
}

function named({ outputs }: ModelPart, results: Feeds): Feeds {
  return new Map(
    [...outputs].map(([name, output]) => {
      const value = results.get(output);
      if (!value) throw new StudioError('calib/missing-value', { tensor: name });
      return [name, value];
    }),
  );
}
