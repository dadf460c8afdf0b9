import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { attrFloat, attrGraph, attrInt, intAttr } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import { readTensorBytes, readTensorFloats, tensorByteLength } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { step } from '../../../../src/core/quant/quantize-embeddings.ts';
import { codeAt } from '../../../../src/core/quant/support/pack-nbits.ts';
import { step as rtn } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { StepContext, StepDefinition } from '../../../../src/core/step/define.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { applyStep, countOps, memoryStore, nodesOfType, relativeError, runtimes } from './support/bench.ts';
import { constantNode, floatTensor, product, sampleValues } from './support/models.ts';

const ids = [0, 5, 3, 5, -1, 2];
const idFeeds = { ids: { type: 'int64', dims: [2, 3], data: ids } } as const;

interface Parts {
  readonly V: number;
  readonly E: number;
  readonly nodes?: readonly Node[];
  readonly initializers?: readonly Tensor[];
  readonly output?: string;
  readonly outputDims?: readonly number[];
  readonly opset?: number;
  readonly dtype?: DType;
  readonly values?: Float32Array;
  readonly tableNode?: boolean;
}

/** ids -> Gather(table) -> e, then whatever else. */
function embeddingModel(parts: Parts): Model {
  const { V, E, nodes = [], output = 'e', dtype = 'float32' } = parts;
  const table = floatTensor('table', [V, E], parts.values ?? sampleValues(V * E, 3, E), dtype);
  return makeModel({
    opset: parts.opset ?? 17,
    graph: makeGraph({
      nodes: [
        ...(parts.tableNode ? [constantNode(table)] : []),
        makeNode({ opType: 'Gather', name: 'embed', inputs: ['table', 'ids'], outputs: ['e'] }),
        ...nodes,
      ],
      inputs: [valueInfo('ids', 'int64', [2, 3])],
      outputs: [valueInfo(output, dtype, parts.outputDims ?? [2, 3, E])],
      initializers: [...(parts.tableNode ? [] : [table]), ...(parts.initializers ?? [])],
    }),
  });
}

const tiedNodes = (form: 'transpose' | 'gemm' | 'gemm-bias'): Node[] => {
  if (form === 'transpose')
    return [
      makeNode({ opType: 'Transpose', inputs: ['table'], outputs: ['t'] }),
      makeNode({ opType: 'MatMul', name: 'head', inputs: ['e', 't'], outputs: ['y'] }),
    ];
  return [
    makeNode({ opType: 'Flatten', inputs: ['e'], outputs: ['f'], attributes: { axis: attrInt(2) } }),
    makeNode({
      opType: 'Gemm',
      name: 'head',
      inputs: form === 'gemm' ? ['f', 'table'] : ['f', 'table', 'bias'],
      outputs: ['y'],
      attributes: { transB: attrInt(1), ...(form === 'gemm' ? {} : { alpha: attrFloat(0.5) }) },
    }),
  ];
};

const tiedModel = (V: number, E: number, form: Parameters<typeof tiedNodes>[0], opset = 17): Model =>
  embeddingModel({
    V,
    E,
    opset,
    nodes: tiedNodes(form),
    initializers: form === 'gemm-bias' ? [floatTensor('bias', [V], sampleValues(V, 8))] : [],
    output: 'y',
    outputDims: form === 'transpose' ? [2, 3, V] : [6, V],
  });

/** The table that the codes behind a GatherBlockQuantized stand for, read by the operator's definition. */
async function tableBehind(model: Model, node: Node, E: number): Promise<number[][]> {
  const constants = model.graph.initializers;
  const reshape = model.graph.nodes.find(({ outputs }) => outputs[0] === node.inputs[0]);
  const codes = constants.get(reshape ? reshape.inputs[0]! : node.inputs[0]!)!;
  const [bits, size] = [intAttr(node, 'bits', 4) as 4, intAttr(node, 'block_size', 0)];
  const packed = await readTensorBytes(codes);
  const scales = await readTensorFloats(constants.get(node.inputs[2]!)!);
  const zeros = node.inputs[3] ? await readTensorBytes(constants.get(node.inputs[3])!) : undefined;
  const blocks = Math.ceil(E / size);
  const rows = codes.dims[0]!;
  const rowBytes = packed.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: E }, (__, k) => {
      const block = Math.floor(k / size);
      const zeroRow = Math.ceil((blocks * bits) / 8);
      const zero = zeros ? codeAt(zeros.subarray(row * zeroRow), block, bits) : 2 ** (bits - 1);
      return (codeAt(packed.subarray(row * rowBytes), k, bits) - zero) * scales[row * blocks + block]!;
    }),
  );
}

const pick = (table: number[][]) => ids.flatMap((id) => table.at(id)!);

function applyBoth(model: Model, first: StepDefinition, firstParams: object, params: object) {
  return runSteps({
    model,
    steps: [
      { definition: first, params: first.params.parse(firstParams) as Record<string, unknown> },
      { definition: step, params: step.params.parse(params) as Record<string, unknown> },
    ],
    job: quietJob,
    store: memoryStore,
    validate: true,
  });
}

const weightBytes = (model: Model) =>
  [...model.graph.initializers.values()].reduce((sum, tensor) => sum + tensorByteLength(tensor), 0);

describe('GatherBlockQuantized', () => {
  for (const bits of [4, 8] as const)
    for (const symmetric of [true, false])
      it(`gives what its codes say: ${bits} bits, ${symmetric ? 'symmetric' : 'asymmetric'}`, async () => {
        for (const [E, blockSize] of [
          [64, 16],
          [64, 32],
          [40, 16],
          [33, 16],
          [20, 64],
          [256, 128],
          [7, 16],
        ] as const) {
          const V = 11;
          const source = embeddingModel({ V, E });
          const { model } = await applyStep(step, source, { bits, blockSize, symmetric, minElements: 1 });
          const [node] = nodesOfType(model, 'GatherBlockQuantized') as [Node];
          expect(countOps(model).Gather).toBeUndefined();
          const reference = pick(await tableBehind(model, node, E));
          const original = (await runtimes[0][1](source, idFeeds)).get('e')!;
          for (const [label, run] of runtimes) {
            const e = (await run(model, idFeeds)).get('e')!;
            expect(relativeError(e, reference), `${label} ${E}/${blockSize}`).toBeLessThan(1e-6);
            expect(relativeError(e, original), `${label} ${E}/${blockSize}`).toBeLessThan(bits === 4 ? 0.15 : 0.01);
          }
        }
      });

  it('avoids zero points that WebGPU cannot read, and says so', async () => {
    const { model, advisories } = await applyStep(step, embeddingModel({ V: 50, E: 96 }), { bits: 4, minElements: 1 });
    expect(nodesOfType(model, 'GatherBlockQuantized')[0]!.inputs).toHaveLength(3);
    expect(advisories.map(({ code }) => code)).toContain('quant/symmetric-instead');
  });

  it('takes tables behind Constant and Identity nodes, in subgraphs, and read twice', async () => {
    const V = 9;
    const E = 32;
    const constant = embeddingModel({ V, E, tableNode: true });
    const twice = embeddingModel({
      V,
      E,
      nodes: [
        makeNode({ opType: 'Identity', inputs: ['table'], outputs: ['same'] }),
        makeNode({ opType: 'Gather', name: 'again', inputs: ['same', 'ids'], outputs: ['e2'] }),
        makeNode({ opType: 'Add', inputs: ['e', 'e2'], outputs: ['y'] }),
      ],
      output: 'y',
    });
    const branch = (name: string) =>
      makeGraph({
        name,
        nodes: [makeNode({ opType: 'Gather', name: `${name}/g`, inputs: ['table', 'ids'], outputs: [`${name}_e`] })],
        outputs: [valueInfo(`${name}_e`, 'float32', [2, 3, E])],
      });
    const inner = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({
            opType: 'If',
            inputs: ['c'],
            outputs: ['e'],
            attributes: { then_branch: attrGraph(branch('then')), else_branch: attrGraph(branch('else')) },
          }),
        ],
        inputs: [valueInfo('ids', 'int64', [2, 3]), valueInfo('c', 'bool', [])],
        outputs: [valueInfo('e', 'float32', [2, 3, E])],
        initializers: [floatTensor('table', [V, E], sampleValues(V * E, 3, E))],
      }),
    });
    for (const [source, count] of [
      [constant, 1],
      [twice, 2],
      [inner, 2],
    ] as const) {
      const { model, ledger } = await applyStep(step, source, { bits: 8, minElements: 1 });
      expect(ledger[0]!.fired).toBe(count);
      expect(countOps(model)['com.microsoft.GatherBlockQuantized']).toBe(count);
      expect(nodesOfType(model, 'Constant')).toHaveLength(0);
      const largest = Math.max(...[...model.graph.initializers.values()].map(tensorByteLength));
      expect(largest).toBe(V * E);
      const feeds = source === inner ? { ...idFeeds, c: { type: 'bool', dims: [], data: [1] } as const } : idFeeds;
      const [reference] = [...(await runtimes[0][1](source, feeds)).values()];
      for (const [label, run] of runtimes)
        expect(relativeError([...(await run(model, feeds)).values()][0]!, reference!), label).toBeLessThan(0.01);
    }
  });

  it('takes float16 tables', async () => {
    const source = embeddingModel({ V: 9, E: 32, dtype: 'float16' });
    const { model } = await applyStep(step, source, { bits: 8, minElements: 1 });
    const reference = (await runtimes[0][1](source, idFeeds)).get('e')!;
    for (const [label, run] of runtimes)
      expect(relativeError((await run(model, idFeeds)).get('e')!, reference), label).toBeLessThan(0.01);
  });
});

describe('a table tied to the output layer', () => {
  const [V, E] = [40, 64];
  for (const form of ['transpose', 'gemm', 'gemm-bias'] as const) {
    it(`shares the codes of a head that is quantized already: ${form}`, async () => {
      const source = tiedModel(V, E, form);
      const headOnly = await applyStep(rtn, source, { bits: 4 });
      const { model, advisories } = await applyBoth(source, rtn, { bits: 4 }, { bits: 8, minElements: 1 });
      expect(countOps(model)).toMatchObject({
        'com.microsoft.MatMulNBits': 1,
        'com.microsoft.GatherBlockQuantized': 1,
      });
      expect(model.graph.initializers.has('table')).toBe(false);
      expect(advisories.map(({ code }) => code)).toContain('quant/tied-shares-codes');
      // Beyond the head's own codes: a shape and nothing else.
      expect(weightBytes(model) - (weightBytes(headOnly.model) - V * E * 4)).toBe(16);
      const [gather] = nodesOfType(model, 'GatherBlockQuantized') as [Node];
      const table = await tableBehind(model, gather, E);
      const e = pick(table);
      const logits = product(e, table.flat(), 6, E, V, true);
      const bias = sampleValues(V, 8);
      const reference = form === 'gemm-bias' ? logits.map((value, i) => 0.5 * value + bias[i % V]!) : logits;
      for (const [label, run] of runtimes)
        expect(relativeError((await run(model, idFeeds)).get('y')!, reference), label).toBeLessThan(1e-5);
    });

    it(`quantizes a head that is not, with the same codes: ${form}`, async () => {
      const source = tiedModel(V, E, form);
      for (const outputForm of ['gather-block-quantized', 'qdq'] as const) {
        const { model } = await applyStep(step, source, { bits: 8, minElements: 1, form: outputForm });
        expect(model.graph.initializers.has('table')).toBe(false);
        const codes = [...model.graph.initializers.values()].filter((tensor) => tensorByteLength(tensor) >= V * E);
        expect(codes).toHaveLength(1);
        const reference = (await runtimes[0][1](source, idFeeds)).get('y')!;
        for (const [label, run] of runtimes)
          for (const level of ['disabled', 'all'] as const)
            expect(
              relativeError((await run(model, idFeeds, level)).get('y')!, reference),
              `${label} ${outputForm} ${level}`,
            ).toBeLessThan(0.02);
      }
    });
  }

  it('is left alone when that is wanted', async () => {
    const { model, ledger, advisories } = await applyStep(step, tiedModel(V, E, 'gemm'), {
      tied: 'leave',
      minElements: 1,
    });
    expect(ledger[0]!.fired).toBe(0);
    expect(countOps(model)).toMatchObject({ Gather: 1, Gemm: 1 });
    expect(advisories.map(({ code }) => code)).toContain('quant/tied-left');
  });

  it('is quantized on its own when the head stands for other numbers', async () => {
    const source = tiedModel(V, E, 'gemm');
    const once = await applyStep(rtn, source, { bits: 8 });
    const scales = nodesOfType(once.model, 'MatMulNBits')[0]!.inputs[2]!;
    const scaled = once.model.graph.initializers.get(scales)!;
    const twice = (await readTensorFloats(scaled)).map((value) => 2 * value);
    once.model.graph.initializers.set(scales, floatTensor(scales, scaled.dims, twice));
    const fake: StepDefinition = {
      ...rtn,
      run: async (ctx: StepContext) => {
        ctx.model.graph = once.model.graph;
        ctx.model.opsetImports = once.model.opsetImports;
        ctx.ledger.record('scaled the head', []);
      },
    } as unknown as StepDefinition;
    const { model } = await applyBoth(source, fake, {}, { bits: 8, minElements: 1 });
    const [gather] = nodesOfType(model, 'GatherBlockQuantized') as [Node];
    expect(model.graph.initializers.has(gather.inputs[0]!)).toBe(true);
    const [table, original] = [await tableBehind(model, gather, E), sampleValues(V * E, 3, E)];
    expect(relativeError(table.flat(), original)).toBeLessThan(0.01);
  });
});

describe('DequantizeLinear and Gather', () => {
  for (const bits of [4, 8] as const)
    for (const symmetric of [true, false])
      it(`give what the codes say: ${bits} bits, ${symmetric ? 'symmetric' : 'asymmetric'}`, async () => {
        for (const [V, E, blockSize] of [
          [11, 64, 32],
          [7, 33, 16],
          [6, 48, 16],
          [6, 7, 16],
        ] as const) {
          const source = embeddingModel({ V, E });
          const params = { bits, blockSize, symmetric, minElements: 1 };
          const { model } = await applyStep(step, source, { ...params, form: 'qdq' });
          expect(countOps(model)).toMatchObject({ DequantizeLinear: 1, Gather: 1 });
          expect(model.opsetImports.get('')).toBe(21);
          expect(model.opsetImports.has('com.microsoft')).toBe(false);
          const original = (await runtimes[0][1](source, idFeeds)).get('e')!;
          for (const [label, run] of runtimes)
            for (const level of ['disabled', 'all'] as const) {
              const e = (await run(model, idFeeds, level)).get('e')!;
              expect(relativeError(e, original), `${label} ${E} ${level}`).toBeLessThan(bits === 4 ? 0.15 : 0.01);
            }
        }
      });

  it('say why an old model cannot be raised', async () => {
    const source = embeddingModel({ V: 9, E: 32 });
    source.graph.nodes.push(makeNode({ opType: 'acme', inputs: ['e'], outputs: ['z'] }));
    await expect(applyStep(step, source, { form: 'qdq', minElements: 1 })).rejects.toMatchObject({
      code: 'pass/refused',
    });
  });
});

describe('what is left alone', () => {
  it('has its reason told, or is too small', async () => {
    const along = embeddingModel({ V: 9, E: 32 });
    along.graph.nodes[0]!.attributes.set('axis', attrInt(1));
    along.graph.outputs = [{ name: 'e' }];
    const skipped = await applyStep(step, along, { minElements: 1 });
    expect(skipped.ledger[0]!.fired).toBe(0);
    expect(skipped.advisories.map(({ message }) => message).join()).toMatch(/another axis/);
    const small = await applyStep(step, embeddingModel({ V: 9, E: 32 }));
    expect(small.ledger[0]!.fired).toBe(0);
    expect(small.advisories.map(({ code }) => code)).toEqual(['quant/nothing-to-quantize']);
    expect(
      (await applyStep(step, embeddingModel({ V: 9, E: 32 }), { exclude: ['emb*'], minElements: 1 })).ledger[0]!.fired,
    ).toBe(0);
  });

  it('a table with NaN is refused by name', async () => {
    const values = sampleValues(9 * 32);
    values[77] = Number.NaN;
    await expect(applyStep(step, embeddingModel({ V: 9, E: 32, values }), { minElements: 1 })).rejects.toMatchObject({
      code: 'pass/bad-weight',
      data: { tensor: 'table' },
    });
  });
});
