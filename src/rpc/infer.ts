/** InferPort across a worker boundary: what the worker serves and what the page holds. */
import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import type { Feeds } from '../core/eval/types.ts';
import type { ExecutorSession } from '../core/step/define.ts';
import type { InferPort, SessionOptions } from '../core/study/ports.ts';
import type { WorkerClient } from './client.ts';
import type { BrowserModelHandle, InferContract, RuntimePlace } from './contract.ts';
import type { Handlers } from './server.ts';
import { giveAway } from './transfer.ts';

/** What an infer worker is made of; the worker entry supplies both from runtime/. */
export interface InferWorkerParts {
  engine(place: RuntimePlace): InferPort<BrowserModelHandle>;
  executor(place: RuntimePlace): {
    warm(): Promise<void>;
    run(model: Uint8Array, feeds: Feeds): Promise<Feeds>;
    runEach(model: Uint8Array, feeds: readonly Feeds[]): Promise<readonly Feeds[]>;
    open(model: Uint8Array): Promise<ExecutorSession>;
  };
}

export function inferHandlers(parts: InferWorkerParts): Handlers<InferContract> {
  let engine: InferPort<BrowserModelHandle> | undefined;
  let executor: ReturnType<InferWorkerParts['executor']> | undefined;
  const executions = new Map<number, ExecutorSession>();
  let lastExecution = 0;
  const opened = (): InferPort<BrowserModelHandle> => {
    if (engine) return engine;
    throw new StudioError('runtime/run-failed', { target: 'the infer worker', reason: 'no model was opened' });
  };
  return {
    open: ({ files, options, ...place }, job) => {
      engine ??= parts.engine(place);
      return engine.open(files, options, job);
    },
    run: async ({ feeds }) => {
      const result = await opened().run(feeds);
      return giveAway(result, result.outputs.values());
    },
    time: ({ feeds, runs }) => opened().time(feeds, runs),
    evaluate: ({ task, limit }, job) => opened().evaluate(task, job, limit),
    memory: () => opened().memory(),
    profile: (question, job) => opened().profile(question, job),
    warm: async (place) => {
      executor ??= parts.executor(place);
      await executor.warm();
      return null;
    },
    execute: async ({ model, feeds, ...place }) => {
      executor ??= parts.executor(place);
      const outputs = await executor.run(model, feeds);
      return giveAway(outputs, outputs.values());
    },
    executeEach: async ({ model, feeds, ...place }) => {
      executor ??= parts.executor(place);
      const outputs = await executor.runEach(model, feeds);
      return giveAway(
        outputs,
        outputs.flatMap((one) => [...one.values()]),
      );
    },
    openExecution: async ({ model, ...place }) => {
      executor ??= parts.executor(place);
      const execution = await executor.open(model);
      lastExecution += 1;
      executions.set(lastExecution, execution);
      return { session: lastExecution };
    },
    executeIn: async ({ session, feeds }) => {
      const execution = executions.get(session);
      // A worker that replaced a crashed one knows nothing of its sessions.
      if (!execution)
        throw new StudioError('runtime/run-failed', { target: 'the infer worker', reason: 'its session is gone' });
      const outputs = await execution.run(feeds);
      return giveAway(outputs, outputs.values());
    },
    closeExecution: async ({ session }) => {
      const execution = executions.get(session);
      executions.delete(session);
      await execution?.close();
      return null;
    },
  };
}

/**
 * @param client of a worker of its own: `dispose` terminates it
 * @param placeOf where a session's runtime comes from; may download it first
 */
export function inferPort(
  client: WorkerClient<InferContract>,
  placeOf: (options: SessionOptions, job: JobContext) => Promise<RuntimePlace>,
): InferPort<BrowserModelHandle> {
  return {
    open: async (files, options, job) => client.call('open', { files, options, ...(await placeOf(options, job)) }, job),
    run: (feeds) => client.call('run', { feeds }),
    time: (feeds, runs) => client.call('time', { feeds, runs }),
    evaluate: (task, job, limit) => client.call('evaluate', { task, limit }, job),
    memory: () => client.call('memory', null),
    profile: (question, job) => client.call('profile', question, job),
    dispose: () => client.terminate(),
  };
}
