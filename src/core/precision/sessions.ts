/** Sessions of parts of a model, fed with values by their own names. */
import { type CancelSignal, neverCancelled, throwIfCancelled } from '../base/cancel.ts';
import { StudioError } from '../base/errors/index.ts';
import { openPart as openModel } from '../calib/part-model.ts';
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

/** @param signal a run that is under way when it fires rejects with job/cancelled at once; its result goes nowhere */
export async function openPart(
  executor: Executor,
  request: PartRequest,
  signal: CancelSignal = neverCancelled,
): Promise<PartSession> {
  const part = await modelPart(request);
  throwIfCancelled(signal);
  const session = await openModel(executor, part.bytes);
  let isOpen = true;
  return {
    run: async (values) => named(part, await orCancelled(signal, session.run(feedsOf(part, values)))),
    close: async () => {
      if (!isOpen) return;
      isOpen = false;
      const closed = session.close();
      // A cancelled run may still be under way, and closing waits for it; whoever cancelled does not.
      if (signal.aborted) closed.catch(() => {});
      else await closed;
    },
  };
}

function orCancelled<T>(signal: CancelSignal, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(new StudioError('job/cancelled', {}));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
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
