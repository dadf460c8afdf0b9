import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attrGraph,
  attrInt,
  attrInts,
  attrString,
  attrTensor,
  intAttr,
  tensorAttr,
} from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { dtypeInfo } from '../../../../src/core/ir/dtype.ts';
import { readTensorFloats, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Graph, Model, Node, Tensor, ValueInfo } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { step } from '../../../../src/core/quant/fp16.ts';
import { defaultOpBlockList } from '../../../../src/core/quant/support/half-rules.ts';
import {
  applyStep,
  asHalf,
  cosine,
  countOps,
  type Feeds,
  loadReal,
  nodesOfType,
  type RealModel,
  realFeeds,
  relativeError,
  runtimes,
} from './support/bench.ts';
import { constantNode, floatTensor, ifModel, sampleValues } from './support/models.ts';
import { loadVectors } from './support/vectors.ts';

const FLOAT = dtypeInfo.float32.onnx;
const HALF = dtypeInfo.float16.onnx;
const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const feed = (dims: readonly number[], seed = 3) => ({
  type: 'float32' as const,
  dims,
  data: sampleValues(count(dims), seed),
});

interface Parts {
  readonly nodes: readonly Node[];
  readonly inputs?: readonly ValueInfo[];
  readonly outputs?: readonly ValueInfo[];
  readonly initializers?: readonly Tensor[];
  readonly opset?: number;
}

const model = ({ nodes, inputs, outputs, initializers = [], opset = 17 }: Parts): Model =>
  makeModel({
    opset,
    graph: makeGraph({
      nodes,
      inputs: inputs ?? [valueInfo('x', 'float32', [2, 8])],
      outputs: outputs ?? [valueInfo('y', 'float32')],
      initializers,
    }),
  });
const node = (
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, ReturnType<typeof attrInt>> = {},
  name = `${opType}_${outputs[0]}`,
) => makeNode({ opType, inputs, outputs, attributes, name });

const casts = (converted: Model) => nodesOfType(converted, 'Cast');
const castTargets = (converted: Model) =>
  casts(converted)
    .map((cast) => intAttr(cast, 'to', 0))
    .sort((a, b) => a - b);
const typeOf = (info: ValueInfo | undefined) => (info?.type?.kind === 'tensor' ? info.type.dtype : undefined);

/** Converts and compares with the original on both runtimes, unoptimized and optimized. */
async function expectSame(source: Model, feeds: Feeds, params: object = {}, bound = 5e-3): Promise<Model> {
  const { model: converted } = await applyStep(step, source, params);
  const keep = (params as { keepIoTypes?: boolean }).keepIoTypes ?? true;
  const reference = await runtimes[0][1](source, feeds);
  for (const [runtime, run] of runtimes)
    for (const level of ['disabled', 'all'] as const) {
      const outputs = await run(converted, keep ? feeds : asHalf(feeds), level);
      for (const [name, values] of reference)
        expect(relativeError(outputs.get(name)!, values), `${runtime} ${level} ${name}`).toBeLessThan(bound);
    }
  return converted;
}

const x = { x: feed([2, 8]) };
const weight = floatTensor('w', [8, 8], sampleValues(64, 1));

describe('inputs and outputs', () => {
  const source = model({ nodes: [node('MatMul', ['x', 'w'], ['y'])], initializers: [weight] });

  it('keep their types with one Cast each', async () => {
    const converted = await expectSame(source, x);
    expect(castTargets(converted)).toEqual([FLOAT, HALF]);
    expect([typeOf(converted.graph.inputs[0]), typeOf(converted.graph.outputs[0])]).toEqual(['float32', 'float32']);
    expect(converted.graph.initializers.get('w')!.dtype).toBe('float16');
  });

  it('or become float16 without any', async () => {
    const converted = await expectSame(source, x, { keepIoTypes: false });
    expect(casts(converted)).toEqual([]);
    expect([typeOf(converted.graph.inputs[0]), typeOf(converted.graph.outputs[0])]).toEqual(['float16', 'float16']);
  });

  it('an output that is read inside too, made by a kept node, or an input passed through', async () => {
    const shared = model({
      nodes: [
        node('MatMul', ['x', 'w'], ['a']),
        node('Relu', ['a'], ['b']),
        node('Max', ['b', 'x'], ['c']),
        node('Neg', ['c'], ['d']),
        node('Identity', ['x'], ['e']),
      ],
      outputs: ['a', 'c', 'd', 'e'].map((name) => valueInfo(name, 'float32')),
      initializers: [weight],
    });
    await expectSame(shared, x);
    const converted = await expectSame(shared, x, { keepIoTypes: false });
    expect(converted.graph.outputs.map(typeOf)).toEqual(['float16', 'float16', 'float16', 'float16']);
  });

  it('an initializer that is an output, and one that callers may override', async () => {
    const source = model({
      nodes: [node('Add', ['x', 'w2'], ['a']), node('Max', ['a', 'w2'], ['y'])],
      inputs: [valueInfo('x', 'float32', [2, 8]), valueInfo('d', 'float32', [8])],
      outputs: [valueInfo('y', 'float32'), valueInfo('w2', 'float32', [8])],
      initializers: [floatTensor('w2', [8], sampleValues(8, 5)), floatTensor('d', [8], sampleValues(8, 6))],
    });
    source.graph.nodes.push(node('Mul', ['y', 'd'], ['z']));
    source.graph.outputs.push(valueInfo('z', 'float32'));
    for (const keepIoTypes of [true, false]) await expectSame(source, x, { keepIoTypes });
  });
});

describe('kept operators', () => {
  it('are those of onnxruntime 1.30 by default', () => {
    const theirs = (loadVectors() as unknown as { float16Models: { list?: string[] }[] }).float16Models.find(
      ({ list }) => list,
    )!.list!;
    expect([...defaultOpBlockList]).toEqual(theirs);
  });

  it('cost one Cast per value however many read it, and none between them', async () => {
    const source = model({
      nodes: [
        node('MatMul', ['x', 'w'], ['a']),
        node('Max', ['a', 'x'], ['b']),
        node('Min', ['a', 'b'], ['c']),
        node('Max', ['b', 'c', 'a'], ['d']),
        node('Add', ['c', 'd'], ['e']),
        node('Sub', ['d', 'e'], ['y']),
      ],
      initializers: [weight],
    });
    const converted = await expectSame(source, x);
    // x to half; a to full; c and d to half; y to full.
    expect(castTargets(converted)).toEqual([FLOAT, FLOAT, HALF, HALF, HALF]);
  });

  it('keep what only moves data between them', async () => {
    const source = model({
      nodes: [
        node('Max', ['x', 'w2'], ['a']),
        node('Transpose', ['a'], ['b']),
        node('Reshape', ['b', 's'], ['c']),
        node('Concat', ['c', 'c'], ['d'], { axis: attrInt(0) }),
        node('Min', ['d', 'm'], ['y']),
      ],
      initializers: [
        floatTensor('w2', [8], sampleValues(8)),
        floatTensor('m', [1], [0.2]),
        tensorFromInts('s', [2], [4, 4]),
      ],
    });
    const converted = await expectSame(source, x);
    expect(casts(converted)).toEqual([]);
    const { advisories } = await applyStep(step, source);
    expect(advisories.map(({ code }) => code)).toContain('quant/nothing-to-quantize');
  });

  it('by type and by name', async () => {
    const source = model({
      nodes: [
        node('MatMul', ['x', 'w'], ['a'], {}, 'layer/1/mm'),
        node('Relu', ['a'], ['b'], {}, 'layer/1/act'),
        node('Exp', ['b'], ['y'], {}, 'head'),
      ],
      initializers: [weight],
    });
    const byName = await expectSame(source, x, { nodeBlockList: ['layer/?/mm'] }, 2e-2);
    expect(byName.graph.initializers.get('w')!.dtype).toBe('float32');
    const byType = await expectSame(source, x, { opBlockList: ['Exp'] }, 2e-2);
    expect(byType.graph.nodes.find(({ name }) => name === 'head')!.inputs[0]).toMatch(/fp32/);
    expect(
      step.check!(source, step.params.parse({ nodeBlockList: ['no*'], opBlockList: ['Gelu'] })).map(({ code }) => code),
    ).toEqual(['quant/pattern-matches-nothing', 'quant/operator-not-in-model']);
  });

  it('never need more Casts than onnxruntime makes for the same model', async () => {
    const theirs = (
      loadVectors() as unknown as {
        float16Models: { name: string; keepIoTypes?: boolean; model?: { graph: { nodes: { opType: string }[] } } }[];
      }
    ).float16Models;
    const castsOf = (name: string, keep: boolean) =>
      theirs
        .find((entry) => entry.name === name && entry.keepIoTypes === keep)!
        .model!.graph.nodes.filter(({ opType }) => opType === 'Cast').length;
    const w = floatTensor('w', [8, 8], sampleValues(64));
    const sources: Record<string, Model> = {
      'matmul-topk': model({
        nodes: [node('MatMul', ['x', 'w'], ['a']), node('TopK', ['a', 'k'], ['t', 'i']), node('Relu', ['t'], ['y'])],
        initializers: [w, tensorFromInts('k', [1], [3])],
      }),
      cast: model({
        nodes: [node('Cast', ['n'], ['f'], { to: attrInt(FLOAT) }), node('Mul', ['f', 'w'], ['y'])],
        inputs: [valueInfo('n', 'int64', [8])],
        initializers: [w],
      }),
      'resize-shared': model({
        nodes: [
          node('Resize', ['x', '', 's'], ['r'], { mode: attrString('nearest') as never }),
          node('Mul', ['r', 's'], ['y']),
        ],
        inputs: [valueInfo('x', 'float32', [1, 1, 2, 4])],
        initializers: [floatTensor('s', [4], [1, 1, 2, 1])],
      }),
    };
    for (const [name, source] of Object.entries(sources))
      for (const keepIoTypes of [true, false]) {
        const { model: converted } = await applyStep(step, source, { keepIoTypes });
        expect(casts(converted).length, `${name} ${keepIoTypes}`).toBeLessThanOrEqual(castsOf(name, keepIoTypes));
      }
  });
});

describe('single operators', () => {
  it('Cast to float32 becomes Cast to float16; other Casts stay', async () => {
    const source = model({
      nodes: [
        node('Cast', ['n'], ['f'], { to: attrInt(FLOAT) }),
        node('Mul', ['f', 'x'], ['g']),
        node('Cast', ['g'], ['y'], { to: attrInt(dtypeInfo.int32.onnx) }),
      ],
      inputs: [valueInfo('n', 'int64', [8]), valueInfo('x', 'float32', [2, 8])],
      outputs: [valueInfo('y', 'int32', [2, 8])],
    });
    const converted = await expectSame(
      source,
      { n: { type: 'int64', dims: [8], data: [1, 2, 3, 4, 5, 6, 7, 8] }, ...x },
      {},
      0.2,
    );
    expect(castTargets(converted)).toEqual([dtypeInfo.int32.onnx, HALF, HALF]);
  });

  it('Resize reads its scales and its region as float32, shared with a float16 reader or not', async () => {
    const inputs = [valueInfo('x', 'float32', [1, 2, 4, 2])];
    for (const [opset, resizeInputs] of [
      [10, ['x', 's']],
      [11, ['x', 'roi', 's']],
      [13, ['x', '', 's']],
    ] as const) {
      const source = model({
        nodes: [
          node('Resize', [...resizeInputs], ['r'], { mode: attrString('nearest') as never }),
          node('Mul', ['r', 's4'], ['q']),
          node('Mul', ['q', 'f'], ['y']),
        ],
        inputs,
        initializers: [
          floatTensor('s', [4], [1, 1, 2, 2]),
          floatTensor('s4', [1], [1.5]),
          floatTensor('f', [1], [0.5]),
          ...(opset === 11 ? [floatTensor('roi', [0], [])] : []),
        ],
        opset,
      });
      source.graph.nodes.push(node('Add', ['y', 's'], ['z']));
      source.graph.outputs = [valueInfo('z', 'float32')];
      const converted = await expectSame(source, { x: feed([1, 2, 4, 2]) });
      const [resize] = nodesOfType(converted, 'Resize') as [Node];
      expect(converted.graph.initializers.get(resize.inputs[opset === 10 ? 1 : 2]!)!.dtype).toBe('float32');
    }
  });

  it('operators that name a type name the new one', async () => {
    const source = model({
      nodes: [
        node('ConstantOfShape', ['s'], ['zero']),
        node('ConstantOfShape', ['s'], ['seven'], { value: attrTensor(floatTensor('v', [1], [7])) as never }),
        node('EyeLike', ['x'], ['eye'], { dtype: attrInt(FLOAT) }),
        node('RandomNormal', [], ['r'], { shape: attrInts([2, 8]) as never }),
        node('Mul', ['r', 'zero'], ['r0']),
        node('Sum', ['zero', 'seven', 'eye', 'r0', 'x'], ['y']),
      ],
      initializers: [tensorFromInts('s', [2], [2, 8])],
    });
    const converted = await expectSame(source, x);
    const [zero, seven] = nodesOfType(converted, 'ConstantOfShape') as [Node, Node];
    expect(tensorAttr(zero, 'value')!.dtype).toBe('float16');
    expect(await readTensorFloats(tensorAttr(seven, 'value')!)).toEqual(Float32Array.of(7));
  });

  it('LayerNormalization gives its statistics in float32', async () => {
    const source = model({
      nodes: [
        node('LayerNormalization', ['x', 'g'], ['n', 'mean', 'inv']),
        node('Add', ['n', 'mean'], ['a']),
        node('Mul', ['a', 'inv'], ['y']),
      ],
      initializers: [floatTensor('g', [8], sampleValues(8))],
    });
    await expectSame(source, x, {}, 1e-2);
  });

  it('quantized nodes of older opsets keep float32 around them', async () => {
    for (const opset of [13, 19]) {
      const source = model({
        nodes: [
          node('DequantizeLinear', ['q', 's', 'z'], ['w']),
          node('MatMul', ['x', 'w'], ['a']),
          node('DynamicQuantizeLinear', ['a'], ['aq', 'as', 'az']),
          node('DequantizeLinear', ['aq', 'as', 'az'], ['y']),
        ],
        initializers: [
          {
            name: 'q',
            dtype: 'int8',
            dims: [8, 8],
            data: { kind: 'bytes', bytes: new Uint8Array(64).map((_, i) => (i * 37) & 255) },
          },
          floatTensor('s', [], [0.01]),
          { name: 'z', dtype: 'int8', dims: [], data: { kind: 'bytes', bytes: new Uint8Array(1) } },
        ],
        opset,
      });
      await expectSame(source, x, {}, 2e-2);
    }
  });

  it('sequences keep their element type', async () => {
    const source = model({
      nodes: [
        node('MatMul', ['x', 'w'], ['a']),
        node('SplitToSequence', ['a', 'split'], ['parts'], { axis: attrInt(1) }),
        node('SequenceAt', ['parts', 'one'], ['b']),
        node('Relu', ['b'], ['y']),
      ],
      initializers: [weight, tensorFromInts('split', [2], [3, 5]), tensorFromInts('one', [], [1])],
    });
    await expectSame(source, x);
  });

  it('computing sizes stays exact beyond 2048', async () => {
    const source = model({
      nodes: [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'one'], ['d']),
        node('Cast', ['d'], ['df'], { to: attrInt(FLOAT) }),
        node('Mul', ['df', 'half'], ['hf']),
        node('Cast', ['hf'], ['h'], { to: attrInt(dtypeInfo.int64.onnx) }),
        node('Slice', ['x', 'h', 'd', 'one'], ['t']),
        node('Div', ['t', 'df'], ['y']),
      ],
      inputs: [valueInfo('x', 'float32', [1, 'n'])],
      outputs: [valueInfo('y', 'float32')],
      initializers: [tensorFromInts('one', [1], [1]), floatTensor('half', [1], [0.5])],
    });
    const converted = await expectSame(source, { x: feed([1, 4102]) });
    expect(converted.graph.initializers.get('half')!.dtype).toBe('float32');
  });
});

describe('weights', () => {
  it('that float16 cannot hold keep their node in float32, or are clamped on demand', async () => {
    const source = model({
      nodes: [node('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], ['n']), node('Mul', ['n', 'k'], ['y'])],
      inputs: [valueInfo('x', 'float32', [2, 4, 3])],
      initializers: [
        floatTensor('k', [3], [1, 2, 3]),
        floatTensor('g', [4], [300, 500, 200, 100]),
        floatTensor('b', [4], [0, 1, 0, 1]),
        floatTensor('m', [4], [1, 2, 3, 4]),
        floatTensor('v', [4], [90000, 250000, 4, 1]),
      ],
    });
    const feeds = { x: feed([2, 4, 3]) };
    const converted = await expectSame(source, feeds);
    expect(['g', 'v'].map((name) => converted.graph.initializers.get(name)!.dtype)).toEqual(['float32', 'float32']);
    expect((await applyStep(step, source)).advisories.map(({ message }) => message).join()).toMatch(
      /"v" has values beyond 65504/,
    );
    const clamped = await applyStep(step, source, { protectLargeWeights: false });
    expect(await readTensorFloats(clamped.model.graph.initializers.get('v')!)).toEqual(
      Float32Array.of(65504, 65504, 4, 1),
    );
    expect(clamped.advisories.map(({ code }) => code)).toContain('quant/clamped');
  });

  it('shared by converted and kept nodes exist in both types, by initializer and by Constant node', async () => {
    for (const asNode of [false, true]) {
      const w2 = floatTensor('w2', [8], sampleValues(8, 4));
      const source = model({
        nodes: [
          ...(asNode ? [constantNode(w2)] : []),
          node('Add', ['x', 'w2'], ['a']),
          node('Max', ['a', 'w2'], ['y']),
        ],
        initializers: asNode ? [] : [w2],
      });
      const converted = await expectSame(source, x);
      const dtypes = [...converted.graph.initializers.values()].map(({ dtype }) => dtype);
      for (const constant of nodesOfType(converted, 'Constant')) dtypes.push(tensorAttr(constant, 'value')!.dtype);
      expect(dtypes.sort()).toEqual(['float16', 'float32']);
    }
  });

  it('of other types stay', async () => {
    const source = model({
      nodes: [node('Cast', ['x'], ['d'], { to: attrInt(dtypeInfo.float64.onnx) }), node('Add', ['d', 'w64'], ['y'])],
      outputs: [valueInfo('y', 'float64')],
      initializers: [floatTensor('w64', [8], sampleValues(8), 'float64')],
    });
    const converted = await expectSame(source, x);
    expect(converted.graph.initializers.get('w64')!.dtype).toBe('float64');
  });
});

describe('control flow', () => {
  it('If: own and captured weights', async () => {
    const source = ifModel(8, 4, sampleValues(32, 1), sampleValues(32, 2));
    for (const params of [
      {},
      { keepIoTypes: false },
      { nodeBlockList: ['if'] },
      { nodeBlockList: ['else/mm'] },
      { nodeBlockList: ['outer/mm'] },
    ])
      for (const condition of [0, 1])
        await expectSame(source, { x: feed([1, 8]), c: { type: 'bool', dims: [], data: [condition] } }, params);
  });

  const loopBody = (): Graph =>
    makeGraph({
      name: 'body',
      nodes: [
        node('Identity', ['c_in'], ['c_out']),
        node('MatMul', ['s_in', 'w'], ['p'], {}, 'body/mm'),
        node('Max', ['p', 'x'], ['m'], {}, 'body/max'),
        node('Tanh', ['m'], ['s_out']),
        node('Add', ['s_out', 'x'], ['scan']),
      ],
      inputs: [valueInfo('i', 'int64', []), valueInfo('c_in', 'bool', []), valueInfo('s_in', 'float32', [2, 8])],
      outputs: [
        valueInfo('c_out', 'bool', []),
        valueInfo('s_out', 'float32', [2, 8]),
        valueInfo('scan', 'float32', [2, 8]),
      ],
    });

  it('Loop: carried state, scan outputs, captured input and weight', async () => {
    const source = model({
      nodes: [
        node('Loop', ['trips', 'go', 'x'], ['last', 'scans'], { body: attrGraph(loopBody()) as never }, 'loop'),
        node('ReduceSum', ['scans', 'axis'], ['y']),
      ],
      outputs: [valueInfo('y', 'float32'), valueInfo('last', 'float32')],
      initializers: [
        weight,
        tensorFromInts('trips', [], [4]),
        tensorFromInts('axis', [1], [0]),
        { name: 'go', dtype: 'bool', dims: [], data: { kind: 'bytes', bytes: Uint8Array.of(1) } },
      ],
    });
    for (const params of [
      {},
      { keepIoTypes: false },
      { nodeBlockList: ['loop'] },
      { opBlockList: [] },
      { nodeBlockList: ['body/mm'] },
    ])
      await expectSame(source, x, params, 2e-2);
  });

  it('Scan', async () => {
    const body = makeGraph({
      name: 'step',
      nodes: [
        node('Add', ['state', 'item'], ['sum']),
        node('Mul', ['sum', 'k'], ['next']),
        node('Max', ['next', 'item'], ['out']),
      ],
      inputs: [valueInfo('state', 'float32', [8]), valueInfo('item', 'float32', [8])],
      outputs: [valueInfo('next', 'float32', [8]), valueInfo('out', 'float32', [8])],
      initializers: [floatTensor('k', [1], [0.5])],
    });
    const source = model({
      nodes: [
        node(
          'Scan',
          ['start', 'x'],
          ['last', 'y'],
          { body: attrGraph(body) as never, num_scan_inputs: attrInt(1) },
          'scan',
        ),
      ],
      initializers: [floatTensor('start', [8], sampleValues(8, 9))],
    });
    for (const params of [{}, { keepIoTypes: false }, { nodeBlockList: ['scan'] }]) await expectSame(source, x, params);
  });
});

describe('any graph with any nodes kept', () => {
  const unary = ['Relu', 'Sigmoid', 'Neg', 'Identity', 'Transpose', 'Tanh'];
  const binary = ['Add', 'Mul', 'Sub', 'Max'];
  const graphs = fc.record({
    steps: fc.array(fc.record({ op: fc.nat(9), a: fc.nat(1000), b: fc.nat(1000) }), { minLength: 1, maxLength: 14 }),
    outputs: fc.array(fc.nat(1000), { minLength: 1, maxLength: 4 }),
    kept: fc.array(fc.nat(14), { maxLength: 5 }),
    keepIoTypes: fc.boolean(),
  });

  it('stays well typed and close', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async ({ steps, outputs, kept, keepIoTypes }) => {
        const values = ['x', 'w0', 'w1'];
        const nodes = steps.map(({ op, a, b }, index) => {
          const opType = op < unary.length ? unary[op]! : binary[op - unary.length]!;
          const inputs = [values[a % values.length]!, ...(op < unary.length ? [] : [values[b % values.length]!])];
          values.push(`v${index}`);
          return makeNode({ opType, name: `n${index}`, inputs, outputs: [`v${index}`] });
        });
        const made = values.slice(3);
        const names = [...new Set(outputs.map((pick) => made[pick % made.length]!))];
        const source = model({
          nodes,
          inputs: [valueInfo('x', 'float32', [4, 4])],
          outputs: names.map((name) => valueInfo(name, 'float32', [4, 4])),
          initializers: [0, 1].map((i) => floatTensor(`w${i}`, [4, 4], sampleValues(16, i + 1))),
        });
        const params = { keepIoTypes, nodeBlockList: kept.map((index) => `n${index}`) };
        const { model: converted } = await applyStep(step, source, params);
        const feeds = { x: feed([4, 4]) };
        const reference = await runtimes[0][1](source, feeds, 'disabled');
        const ours = await runtimes[0][1](converted, keepIoTypes ? feeds : asHalf(feeds), 'disabled');
        for (const [name, expected] of reference) {
          const scale = Math.max(1, ...expected.map(Math.abs));
          ours.get(name)!.forEach((value, i) => {
            expect(Math.abs(value - expected[i]!)).toBeLessThan(0.02 * scale);
          });
        }
      }),
      { numRuns: 150 },
    );
  }, 120_000);
});

describe('real models', () => {
  for (const [name, bound] of [
    ['rec', 0.9999],
    ['det', 0.9999],
    ['cls', 0.99999],
    ['vad', 0.9999],
  ] as [RealModel, number][])
    it(`${name} keeps its output at half the bytes`, async () => {
      const source = await loadReal(name);
      const feeds = realFeeds(name);
      const reference = await runtimes[0][1](source, feeds);
      const bytes = (await modelToBytes(source)).byteLength;
      for (const keepIoTypes of [true, false]) {
        const { model: converted } = await applyStep(step, source, { keepIoTypes });
        expect((await modelToBytes(converted)).byteLength / bytes).toBeLessThan(0.55);
        for (const [label, run] of runtimes) {
          const outputs = await run(converted, keepIoTypes ? feeds : asHalf(feeds));
          for (const [output, values] of reference)
            expect(cosine(outputs.get(output)!, values), label).toBeGreaterThan(bound);
        }
      }
    }, 120_000);

  it("detection is ruined where weights are clamped, which is onnxruntime's way", async () => {
    const source = await loadReal('det');
    const feeds = realFeeds('det');
    const [reference] = [...(await runtimes[0][1](source, feeds)).values()];
    const { model: converted } = await applyStep(step, source, { protectLargeWeights: false });
    expect(cosine([...(await runtimes[0][1](converted, feeds)).values()][0]!, reference!)).toBeLessThan(0.95);
  });

  it('adds two Casts to recognition: one for the input, one for the output', async () => {
    const source = await loadReal('rec');
    const { model: converted } = await applyStep(step, source);
    expect(countOps(converted).Cast! - countOps(source).Cast!).toBe(2);
  });
});
