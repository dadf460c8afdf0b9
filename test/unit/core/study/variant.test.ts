import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryStore } from '../../../../src/cli/store.ts';
import { gatherParts } from '../../../../src/cli/write-model.ts';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { forEachWeight } from '../../../../src/core/ir/walk.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import { buildVariant } from '../../../../src/core/study/variant.ts';
import { openFileSource } from '../../../../src/runtime/node-file-source.ts';

const silero = fileURLToPath(
  new URL('../../../../node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx', import.meta.url),
);

test('weights of subgraphs stay in the graph for the runtime, because onnxruntime-web cannot resolve external data there', async () => {
  const { runtimeFiles, facts } = await buildVariant({
    model: await readModel(openFileSource(silero)),
    modelKey: 'silero',
    recipe: recipeSchema.parse({}),
    job: quietJob,
    store: temporaryStore(),
    executor: undefined,
    now: () => 0,
  });
  const graph = await readModel(memorySource('graph', await gatherParts(runtimeFiles.graph)), {
    resolveExternal: () => memorySource('weights.bin', new Uint8Array(facts.weightBytes * 2)),
  });
  let inSubgraphs = 0;
  forEachWeight(graph, ({ external }, where) => {
    if (where.graph === graph.graph) return;
    inSubgraphs += 1;
    expect(external).toBeUndefined();
  });
  expect(inSubgraphs).toBeGreaterThan(20);
});
