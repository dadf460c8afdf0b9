/** Executor over a SessionPort: runs small models for constant folding. */
import type { Executor, HostTensor } from '../core/step/define.ts';
import type { SessionOptions } from '../core/study/ports.ts';
import type { Target } from '../core/study/schema.ts';
import type { SessionPort } from './port.ts';
import { identityModel } from './probe-model.ts';

export interface WarmExecutor extends Executor {
  runEach: NonNullable<Executor['runEach']>;
  /** Loads the runtime, so that the first `run` finds it ready. */
  warm(): Promise<void>;
}

/**
 * Sessions are made without optimization: the model is run once, and folding must see what its operators compute, not
 * what an optimizer made of them.
 * @param openPort called once, when something runs for the first time
 */
export function createExecutor(openPort: () => Promise<SessionPort>, target: Target): WarmExecutor {
  let opened: Promise<SessionPort> | undefined;
  const options: SessionOptions = {
    target,
    settings: { graphOptimizationLevel: 'disabled', disabledOptimizers: [], disablePrepacking: true },
    inspect: false,
  };
  async function runEach(graph: Uint8Array, feeds: readonly ReadonlyMap<string, HostTensor>[]) {
    opened ??= openPort();
    const port = await opened;
    const session = await port.create({ graph, externalData: [] }, options);
    try {
      const outputs: ReadonlyMap<string, HostTensor>[] = [];
      for (const one of feeds) outputs.push(await session.run(one));
      return outputs;
    } finally {
      await session.release();
    }
  }
  const run = async (graph: Uint8Array, feeds: ReadonlyMap<string, HostTensor>) => (await runEach(graph, [feeds]))[0]!;
  return {
    run,
    runEach,
    async warm() {
      await run(identityModel, new Map([['x', { dtype: 'float32', dims: [1], data: new Uint8Array(4) }]]));
    },
  };
}
