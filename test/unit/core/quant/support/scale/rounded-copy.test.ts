/** The model that AWQ's search runs on: layers replaced, the model itself as it was. */
import { expect, it } from 'vitest';
import type { Model } from '../../../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../../../src/core/onnx/write.ts';
import { findLinearSites } from '../../../../../../src/core/quant/support/linear-sites.ts';
import { RoundedCopy } from '../../../../../../src/core/quant/support/scale/rounded-copy.ts';
import { openScopes } from '../../../../../../src/core/quant/support/scopes.ts';
import { memoryStore, runOnNode } from '../bench.ts';
import { gemmModel, matmulModel, sampleValues } from '../models.ts';

const [M, K, N] = [3, 40, 6];
const weight = sampleValues(K * N, 3, 5);
const other = sampleValues(K * N, 8, 5);
const turned = (values: Float32Array) =>
  Float32Array.from({ length: K * N }, (_, at) => values[(at % K) * N + Math.floor(at / K)]!);
const models: Readonly<Record<string, (values: Float32Array) => Model>> = {
  MatMul: (values) => matmulModel(K, N, values),
  Gemm: (values) => gemmModel({ M, K, N, transB: false }, values, new Float32Array(0)),
  'Gemm with a transposed weight': (values) =>
    gemmModel({ M, K, N, transB: true }, turned(values), new Float32Array(0)),
};

for (const [name, build] of Object.entries(models))
  it(`computes with the new weight of a ${name}, and leaves the model alone`, async () => {
    const model = build(weight);
    const before = await modelToBytes(model);
    const copy = new RoundedCopy({ model, store: memoryStore });
    await copy.replace(findLinearSites(openScopes(model)).sites[0]!, other);
    const input = model.graph.inputs[0]!.name;
    const feeds = { [input]: { type: 'float32', dims: [M, K], data: sampleValues(M * K, 4) } } as const;
    const output = model.graph.outputs[0]!.name;
    const expected = (await runOnNode(build(other), feeds)).get(output)!;
    expect((await runOnNode(copy.model, feeds)).get(output)!).toEqual(expected);
    expect(await modelToBytes(model)).toEqual(before);
  });

it('leaves a layer alone whose new weight is not finite', async () => {
  const model = matmulModel(K, N, weight);
  const copy = new RoundedCopy({ model, store: memoryStore });
  await copy.replace(findLinearSites(openScopes(model)).sites[0]!, other.slice().fill(Number.NaN));
  expect(copy.model.graph.nodes).toEqual(model.graph.nodes);
});
