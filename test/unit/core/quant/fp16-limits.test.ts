import { describe, expect, it } from 'vitest';
import { attrGraph, attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { step as fp16 } from '../../../../src/core/quant/fp16.ts';
import { reductionDepth } from '../../../../src/core/quant/support/half-limits.ts';
import { needsCalibration } from '../../../../src/core/recipe/needs.ts';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import type { CalibrationSource, StepDefinition } from '../../../../src/core/step/define.ts';
import { applyStep, asHalf, type Feeds, nodesOfType, relativeError, runOnNode, runtimes } from './support/bench.ts';
import { applyCalibrated, float32Feed, generatedInputs } from './support/calibrated.ts';
import { floatTensor, sampleValues } from './support/models.ts';

const step = fp16 as unknown as StepDefinition;
const node = (opType: string, inputs: string[], output: string, attributes = {}): Node =>
  makeNode({ opType, name: `/${output}`, inputs, outputs: [output], attributes });
const modelOf = (nodes: readonly Node[], weights: readonly Tensor[], outputs: readonly string[] = ['y']): Model =>
  makeModel({
    graph: makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', [2, 16])],
      outputs: outputs.map((name) => valueInfo(name, 'float32')),
      initializers: weights,
    }),
  });
const square = (name: string, seed: number, scale = 1) =>
  floatTensor(
    name,
    [16, 16],
    sampleValues(256, seed).map((v) => v * scale),
  );
const dtypes = (model: Model) => Object.fromEntries([...model.graph.initializers].map(([k, { dtype }]) => [k, dtype]));

/** A body that takes the root of an outer value. */
const rootOf = (name: string, value: string) =>
  makeGraph({
    name,
    nodes: [makeNode({ opType: 'Sqrt', name: `/${name}`, inputs: [value], outputs: [`${name}_y`] })],
    outputs: [valueInfo(`${name}_y`, 'float32')],
  });

/**
 * Ordinary weights and inputs, and a sum of squares between them that passes 65504 before a root brings it back. The root
 * is in a body: what crosses into one is really stored as float16. Elsewhere onnxruntime's CPU kernels, which compute in
 * float32, drop the Casts and hide what a float16 device would do.
 */
const overflowing = makeModel({
  graph: makeGraph({
    nodes: [
      node('MatMul', ['x', 'w1'], 'a'),
      node('Mul', ['a', 'a'], 'squares'),
      node('ReduceSum', ['squares', 'axis'], 'sum', { keepdims: attrInt(1) }),
      node('If', ['c'], 'norm', {
        then_branch: attrGraph(rootOf('then', 'sum')),
        else_branch: attrGraph(rootOf('else', 'sum')),
      }),
      node('Div', ['a', 'norm'], 'unit'),
      node('MatMul', ['unit', 'w2'], 'b'),
      node('Relu', ['b'], 'y'),
    ],
    inputs: [valueInfo('x', 'float32', [2, 16]), valueInfo('c', 'bool', [])],
    outputs: [valueInfo('y', 'float32')],
    initializers: [square('w1', 1, 30), square('w2', 2), tensorFromInts('axis', [1], [-1])],
  }),
});
const withCondition = (source: CalibrationSource): CalibrationSource => ({
  origin: source.origin,
  async *feeds() {
    for await (const feeds of source.feeds())
      yield new Map([...feeds, ['c', { dtype: 'bool' as const, dims: [], data: Uint8Array.of(1) }]]);
  },
});
const inputs = withCondition(generatedInputs({ x: [2, 16] }, 20, 4));
const x = { type: 'float32' as const, dims: [2, 16], data: sampleValues(32, 9).map((v) => v * 4) };
const feeds: Feeds = { x };
const conditional: Feeds = { x, c: { type: 'bool', dims: [], data: [1] } };

describe('exclusions by calibration', () => {
  it('save a model that plain float16 breaks', async () => {
    const reference = (await runOnNode(overflowing, conditional)).get('y')!;
    const plain = await applyStep(step, overflowing);
    const saved = await applyCalibrated(step, overflowing, inputs, { exclusions: 'calibrated' });
    for (const [runtime, run] of runtimes) {
      const broken = (await run(plain.model, conditional, 'disabled')).get('y')!;
      expect(relativeError(broken, reference), runtime).toBeGreaterThan(0.5);
      for (const level of ['disabled', 'all'] as const)
        expect(relativeError((await run(saved.model, conditional, level)).get('y')!, reference), runtime).toBeLessThan(
          5e-3,
        );
    }
    // What is harmless is converted all the same.
    expect(dtypes(saved.model)).toMatchObject({ w2: 'float16', w1: 'float16' });
    const kept = saved.advisories.find(({ code }) => code === 'quant/kept-float32')!;
    expect(kept.message).toMatch(
      /^Kept in float32: .*\/squares.*, because its values pass 512 in the calibration inputs/,
    );
    const facts = saved.ledger[0]!.facts as {
      beyondLimit: { node: string; largest: number }[];
      calibrationSamples: number;
    };
    expect(facts.calibrationSamples).toBe(20);
    expect(facts.beyondLimit.find((entry) => entry.node === '/squares')!.largest).toBeGreaterThan(65504);
  });

  it('also with float16 inputs and outputs', async () => {
    const { model } = await applyCalibrated(step, overflowing, inputs, {
      exclusions: 'calibrated',
      keepIoTypes: false,
    });
    const reference = (await runOnNode(overflowing, conditional)).get('y')!;
    expect(relativeError((await runOnNode(model, asHalf(conditional), 'disabled')).get('y')!, reference)).toBeLessThan(
      5e-3,
    );
  });

  it('change nothing where no value is large', async () => {
    const calm = modelOf([node('MatMul', ['x', 'w'], 'y')], [square('w', 3)]);
    const { model, advisories } = await applyCalibrated(step, calm, generatedInputs({ x: [2, 16] }, 20), {
      exclusions: 'calibrated',
    });
    expect(model.graph.nodes).toEqual((await applyStep(step, calm)).model.graph.nodes);
    expect(advisories.map(({ code }) => code)).toEqual(['quant/calibrated']);
  });

  it('follow the limit', async () => {
    const calm = modelOf([node('MatMul', ['x', 'w'], 'a'), node('Neg', ['a'], 'y')], [square('w', 3)]);
    const { advisories, model } = await applyCalibrated(step, calm, generatedInputs({ x: [2, 16] }, 20, 4), {
      exclusions: 'calibrated',
      largestValue: 1,
    });
    expect(advisories.map(({ code }) => code)).toContain('quant/kept-float32');
    expect(dtypes(model)).toEqual({ w: 'float32' });
  });

  it('take infinities for what they are: float16 has them too', async () => {
    const mask = floatTensor(
      'mask',
      [2, 16],
      Float32Array.from({ length: 32 }, (_, i) => (i % 3 ? 0 : -Infinity)),
    );
    const masked = modelOf(
      [node('Add', ['x', 'mask'], 'scores'), node('Softmax', ['scores'], 'p'), node('MatMul', ['p', 'w'], 'y')],
      [mask, square('w', 3)],
    );
    const { model, advisories } = await applyCalibrated(step, masked, generatedInputs({ x: [2, 16] }, 20), {
      exclusions: 'calibrated',
    });
    expect(advisories.map(({ code }) => code)).not.toContain('quant/kept-float32');
    const reference = (await runOnNode(masked, feeds)).get('y')!;
    expect(relativeError((await runOnNode(model, feeds)).get('y')!, reference)).toBeLessThan(5e-3);
  });

  it('count what a body captures as read by its owner, and say that bodies are not measured', async () => {
    const { model, advisories } = await applyCalibrated(step, overflowing, inputs, { exclusions: 'calibrated' });
    expect(advisories.map(({ code }) => code)).toContain('quant/subgraphs-not-measured');
    expect(advisories.find(({ code }) => code === 'quant/kept-float32')!.message).toContain('and 1 more');
    const body = nodesOfType(model, 'Sqrt')[0]!;
    expect(body.inputs).toEqual(['sum']);
  });
});

describe('calibration of float16', () => {
  const bad = (feed: ReturnType<typeof float32Feed>): CalibrationSource => ({
    origin: 'calibration-split',
    async *feeds() {
      yield new Map([
        ['x', feed],
        ['c', { dtype: 'bool' as const, dims: [], data: Uint8Array.of(1) }],
      ]);
    },
  });
  const run = (source: CalibrationSource | undefined) =>
    applyCalibrated(step, overflowing, source, { exclusions: 'calibrated' });

  it('is asked for only where it is used', () => {
    const recipe = (params: Record<string, string>) => recipeSchema.parse({ steps: [{ id: 'fp16', params }] });
    expect(needsCalibration(recipe({}))).toBe(false);
    expect(needsCalibration(recipe({ exclusions: 'calibrated' }))).toBe(true);
  });

  it('says what is missing or wrong', async () => {
    await expect(run(undefined)).rejects.toMatchObject({ code: 'calib/no-data' });
    await expect(
      applyCalibrated(step, overflowing, inputs, { exclusions: 'calibrated' }, { executor: undefined }),
    ).rejects.toMatchObject({ code: 'pass/refused' });
    await expect(run(bad(float32Feed([2, 15], new Float32Array(30))))).rejects.toMatchObject({
      code: 'task/shape-mismatch',
    });
    await expect(run(bad({ dtype: 'int32', dims: [2, 16], data: new Uint8Array(128) }))).rejects.toMatchObject({
      code: 'task/shape-mismatch',
    });
    await expect(run(bad(float32Feed([2, 16], new Float32Array(32).fill(Number.NaN))))).rejects.toMatchObject({
      code: 'calib/not-finite',
      data: { tensor: 'x', sample: 1 },
    });
    await expect(run({ origin: 'generated', async *feeds() {} })).rejects.toMatchObject({
      code: 'calib/too-few-samples',
    });
    const { advisories } = await run(withCondition(generatedInputs({ x: [2, 16] }, 1, 4)));
    expect(advisories.map(({ code }) => code)).toContain('quant/few-samples');
  });
});

describe('long sums and named nodes', () => {
  it('a longer sum than the limit stays', async () => {
    const source = modelOf([node('MatMul', ['x', 'w'], 'a'), node('Neg', ['a'], 'y')], [square('w', 3)]);
    const at = async (maxReductionDepth: number) =>
      dtypes((await applyStep(step, source, { maxReductionDepth })).model).w;
    expect([await at(0), await at(16), await at(15)]).toEqual(['float16', 'float16', 'float32']);
  });

  it('counts the terms of each operator', () => {
    const sizes: Record<string, readonly number[]> = {
      a: [2, 8, 16],
      m: [16, 4],
      image: [1, 6, 9, 9],
      w: [8, 3, 5, 5],
      t: [6, 2, 3, 3],
      r: [2, 1, 16],
    };
    const depth = (opType: string, inputs: string[], output = 'y', attributes = {}) =>
      reductionDepth(makeNode({ opType, inputs, outputs: [output], attributes }), (value) => sizes[value]);
    expect(depth('MatMul', ['a', 'm'])).toBe(16);
    expect(depth('MatMul', ['unknown', 'm'])).toBe(16);
    expect(depth('Gemm', ['m', 'unknown'], 'y', { transA: attrInt(1) })).toBe(16);
    expect(depth('Conv', ['image', 'w'], 'y', { group: attrInt(2) })).toBe(75);
    expect(depth('ConvTranspose', ['image', 't'], 'y', { group: attrInt(2) })).toBe(27);
    expect(depth('GlobalAveragePool', ['image'])).toBe(81);
    expect(depth('ReduceMean', ['a'], 'r')).toBe(8);
    expect(depth('Relu', ['a'])).toBeUndefined();
    expect(depth('MatMul', ['unknown', 'unknown'])).toBeUndefined();
  });

  it('converts only what is named', async () => {
    const source = modelOf(
      [node('MatMul', ['x', 'w'], 'a'), node('MatMul', ['a', 'v'], 'y')],
      [square('w', 3), square('v', 4)],
    );
    const { model, advisories } = await applyStep(step, source, { include: ['/a'] });
    expect(dtypes(model)).toEqual({ w: 'float16', v: 'float32' });
    expect(advisories).toEqual([]);
    const reference = (await runOnNode(source, feeds)).get('y')!;
    expect(relativeError((await runOnNode(model, feeds)).get('y')!, reference)).toBeLessThan(5e-3);
  });
});
