import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { attrInts } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { defaultCandidateSettings } from '../../../../src/core/precision/candidates.ts';
import { pointWithinBytes, precisionFrontier } from '../../../../src/core/precision/frontier.ts';
import {
  choicesOf,
  embeddingsOf,
  exactPattern,
  layerGroups,
  mixedRecipe,
} from '../../../../src/core/precision/mixed-recipe.ts';
import type { CandidateId, SensitiveLayer } from '../../../../src/core/precision/results.ts';
import { measureSensitivity } from '../../../../src/core/precision/sensitivity.ts';
import { globToRegExp } from '../../../../src/core/quant/support/patterns.ts';
import { modelSize } from '../../../../src/core/step/model-size.ts';
import { countOps, memoryStore } from '../quant/support/bench.ts';
import {
  convolutionModel,
  executor,
  feeds,
  residualModel,
  sourceOf,
  threeSamples,
  variantOf,
  weight,
} from './models.ts';

const layer = (name: string, change: Partial<SensitiveLayer> = {}): SensitiveLayer => ({
  name,
  opType: 'MatMul',
  order: 0,
  output: `${name}_y`,
  parameters: 100,
  weightBytes: 400,
  weightKey: name,
  inputKey: `${name}_x`,
  points: [
    { candidate: 'keep', bytes: 400, localSqnrDb: 200, loss: 0, agreement: 1 },
    { candidate: '4', bytes: 60, localSqnrDb: 20, loss: 0.1, agreement: 0.9 },
    { candidate: 'int8', bytes: 110, localSqnrDb: 35, loss: 0.01, agreement: 0.99 },
  ],
  ...change,
});
const request = (choices: Record<string, CandidateId>) => ({
  name: 'Mixed',
  steps: [],
  settings: defaultCandidateSettings,
  choices: new Map(Object.entries(choices)),
});

describe('groups of layers', () => {
  it('ties what shares a weight and counts it once, and on request what shares an input', () => {
    const layers = [
      layer('q', { inputKey: 'h' }),
      layer('tied', { weightKey: 'q' }),
      layer('k', { inputKey: 'h' }),
      layer('alone'),
    ];
    const groups = layerGroups({ layers }, { family: 'weights' });
    expect(groups.map((group) => group.layers)).toEqual([['q', 'tied'], ['k'], ['alone']]);
    expect(groups[0]!.options).toEqual([
      { candidate: 'keep', bytes: 400, loss: 0 },
      { candidate: '4', bytes: 60, loss: 0.2 },
    ]);
    const tied = layerGroups({ layers }, { family: 'weights', tieInputs: true });
    expect(tied.map((group) => group.layers)).toEqual([['q', 'tied', 'k'], ['alone']]);
    expect(tied[0]!.options[1]).toMatchObject({ bytes: 120 });
    const late = [layer('a'), layer('b'), layer('c', { weightKey: 'a', inputKey: 'b_x' })];
    expect(layerGroups({ layers: late }, { family: 'weights', tieInputs: true })[0]!.layers).toEqual(['a', 'b', 'c']);
  });

  it('offers what one recipe can hold', () => {
    const candidatesOf = (family: 'weights' | 'dynamic' | 'static') =>
      layerGroups({ layers: [layer('a')] }, { family }).map(({ options }) => options.map(({ candidate }) => candidate));
    expect(candidatesOf('weights')).toEqual([['keep', '4']]);
    expect(candidatesOf('dynamic')).toEqual([['keep', 'int8']]);
    expect(candidatesOf('static')).toEqual([]);
  });
});

describe('recipes from choices', () => {
  it('has the commonest bits for all and an override for every other layer', () => {
    const recipe = mixedRecipe(request({ a: '4', b: '4', c: '8', d: 'keep', 'e=*': '2' }));
    expect(recipe.steps).toMatchObject([
      { id: 'weight-only-rtn', params: { bits: 4, blockSize: 32, overrides: ['c=8', 'd=keep', 'e=?=2'] } },
    ]);
  });

  it('names the shorter list of nodes for integer forms', () => {
    const few = mixedRecipe(request({ a: 'int8', b: 'int8', c: 'keep' }));
    expect(few.steps).toMatchObject([{ id: 'dynamic-int8', params: { exclude: ['c'], include: [] } }]);
    const many = mixedRecipe(request({ a: 'int8-weights', b: 'keep', c: 'keep', d: '4' }));
    expect(many.steps).toMatchObject([
      { id: 'weight-only-rtn', params: { bits: 4, overrides: ['a=keep', 'b=keep', 'c=keep'] } },
      { id: 'weight-int8', params: { include: ['a'], exclude: [] } },
    ]);
    const all = Object.fromEntries(Array.from({ length: 260 }, (_, i) => [`n${i}`, i % 2 ? 'int8' : 'keep'] as const));
    expect(() => mixedRecipe(request(all))).toThrow(/130 layers would have to be named/);
  });

  it('has a step of its own for embeddings in blocks, with the larger of differing bits', () => {
    const choices = new Map<string, CandidateId>([
      ['head', '4'],
      ['words', '4'],
      ['positions', '8'],
      ['types', 'keep'],
    ]);
    const embeddings = new Set(['words', 'positions', 'types']);
    const { steps } = mixedRecipe({
      name: 'Mixed',
      steps: [],
      choices,
      embeddings,
      settings: defaultCandidateSettings,
    });
    expect(steps).toMatchObject([
      { id: 'weight-only-rtn', params: { bits: 4, overrides: [] } },
      { id: 'quantize-embeddings', params: { bits: 8, include: ['words', 'positions'] } },
    ]);
  });

  it('refuses what cannot be combined', () => {
    expect(() => mixedRecipe(request({ a: 'int8', b: '4' }))).toThrow(/cannot be combined/);
  });

  it('has patterns that match the name they are made of, and say which of the long ones', () => {
    for (const name of ['/layers.0/q_proj/MatMul', 'a*b?c[0]', ' spaced ', 'x'.repeat(300)]) {
      const pattern = exactPattern(name);
      expect(globToRegExp(pattern.trim()).test(name), name).toBe(true);
      expect(pattern.length).toBeLessThanOrEqual(200);
    }
    expect(globToRegExp(exactPattern('a.b')).test('axb')).toBe(false);
  });
});

describe('from measurements to a file', () => {
  it('builds what was chosen, as large as was predicted', async () => {
    const model = residualModel();
    const sensitivity = await measureSensitivity({
      model,
      key: 'test',
      executor,
      store: memoryStore,
      source: threeSamples,
      job: quietJob,
    });
    const groups = layerGroups(sensitivity, { family: 'weights' });
    const frontier = precisionFrontier(groups);
    const keptBytes = groups.reduce((sum, { options }) => sum + options[0]!.bytes, 0);
    for (const share of [0.05, 0.2, 0.5]) {
      const point = pointWithinBytes(frontier, share * keptBytes);
      if (point < 0) continue;
      const choices = choicesOf(groups, frontier.choices(point));
      const recipe = mixedRecipe({ name: 'Mixed', steps: [], choices, settings: defaultCandidateSettings });
      const variant = await variantOf(model, recipe.steps);
      const bits = Object.fromEntries(
        variant.graph.nodes
          .filter(({ opType }) => opType === 'MatMulNBits')
          .map((node) => [node.outputs[0]!, String((node.attributes.get('bits') as { value: bigint }).value)]),
      );
      const outputs = new Map(sensitivity.layers.map(({ name, output }) => [name, output]));
      for (const [name, choice] of choices)
        expect(bits[outputs.get(name)!] ?? 'not in blocks', `${name} at ${share}`).toBe(
          /^\d$/.test(choice) ? choice : 'not in blocks',
        );
      const predicted = sensitivity.modelBytes - keptBytes + frontier.points[point]!.bytes;
      expect(Math.abs(modelSize(variant).fileBytes - predicted)).toBeLessThan(3000);
    }
  });

  it('leaves out of static INT8 what was chosen to stay', async () => {
    const model = convolutionModel();
    const source = sourceOf(feeds('image', [2, 3, 12, 12]));
    const choices = new Map<string, CandidateId>([
      ['conv', 'int8-static'],
      ['fc', 'keep'],
    ]);
    const { steps } = mixedRecipe({ name: 'Mixed', steps: [], choices, settings: defaultCandidateSettings });
    const variant = await variantOf(model, steps, source);
    const gemm = variant.graph.nodes.find(({ opType }) => opType === 'Gemm')!;
    expect(gemm.inputs[1]).toBe('w');
    expect(countOps(variant).QuantizeLinear).toBeGreaterThan(0);
  });

  it('measures embeddings too, and ties one to the output layer that reads the same table', async () => {
    const model = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'Gather', name: 'embed', inputs: ['table', 'ids'], outputs: ['h'] }),
          makeNode({ opType: 'MatMul', name: 'dense', inputs: ['h', 'w'], outputs: ['d'] }),
          makeNode({ opType: 'Transpose', inputs: ['table'], outputs: ['t'], attributes: { perm: attrInts([1, 0]) } }),
          makeNode({ opType: 'MatMul', name: 'head', inputs: ['d', 't'], outputs: ['logits'] }),
        ],
        inputs: [valueInfo('ids', 'int64', ['n'])],
        outputs: [valueInfo('logits', 'float32', ['n', 128])],
        initializers: [weight('table', [128, 64], 1), weight('w', [64, 64])],
      }),
    });
    const ids = new Map([
      [
        'ids',
        { dtype: 'int64' as const, dims: [5], data: new Uint8Array(BigInt64Array.of(1n, 9n, 33n, 80n, 127n).buffer) },
      ],
    ]);
    const sensitivity = await measureSensitivity({
      model,
      key: 'tied',
      executor,
      store: memoryStore,
      source: sourceOf(ids),
      job: quietJob,
      candidates: ['2', '4', '8'],
    });
    const byName = Object.fromEntries(sensitivity.layers.map((found) => [found.name, found]));
    expect(byName.embed!.weightKey).toBe(byName.head!.weightKey);
    expect(byName.embed!.points.map(({ candidate }) => candidate)).toEqual(['keep', '4', '8']);
    const groups = layerGroups(sensitivity, { family: 'weights' });
    expect(groups.map((group) => group.layers)).toEqual([['embed', 'head'], ['dense']]);
    const choices = new Map<string, CandidateId>([
      ['embed', '4'],
      ['head', '4'],
      ['dense', '8'],
    ]);
    const embeddings = embeddingsOf(sensitivity);
    const { steps } = mixedRecipe({
      name: 'Mixed',
      steps: [],
      choices,
      embeddings,
      settings: defaultCandidateSettings,
    });
    const variant = await variantOf(model, steps);
    expect(countOps(variant)).toMatchObject({
      'com.microsoft.GatherBlockQuantized': 1,
      'com.microsoft.MatMulNBits': 2,
    });
    const chosen = groups.map(({ layers, options }) => options.find((o) => o.candidate === choices.get(layers[0]!))!);
    const kept = groups.reduce((sum, { options }) => sum + options[0]!.bytes, 0);
    const predicted = sensitivity.modelBytes - kept + chosen.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(Math.abs(modelSize(variant).fileBytes - predicted)).toBeLessThan(2500);
  });
});
