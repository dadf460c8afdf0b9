/** Rescaled models compute what they did, for every producer that can take factors in, and for those that cannot. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Model, Tensor } from '../../../../../../src/core/ir/types.ts';
import { ScaleFolder } from '../../../../../../src/core/quant/support/scale/scale-folder.ts';
import { findScaleGroups } from '../../../../../../src/core/quant/support/scale/scale-groups.ts';
import { closeScopes, openScopes } from '../../../../../../src/core/quant/support/scopes.ts';
import { defineStep, runsEverywhere, type StepDefinition } from '../../../../../../src/core/step/define.ts';
import type { RescaledValues } from '../../../../../../src/core/step/rescaled.ts';
import { float, ints, model, node, noise, type Parts, scalar, tensor } from '../../../passes/helpers.ts';
import { applyStep, countOps, type Feeds, relativeError, runOnNode } from '../bench.ts';

interface Outcome {
  readonly model: Model;
  /** Root, whether it was folded or why not, whether it was done. */
  readonly groups: readonly { root: string; reason: string | undefined; shared: number }[];
  readonly rescaled: RescaledValues;
}

const divisorOf = (channel: number) => 2 ** (((channel * 7) % 5) - 2) * 1.3;

/** Divides every group by factors between 0.3 and 5. */
async function rescale(source: Model, only?: string): Promise<Outcome> {
  const groups: { root: string; reason: string | undefined; shared: number }[] = [];
  let rescaled: RescaledValues | undefined;
  const step = defineStep({
    id: 'test-rescale',
    title: 'Rescale',
    summary: '',
    section: 'quantization',
    order: 300,
    params: z.object({}),
    precision: 'exact-within-fp',
    needs: {},
    source: '',
    runsOn: () => runsEverywhere,
    run: async (ctx) => {
      const scopes = openScopes(ctx.model);
      const folder = new ScaleFolder(ctx, scopes[0]!, await ctx.shapes());
      rescaled = ctx.rescaled;
      const isChosen = () => true;
      for (const group of findScaleGroups(scopes[0]!, { shapeOf: folder.shapeOf, isChosen })) {
        if (only !== undefined && group.root !== only) continue;
        const placement = folder.place(group);
        const shared = folder.sharing(group, placement).length;
        groups.push({ root: group.root, reason: placement.reason, shared });
        if (shared > 0) continue;
        const divisors = Float64Array.from({ length: group.channels }, (_, at) => divisorOf(at));
        expect(await folder.divide(group, divisors, placement)).toBe(true);
        ctx.ledger.record('rescaled', [group.root], []);
      }
      closeScopes(scopes);
    },
  });
  const outcome = await applyStep(step as unknown as StepDefinition, source);
  return { model: outcome.model, groups, rescaled: rescaled! };
}

function feedsOf(source: Model): Feeds {
  return Object.fromEntries(
    source.graph.inputs.map(({ name, type }) => {
      const dims = (type as unknown as { shape: number[] }).shape;
      const count = dims.reduce((a, b) => a * b, 1);
      return [name, { type: 'float32' as const, dims, data: Array.from(noiseOf(count, name)) }];
    }),
  );
}
const noiseOf = (count: number, seed: string) =>
  new Float32Array((noise(seed, [count]).data as { bytes: Uint8Array }).bytes.slice().buffer);

async function expectSame(source: Model, changed: Model): Promise<void> {
  const feeds = feedsOf(source);
  const reference = await runOnNode(source, feeds, 'disabled');
  for (const level of ['disabled', 'all'] as const) {
    const outputs = await runOnNode(changed, feeds, level);
    for (const [name, values] of reference)
      expect(relativeError(outputs.get(name)!, values), `${level} ${name}`).toBeLessThan(1e-5);
  }
}

const w = (seed: number, ...dims: number[]): Tensor => noise(seed, dims);
const x4 = { x: [1, 4, 6, 6] };
const x3 = { x: [2, 5, 4] };
const conv1 = node('y = Conv(v, w9)');
const mm = 'y = MatMul(v, w9)';
const weights = { w9: w(9, 4, 3) };
const weights4 = { w9: w(9, 3, 4, 1, 1) };
const line = (nodes: Parts['nodes'], extra: Readonly<Record<string, Tensor>>, more: Partial<Parts> = {}): Parts => ({
  inputs: x3,
  outputs: ['y'],
  nodes: [...nodes, mm],
  weights: { ...weights, ...extra },
  ...more,
});
const image = (nodes: Parts['nodes'], extra: Readonly<Record<string, Tensor>>, more: Partial<Parts> = {}): Parts => ({
  inputs: x4,
  outputs: ['y'],
  nodes: [...nodes, conv1],
  weights: { ...weights4, ...extra },
  ...more,
});

const norms = { g: w(1, 4), b: w(2, 4) };
const foldable: Readonly<Record<string, Parts>> = {
  LayerNormalization: line(['v = LayerNormalization(x, g, b)'], norms),
  'LayerNormalization without beta': line(['v = LayerNormalization(x, g)'], norms),
  'LayerNormalization, positive axis': line([node('v = LayerNormalization(x, g, b)', { axis: 2 })], norms),
  SimplifiedLayerNormalization: line([node('v = SimplifiedLayerNormalization(x, g)', { axis: -1 })], norms),
  SkipLayerNormalization: line([node('v = com.microsoft.SkipLayerNormalization(x, x, g, b)')], norms, {
    contrib: true,
  }),
  'SkipSimplifiedLayerNormalization with its sum read': line(
    [node('v,,,s = com.microsoft.SkipSimplifiedLayerNormalization(x, x, g)')],
    norms,
    { contrib: true, outputs: ['y', 's'] },
  ),
  RMSNormalization: line([node('v = RMSNormalization(x, g)')], norms, { opset: 23 }),
  'a gamma of its own (Mul)': line(['r = Tanh(x)', 'v = Mul(g, r)'], norms),
  'Mul by a scalar': line(['r = Tanh(x)', 'v = Mul(r, k)'], { k: scalar(0.7) }),
  'Div of a constant': line(['r = Exp(x)', 'v = Div(k, r)'], { k: scalar(0.7) }),
  MatMul: line(['v = MatMul(x, a)'], { a: w(3, 4, 4) }),
  'MatMul and bias': line(['r = MatMul(x, a)', 'v = Add(b, r)'], { a: w(3, 4, 4), b: w(4, 4) }),
  'MatMul and a scalar bias, Relu': line(['r = MatMul(x, a)', 's = Sub(r, k)', 'v = Relu(s)'], {
    a: w(3, 4, 4),
    k: scalar(0.3),
  }),
  Gemm: line(['v = Gemm(x, a, b)'], { a: w(3, 4, 4), b: w(4, 4) }, { inputs: { x: [2, 4] } }),
  'Gemm, transposed, with factors and a scalar bias': line(
    [node('v = Gemm(x, a, b)', { transB: 1, alpha: float(0.5), beta: float(2) })],
    { a: w(3, 4, 4), b: scalar(0.4) },
    { inputs: { x: [2, 4] } },
  ),
  'a gated MLP': line(['u = MatMul(x, a)', 'h = MatMul(x, c)', 't = Tanh(h)', 'v = Mul(t, u)'], {
    a: w(3, 4, 4),
    c: w(5, 4, 4),
  }),
  'values through attention': line(['p = MatMul(x, a)', 'z = MatMul(x, tt)', 'q = Softmax(z)', 'v = MatMul(q, p)'], {
    a: w(3, 4, 4),
    tt: w(6, 4, 5),
  }),
  Conv: image(['v = Conv(x, a, b)'], { a: w(3, 4, 4, 1, 1), b: w(4, 4) }),
  'depthwise Conv and LeakyRelu': image(
    [node('r = Conv(x, a)', { group: 4 }), node('v = LeakyRelu(r)', { alpha: float(0.2) })],
    { a: w(3, 4, 1, 3, 3) },
  ),
  'Conv and PRelu': image(['r = Conv(x, a)', 'v = PRelu(r, s)'], { a: w(3, 4, 4, 1, 1), s: w(4, 4, 1, 1) }),
  ConvTranspose: image(['v = ConvTranspose(x, a, b)'], { a: w(3, 4, 4, 2, 2), b: w(4, 4) }),
  BatchNormalization: image(['t = Tanh(x)', 'v = BatchNormalization(t, g, b, m, s)'], {
    ...norms,
    m: w(5, 4),
    s: tensor([4], [1, 2, 0.5, 3]),
  }),
  InstanceNormalization: image(['v = InstanceNormalization(x, g, b)'], norms),
  'pools, Pad and Resize': image(
    [
      'c = Conv(x, a)',
      node('p = MaxPool(c)', { kernel_shape: [2, 2] }),
      node('q = AveragePool(p)', { kernel_shape: [2, 2] }),
      'd = Pad(q, pads)',
      node('v = Resize(d, , scales)', { mode: 'linear' }),
    ],
    { a: w(3, 4, 4, 1, 1), pads: ints(0, 0, 1, 1, 0, 0, 1, 1), scales: tensor([4], [1, 1, 2, 2]) },
  ),
  'Clip at zero': image(['c = Conv(x, a)', 'v = Clip(c, zero)'], { a: w(3, 4, 4, 1, 1), zero: scalar(0) }),
  'GlobalAveragePool and Flatten to Gemm': {
    inputs: x4,
    outputs: ['y'],
    nodes: ['c = Conv(x, a)', 'p = GlobalAveragePool(c)', 'f = Flatten(p)', node('y = Gemm(f, w9)', { transB: 1 })],
    weights: { a: w(3, 4, 4, 1, 1), w9: w(9, 3, 4) },
  },
  'Reshape and Transpose that keep channels': line(
    [
      'n = LayerNormalization(x, g, b)',
      's = Shape(n)',
      node('t = Transpose(n)', { perm: [1, 0, 2] }),
      'v = Reshape(t, shape)',
    ],
    { ...norms, shape: ints(10, 4) },
    { outputs: ['y', 's'] },
  ),
};

describe('folds a factor a channel into', () => {
  for (const [name, parts] of Object.entries(foldable))
    it(name, async () => {
      const source = model(parts);
      const before = countOps(source);
      const { model: changed, groups } = await rescale(source, rootOf(parts));
      expect(groups.map(({ reason }) => reason)).toEqual([undefined]);
      expect(countOps(changed)).toEqual(before);
      expect(changed.graph.nodes).not.toEqual(source.graph.nodes);
      await expectSame(source, changed);
    });
});

/** The last layer's group: its root lies before movements. */
function rootOf({ nodes }: Parts): string {
  const texts = nodes.map((item) =>
    typeof item === 'string' ? item : `${item.outputs[0]} = ${item.opType}(${item.inputs})`,
  );
  if (texts.some((text) => text.startsWith('f = Flatten'))) return 'p';
  return texts.some((text) => text.startsWith('v = Reshape')) ? 'n' : 'v';
}

const residual = 'y2 = Add(v, x)';
const near: Readonly<Record<string, { parts: Parts; reason: RegExp; muls: number }>> = {
  'a reader that is no layer': {
    parts: line(['v = LayerNormalization(x, g, b)', residual], norms, { outputs: ['y', 'y2'] }),
    reason: /Add reads it too/,
    muls: 1,
  },
  'a graph output': {
    parts: line(['v = LayerNormalization(x, g, b)'], norms, { outputs: ['y', 'v'] }),
    reason: /output of the graph/,
    muls: 1,
  },
  'a graph input': { parts: { ...line([], {}), inputs: { v: [2, 5, 4] } }, reason: /input of the graph/, muls: 1 },
  'an activation that is not homogeneous': {
    parts: line(['r = MatMul(x, a)', 'v = Tanh(r)'], { a: w(3, 4, 4) }),
    reason: /Tanh does not commute/,
    muls: 1,
  },
  'a clip from above': {
    parts: image(['c = Conv(x, a)', 'v = Clip(c, zero, six)'], {
      a: w(3, 4, 4, 1, 1),
      zero: scalar(0),
      six: scalar(6),
    }),
    reason: /Clip does not commute/,
    muls: 1,
  },
  'a residual branch behind the activation': {
    parts: image(
      ['c = Conv(x, a)', 'v = Relu(c)', 'y2 = Add(c, x)'],
      { a: w(3, 4, 4, 1, 1) },
      { outputs: ['y', 'y2'] },
    ),
    reason: /read elsewhere/,
    muls: 1,
  },
  'a square': {
    parts: line(['r = MatMul(x, a)', 'v = Mul(r, r)'], { a: w(3, 4, 4) }),
    reason: /read twice/,
    muls: 1,
  },
  'a gate of one channel': {
    parts: line(['r = MatMul(x, a)', 'v = Mul(r, x)'], { a: w(3, 4, 1) }),
    reason: /read elsewhere/,
    muls: 1,
  },
  'a Reshape that splits channels': {
    parts: line(['r = MatMul(x, a)', 'v = Reshape(r, shape)'], { a: w(3, 4, 8), shape: ints(2, 10, 4) }),
    reason: /Reshape does not commute/,
    muls: 1,
  },
  'a weight that a caller may override': {
    parts: line(['v = MatMul(x, a)'], { a: w(3, 4, 4) }, { inputs: { ...x3, a: [4, 4] } }),
    reason: /MatMul does not commute|input of the graph/,
    muls: 1,
  },
};

describe('puts a Mul node where', () => {
  for (const [name, { parts, reason, muls }] of Object.entries(near))
    it(name, async () => {
      const source = model(parts);
      const { model: changed, groups } = await rescale(source, 'v');
      expect(groups).toHaveLength(1);
      expect(groups[0]!.reason).toMatch(reason);
      expect((countOps(changed).Mul ?? 0) - (countOps(source).Mul ?? 0)).toBe(muls);
      await expectSame(source, changed);
    });
});

describe('weights', () => {
  it('of a shared gamma are copied, so that the other norm keeps its own', async () => {
    const source = model(line(['u = LayerNormalization(x, g, b)', 'v = LayerNormalization(u, g, b)'], norms));
    const { model: changed } = await rescale(source);
    await expectSame(source, changed);
    expect(changed.graph.initializers.get('g')).toBe(source.graph.initializers.get('g'));
  });

  it('of several layers that read one value all change, a shared one once', async () => {
    const source = model({
      inputs: x3,
      outputs: ['y', 'p', 'q'],
      nodes: ['v = LayerNormalization(x, g, b)', mm, 'p = MatMul(v, w9)', 't = Transpose(k)', 'q = MatMul(v, t)'],
      weights: { ...weights, ...norms, k: w(8, 6, 4) },
    });
    const { model: changed, groups } = await rescale(source);
    expect(groups).toEqual([{ root: 'v', reason: undefined, shared: 0 }]);
    expect([...changed.graph.initializers.values()].filter(({ dims }) => dims.join() === '4,3')).toHaveLength(1);
    await expectSame(source, changed);
  });

  it('that another node needs are reported', async () => {
    const source = model({
      inputs: { ...x3, i: { dtype: 'int64', shape: [2] } },
      outputs: ['y', 'e'],
      nodes: ['v = LayerNormalization(x, g, b)', 't = Transpose(w9)', 'y = MatMul(v, t)', 'e = Gather(w9, i)'],
      weights: { ...norms, w9: w(9, 3, 4) },
    });
    expect((await rescale(source)).groups[0]!.shared).toBe(1);
  });

  it('of chains change with both their neighbours, and values are noted under new names', async () => {
    const source = model({
      inputs: x4,
      outputs: ['y'],
      nodes: [
        'c1 = Conv(x, a, b)',
        'r1 = Relu(c1)',
        node('c2 = Conv(r1, d)', { group: 2 }),
        'r2 = Relu(c2)',
        'y = Conv(r2, w9)',
      ],
      weights: { ...weights4, a: w(3, 4, 4, 1, 1), b: w(4, 4), d: w(5, 4, 2, 1, 1) },
    });
    const { model: changed, groups, rescaled } = await rescale(source);
    expect(groups.map(({ root, reason }) => [root, reason === undefined])).toEqual([
      ['x', false],
      ['r1', true],
      ['r2', true],
    ]);
    await expectSame(source, changed);
    const name = changed.graph.nodes.find(({ opType, inputs }) => opType === 'Conv' && inputs.includes('d'))!
      .outputs[0]!;
    expect(name).not.toBe('c2');
    const { original, axis, divisors } = rescaled.get(name)!;
    expect([original, axis, divisors[1]]).toEqual(['c2', -3, divisorOf(1)]);
    const probes = { ...changed, graph: { ...changed.graph, outputs: [{ name }] } };
    const reference = { ...source, graph: { ...source.graph, outputs: [{ name: 'c2' }] } };
    const values = (await runOnNode(probes, feedsOf(source), 'disabled')).get(name)!;
    const wanted = (await runOnNode(reference, feedsOf(source), 'disabled')).get('c2')!;
    const restored = values.map((value, at) => value * divisors[Math.floor(at / 36)]!);
    expect(relativeError(restored, wanted)).toBeLessThan(1e-5);
  });
});
