import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../../src/core/analysis/card.ts';
import { weightSummary } from '../../../../src/core/analysis/weights.ts';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import { readReal, type realModels } from './real-models.ts';

/**
 * Counted with the onnx Python package (1.23.1): numpy_helper.to_array(t).nbytes over all initializers and Constant
 * nodes, subgraphs included, and the number of nodes.
 */
const counted: {
  name: keyof typeof realModels;
  bytes: Record<string, number>;
  floats: number;
  all: number;
  main: number;
}[] = [
  { name: 'rec', bytes: { float32: 10761184, int64: 8, int32: 60 }, floats: 2690296, all: 765, main: 765 },
  { name: 'det', bytes: { float32: 4687364 }, floats: 1171841, all: 672, main: 672 },
  { name: 'cls', bytes: { float32: 534656, int32: 4 }, floats: 133664, all: 471, main: 471 },
  { name: 'vad', bytes: { float32: 2181144, int64: 2488 }, floats: 545286, all: 689, main: 5 },
  { name: 'vadLegacy', bytes: { float32: 1779776, int64: 1384 }, floats: 444944, all: 250, main: 2 },
];

describe('describeModel', () => {
  it.each(counted)(
    'counts nodes and weights of $name as the onnx package does',
    async ({ name, bytes, floats, all, main }) => {
      const card = describeModel(await readReal(name));
      expect(card.nodes).toEqual({ main, all });
      expect(card.weights.byDType.float32?.elements).toBe(floats);
      const byDType = Object.fromEntries(
        Object.entries(card.weights.byDType).map(([dtype, group]) => [dtype, group.bytes]),
      );
      expect(byDType).toEqual(bytes);
      expect(card.ops.reduce((total, { count }) => total + count, 0)).toBe(all);
      expect(card.weights.parameters).toBeGreaterThanOrEqual(floats);
      expect(JSON.parse(JSON.stringify(card))).toEqual(card);
    },
  );

  it('shows a model with free dimensions, and predicts once they have values', async () => {
    const model = await readReal('rec');
    const open = describeModel(model);
    expect(open.freeDims.map(({ symbol }) => symbol)).toHaveLength(2);
    expect(open.cost).toBeUndefined();
    const [batch, width] = open.freeDims.map(({ symbol }) => symbol) as [string, string];
    const card = describeModel(model, { overrides: { [batch]: 1, [width]: 320 } });
    expect(card.inputs[0]).toMatchObject({ dtype: 'float32', shape: [1, 3, 48, 320] });
    expect(card.cost!.unknownNodes).toBe(0);
    expect(card.activations!.unknownValues).toBe(0);
    expect(card.activations!.peakBytes).toBeGreaterThan(3 * 48 * 320 * 4);
    expect(card.architecture).toMatchObject({ kind: 'hybrid', hasKeyValueCache: false });
    expect(card.architecture.depthwiseConvolutions).toBeGreaterThan(5);
    expect(card.quantization).toEqual({ isQuantized: false, schemes: [], weightBits: [] });
    expect(card.opsets).toEqual({ 'ai.onnx': 9 });
  });

  it('sees a recurrent network inside the branches of an If', async () => {
    expect((await describeModel(await readReal('vad'))).architecture.kind).toBe('hybrid');
    expect((await describeModel(await readReal('vad'))).producer).toBe('spox');
  });

  it('says what will not run where, and why', () => {
    const nodes = [
      makeNode({ opType: 'QuantizeLinear', inputs: ['x', 's'], outputs: ['q'] }),
      makeNode({ opType: 'DequantizeLinear', inputs: ['q', 's'], outputs: ['d'] }),
      makeNode({ opType: 'FusedConv', domain: 'com.microsoft', inputs: ['d', 'w', '', 'd'], outputs: ['f'] }),
      makeNode({ opType: 'GlobalAveragePool', inputs: ['f'], outputs: ['g'] }),
      makeNode({ opType: 'BiasSplitGelu', domain: 'com.microsoft', inputs: ['g', 'b'], outputs: ['h'] }),
      makeNode({ opType: 'Frobnicate', domain: 'acme', inputs: ['h'], outputs: ['y'] }),
    ];
    const model = makeModel({
      graph: makeGraph({ nodes, inputs: [valueInfo('x', 'float32', [1, 4, 8, 8])], outputs: [{ name: 'y' }] }),
      opset: 22,
      extraOpsets: { 'com.microsoft': 1, acme: 1 },
    });
    const { portability } = describeModel(model);
    const verdicts = (provider: keyof typeof portability) =>
      Object.fromEntries(portability[provider].map(({ op, verdict }) => [op, verdict]));
    expect(verdicts('wasm')).toEqual({ 'acme.Frobnicate': 'no-kernel', 'com.microsoft.BiasSplitGelu': 'no-kernel' });
    expect(verdicts('webgpu')).toEqual({
      'acme.Frobnicate': 'no-kernel',
      'com.microsoft.FusedConv': 'wrong-result',
      QuantizeLinear: 'falls-back',
      // Its WebGPU kernel ends at opset 21.
      GlobalAveragePool: 'falls-back',
    });
    model.opsetImports.set('', 21);
    expect(describeModel(model).portability.webgpu.map(({ op }) => op)).not.toContain('GlobalAveragePool');
    expect(verdicts('webnn')['com.microsoft.FusedConv']).toBe('falls-back');
  });

  it('float64 on WebGPU: no session, but for operators that the CPU takes over', () => {
    const doubles = makeModel({
      opset: 17,
      graph: makeGraph({
        inputs: [valueInfo('x', 'float64', [4, 8])],
        outputs: [valueInfo('y', 'float64', [8, 4])],
        initializers: [tensorFromNumbers('w', 'float64', [8, 8], new Array(64).fill(0))],
        nodes: [
          makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['a'] }),
          makeNode({ opType: 'Transpose', inputs: ['a'], outputs: ['y'] }),
        ],
      }),
    });
    const { webgpu, wasm } = describeModel(doubles).portability;
    expect(webgpu.map(({ op, verdict }) => `${op} ${verdict}`)).toEqual(['MatMul no-kernel', 'Transpose falls-back']);
    expect(wasm).toEqual([]);
  });
});

describe('weightSummary', () => {
  it('counts a packed 4-bit weight as the weights it stands for, and its scales as none', () => {
    const zeros = (name: string, dtype: 'uint8' | 'float32', dims: number[]) =>
      tensorFromNumbers(name, dtype, dims, new Array(dims.reduce((a, b) => a * b, 1)).fill(0));
    const model = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({
            opType: 'MatMulNBits',
            domain: 'com.microsoft',
            inputs: ['x', 'b', 's', 'z'],
            outputs: ['y'],
            attributes: { K: attrInt(96), N: attrInt(10), bits: attrInt(4), block_size: attrInt(32) },
          }),
        ],
        inputs: [valueInfo('x', 'float32', [1, 96])],
        outputs: [{ name: 'y' }],
        initializers: [zeros('b', 'uint8', [10, 3, 16]), zeros('s', 'float32', [10, 3]), zeros('z', 'uint8', [10, 2])],
      }),
    });
    const summary = weightSummary(model);
    expect(summary.parameters).toBe(960);
    expect(summary.bytes).toBe(480 + 120 + 20);
    expect(describeModel(model).quantization).toEqual({ isQuantized: true, schemes: ['weight-only'], weightBits: [4] });
  });
});
