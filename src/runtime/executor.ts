/** Executor over a SessionPort: runs small models for constant folding, and parts of models for calibration. */
import type { Executor, ExecutorSession, HostTensor } from '../core/step/define.ts';
import type { SessionOptions } from '../core/study/ports.ts';
import type { Target } from '../core/study/schema.ts';
import type { SessionPort } from './port.ts';
import { identityModel } from './probe-model.ts';

export interface WarmExecutor extends Executor {
  runEach: NonNullable<Executor['runEach']>;
  open: NonNullable<Executor['open']>;
  /** Loads the runtime, so that the first `run` finds it ready. */
  warm(): Promise<void>;
}

/**
 * Sessions are made without optimization: folding must see what its operators compute, not what an optimizer made of
 * them, and a model that is run in parts must give what it gives as a whole.
 * @param openPort called once, when something runs for the first time
 */
export function createExecutor(openPort: () => Promise<SessionPort>, target: Target): WarmExecutor {
  let opened: Promise<SessionPort> | undefined;
  const options: SessionOptions = {
    target,
    settings: {
      graphOptimizationLevel: 'disabled',
      disabledOptimizers: [],
      disablePrepacking: true,
      weightsAtLoad: 'as-stored',
    },
    inspect: false,
  };
  async function open(graph: Uint8Array): Promise<ExecutorSession> {
    opened ??= openPort();
    const session = await (await opened).create({ graph, externalData: [] }, options);
    return { run: (feeds) => session.run(feeds), close: () => session.release() };
  }
  async function runEach(graph: Uint8Array, feeds: readonly ReadonlyMap<string, HostTensor>[]) {
    const session = await open(graph);
    try {
      const outputs: ReadonlyMap<string, HostTensor>[] = [];
      for (const one of feeds) outputs.push(await session.run(one));
      return outputs;
    } finally {
      await session.close();
    }
  }
  const run = async (graph: Uint8Array, feeds: ReadonlyMap<string, HostTensor>) => (await runEach(graph, [feeds]))[0]!;
  return {
    run,
    runEach,
    open,
    async warm() {
      await run(identityModel, new Map([['x', { dtype: 'float32', dims: [1], data: new Uint8Array(4) }]]));
    },
  };
}
