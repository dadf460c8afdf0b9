import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloat16BitsToFloat32, float32ToBfloat16Bits } from '../../../../src/core/base/float16.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { readTensorFloats, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { forEachWeight } from '../../../../src/core/ir/walk.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { step as bf16 } from '../../../../src/core/quant/bf16.ts';
import { step as rtn } from '../../../../src/core/quant/weight-only-rtn.ts';
import { resolveSteps } from '../../../../src/core/recipe/parse.ts';
import type { StepDefinition } from '../../../../src/core/step/define.ts';
import {
  applyStep,
  countOps,
  type Feeds,
  loadReal,
  type RealModel,
  realFeeds,
  relativeError,
  runOnNode,
  runtimes,
} from './support/bench.ts';
import { constantNode, floatTensor, ifModel, matmulModel, sampleValues } from './support/models.ts';

const step = bf16 as unknown as StepDefinition;
const all = { minElements: 1 };
const node = (opType: string, inputs: string[], output: string): Node =>
  makeNode({ opType, name: `/${output}`, inputs, outputs: [output] });
const x = { type: 'float32' as const, dims: [4, 16], data: sampleValues(64, 5) };
const feeds: Feeds = { x };
const square = (name: string, seed = 1) => floatTensor(name, [16, 16], sampleValues(256, seed));

function modelOf(nodes: readonly Node[], initializers: readonly Tensor[], outputs: readonly string[] = ['y']): Model {
  return makeModel({
    graph: makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', [4, 16])],
      outputs: outputs.map((name) => valueInfo(name, 'float32')),
      initializers,
    }),
  });
}

/** The model with every large weight rounded to bfloat16 by the number-by-number function: what the step must compute. */
async function rounded(model: Model): Promise<Model> {
  const graph = { ...model.graph, initializers: new Map(model.graph.initializers) };
  for (const [name, tensor] of graph.initializers)
    if (tensor.dtype === 'float32') {
      const values = (await readTensorFloats(tensor)).map((v) => bfloat16BitsToFloat32(float32ToBfloat16Bits(v)));
      graph.initializers.set(name, floatTensor(name, tensor.dims, values));
    }
  return { ...model, graph };
}

async function expectRounded(source: Model, given: Feeds = feeds, params: object = all): Promise<Model> {
  const { model } = await applyStep(step, source, params);
  const reference = await runOnNode(await rounded(source), given, 'disabled');
  for (const [runtime, run] of runtimes)
    for (const level of ['disabled', 'all'] as const)
      for (const [name, values] of await run(model, given, level))
        expect(relativeError(values, reference.get(name)!), `${runtime} ${level} ${name}`).toBeLessThan(1e-6);
  return model;
}

const dtypes = (model: Model) => {
  const found: Record<string, string> = {};
  forEachWeight(model, (tensor) => {
    found[tensor.name] = tensor.dtype;
  });
  return found;
};

describe('weights in bfloat16', () => {
  it('compute what rounded float32 weights compute, at half the bytes', async () => {
    const source = matmulModel(64, 64, sampleValues(4096), 13);
    const given = { x: { type: 'float32' as const, dims: [2, 64], data: sampleValues(128, 2) } };
    const model = await expectRounded(source, given);
    const [before, after] = [await modelToBytes(source), await modelToBytes(model)];
    expect(after.byteLength).toBeLessThan(before.byteLength / 2 + 300);
    expect(countOps(model)).toEqual({ Cast: 1, MatMul: 1 });
  });

  it('round to nearest, ties to even; keep infinities; clamp what would become infinite', async () => {
    const bits = fc.array(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }).filter((word) => (word & 0x7f800000) >>> 0 !== 0x7f800000),
      { minLength: 1, maxLength: 64 },
    );
    await fc.assert(
      fc.asyncProperty(bits, async (words) => {
        const values = new Float32Array(Uint32Array.from(words).buffer);
        const source = modelOf([node('Add', ['w', 'w'], 'y')], [floatTensor('w', [values.length], values)]);
        const { model } = await applyStep(step, source, all);
        const stored = await readTensorFloats(model.graph.initializers.get('w_bf16')!);
        for (const [i, value] of values.entries()) {
          const wanted = bfloat16BitsToFloat32(float32ToBfloat16Bits(value));
          const largest = 2 ** 127 * (2 - 2 ** -7);
          expect(stored[i]).toBe(Number.isFinite(wanted) ? wanted : Math.sign(value) * largest);
          if (Math.abs(value) >= 2 ** -126 && Number.isFinite(wanted))
            expect(Math.abs(stored[i]! - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -8);
        }
      }),
      { seed: 5, numRuns: 60 },
    );
    const extremes = floatTensor('w', [4], [Number.POSITIVE_INFINITY, -3.4e38, Number.NaN, 1]);
    const { model, advisories } = await applyStep(step, modelOf([node('Add', ['w', 'w'], 'y')], [extremes]), all);
    expect([...(await readTensorFloats(model.graph.initializers.get('w_bf16')!))]).toEqual([
      Number.POSITIVE_INFINITY,
      -(2 ** 127) * (2 - 2 ** -7),
      Number.NaN,
      1,
    ]);
    expect(advisories.map(({ code }) => code)).toEqual(['quant/clamped', 'quant/nan-weight']);
  });

  it('an embedding is read in bfloat16 and its rows are expanded; a tied one is expanded once', async () => {
    const index = tensorFromInts('i', [4], [3, 0, 15, 3]);
    const alone = modelOf([node('Gather', ['w', 'i'], 'rows'), node('Add', ['rows', 'x'], 'y')], [square('w'), index]);
    const rows = await expectRounded(alone);
    expect(rows.graph.nodes.map(({ opType }) => opType)).toEqual(['Gather', 'Cast', 'Add']);
    const tied = modelOf(
      [node('Gather', ['w', 'i'], 'rows'), node('Add', ['rows', 'x'], 'h'), node('MatMul', ['h', 'w'], 'y')],
      [square('w'), index],
    );
    const once = await expectRounded(tied);
    expect(once.graph.nodes.map(({ opType }) => opType)).toEqual(['Cast', 'Gather', 'Add', 'MatMul']);
    expect(dtypes(once)).toEqual({ i: 'int64', w_bf16: 'bfloat16' });
  });

  it('also where a table is gathered into an output, where a weight is an output, and in Constant nodes', async () => {
    const index = tensorFromInts('i', [4], [3, 0, 15, 3]);
    await expectRounded(
      modelOf(
        [node('Gather', ['w', 'i'], 'y'), node('MatMul', ['x', 'v'], 'z')],
        [square('w'), square('v', 2), index],
        ['y', 'z', 'v'],
      ),
    );
    const { model } = await applyStep(
      step,
      modelOf([constantNode(square('w')), node('MatMul', ['x', 'w'], 'y')], []),
      all,
    );
    expect(dtypes(model)).toEqual({ w_bf16: 'bfloat16' });
    const reference = (await runOnNode(modelOf([node('MatMul', ['x', 'w'], 'y')], [square('w')]), feeds)).get('y')!;
    expect(relativeError((await runOnNode(model, feeds)).get('y')!, reference)).toBeLessThan(2 ** -8);
  });

  it('in bodies: own weights and captured ones', async () => {
    const source = ifModel(16, 16, sampleValues(256, 1), sampleValues(256, 2));
    const { model } = await applyStep(step, source, all);
    expect(dtypes(model)).toEqual({ w_own_bf16: 'bfloat16', w_bf16: 'bfloat16' });
    for (const condition of [0, 1]) {
      const given: Feeds = {
        x: { type: 'float32', dims: [1, 16], data: sampleValues(16, 3) },
        c: { type: 'bool', dims: [], data: [condition] },
      };
      const reference = (await runOnNode(source, given)).get('y')!;
      for (const [, run] of runtimes)
        expect(relativeError((await run(model, given)).get('y')!, reference)).toBeLessThan(2 ** -7);
    }
  });

  it('a weight that a left-out node reads too stays, and is named', async () => {
    const source = modelOf([node('MatMul', ['x', 'w'], 'h'), node('MatMul', ['h', 'w'], 'y')], [square('w')]);
    const { model, advisories } = await applyStep(step, source, { ...all, exclude: ['/y'] });
    expect(dtypes(model)).toEqual({ w: 'float32' });
    expect(advisories.map(({ code }) => code)).toEqual(['quant/weight-also-kept', 'quant/nothing-to-quantize']);
    expect(advisories[0]!.message).toContain('"w"');
  });

  it('leaves small weights, overridable ones, other types, and the scales of quantized nodes', async () => {
    const source = modelOf(
      [node('MatMul', ['x', 'w'], 'h'), node('Add', ['h', 'b'], 'y')],
      [square('w'), floatTensor('b', [16], sampleValues(16))],
    );
    expect(dtypes((await applyStep(step, source, { minElements: 17 })).model)).toEqual({
      b: 'float32',
      w_bf16: 'bfloat16',
    });
    const overridable = matmulModel(16, 16, sampleValues(256));
    overridable.graph.inputs.push(valueInfo('w', 'float32', [16, 16]));
    const kept = await applyStep(step, overridable, all);
    expect(dtypes(kept.model)).toEqual({ w: 'float32' });
    expect(kept.advisories.map(({ code }) => code)).toEqual(['quant/nothing-to-quantize']);
    const four = await applyStep(rtn as unknown as StepDefinition, source, { blockSize: 16 });
    const both = await applyStep(step, four.model, all);
    expect(Object.values(dtypes(both.model)).sort()).toEqual(['bfloat16', 'float32', 'uint8', 'uint8']);
    const reference = (await runOnNode(four.model, feeds)).get('y')!;
    expect(relativeError((await runOnNode(both.model, feeds)).get('y')!, reference)).toBeLessThan(2 ** -8);
  });

  it('old opsets are raised; FP16 beside it is refused', async () => {
    const { model } = await applyStep(step, matmulModel(16, 16, sampleValues(256), 11), all);
    expect(model.opsetImports.get('')).toBe(13);
    const clash = resolveSteps([
      { id: 'bf16', params: {} },
      { id: 'fp16', params: {} },
    ]);
    expect(clash.ok ? '' : clash.error.code).toBe('recipe/invalid');
  });
});

describe('real models in bfloat16', () => {
  for (const name of ['rec', 'cls', 'vad'] as RealModel[])
    it(`${name} keeps its output`, async () => {
      const source = await loadReal(name);
      const { model } = await applyStep(step, source);
      const given = realFeeds(name);
      const reference = await runOnNode(source, given);
      for (const [runtime, run] of runtimes)
        for (const [output, values] of await run(model, given))
          expect(relativeError(values, reference.get(output)!), `${runtime} ${output}`).toBeLessThan(0.06);
      const [before, after] = [await modelToBytes(source), await modelToBytes(model)];
      expect(after.byteLength / before.byteLength).toBeLessThan(0.62);
    }, 60_000);
});
