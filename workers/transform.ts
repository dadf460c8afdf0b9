/** Entry of the transform worker: reads models and builds variants. */
import { taskData } from '../src/core/study/task-data.ts';
import type { TransformContract } from '../src/rpc/contract.ts';
import { serve } from '../src/rpc/server.ts';
import { giveAway } from '../src/rpc/transfer.ts';
import { fetchedFiles } from '../src/runtime/fetched-files.ts';
import { TransformEngine } from '../src/runtime/transform/transform-engine.ts';
import { workerExecutor } from '../src/services/worker/worker-executor.ts';

const executor = workerExecutor();
const engine = new TransformEngine(executor);
let lend: (wasm: Blob | null) => void;
const lent = new Promise<Blob | null>((resolve) => {
  lend = resolve;
});

serve<TransformContract>(
  {
    open: ({ files, assetBase, scratchFolder }, job) => {
      executor.use(lent.then((wasm) => ({ assetBase, ...(wasm && { wasm }) })));
      return engine.open(files, scratchFolder, job);
    },
    runtime: async ({ wasm }) => {
      lend(wasm);
      return null;
    },
    card: async ({ id, dims }) => engine.card(id, dims),
    nodes: ({ id, recipe }, job) => engine.nodes(id, recipe, job),
    task: async (question) => {
      const data = await taskData(question, fetchedFiles);
      const { source, summary } = data;
      const feeds = source.kind === 'agreement' ? source.feeds : [summary.latencyFeeds];
      return giveAway(
        data,
        feeds.flatMap((one) => [...one.values()]),
      );
    },
    build: (request, job) => engine.build(request, job),
    save: ({ variant, fileName }, job) => engine.save(variant, fileName, job),
    lens: ({ variant, task, maxSamples }, job) => engine.lens(variant, task, maxSamples, job),
    sensitivity: (request, job) => engine.sensitivity(request, job),
    sensitivitySoFar: async ({ id }) => engine.sensitivitySoFar(id),
    graph: (question, job) => engine.graph(question, job),
    graphNode: ({ graph, ...place }, job) => engine.node(graph, place, job),
    graphWeight: ({ graph, ...place }, job) => engine.weight(graph, place, job),
    graphValues: ({ graph, ...page }, job) => engine.weightValues(graph, page, job),
    memory: (question, job) => engine.memory(question, job),
    dispose: async ({ id }) => {
      engine.dispose(id);
      return null;
    },
  },
  globalThis as unknown as Worker,
);
