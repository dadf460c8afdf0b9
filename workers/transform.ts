/** Entry of the transform worker: reads models and builds variants. */
import type { TransformContract } from '../src/rpc/contract.ts';
import { serve } from '../src/rpc/server.ts';
import { TransformEngine } from '../src/runtime/transform/transform-engine.ts';
import { workerExecutor } from '../src/services/worker/worker-executor.ts';

const executor = workerExecutor();
const engine = new TransformEngine(executor);

serve<TransformContract>(
  {
    open: ({ files, assetBase, scratchFolder }, job) => {
      executor.use(assetBase);
      return engine.open(files, scratchFolder, job);
    },
    card: async ({ id, dims }) => engine.card(id, dims),
    nodes: ({ id, recipe }, job) => engine.nodes(id, recipe, job),
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
