/**
 * What every quantizer must do with bad input, asserted over the registry: a new step is tested as soon as its file is
 * there.
 */
import { describe, expect, it } from 'vitest';
import { attrInt, attrInts } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { readTensorBytes, tensorFromBytes, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import type { CalibrationSource } from '../../../../src/core/step/define.ts';
import { type Feeds, type Level, relativeError, runOnNode } from './support/bench.ts';
import { float32Feed, generatedInputs } from './support/calibrated.ts';
import { attempt, cancelledAt, fullStore, type Quantizer, quantizers } from './support/every-quantizer.ts';
import { constantNode, floatTensor, sampleValues } from './support/models.ts';

const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const node = (opType: string, inputs: string[], output: string, attributes = {}): Node =>
  makeNode({ opType, name: `/${output}`, inputs, outputs: [output], attributes });
const weight = (name: string, dims: readonly number[], seed = 1) =>
  floatTensor(name, dims, sampleValues(count(dims), seed));

interface Hostile {
  readonly model: Model;
  readonly dims: readonly number[];
}
function hostile(dims: readonly number[], nodes: readonly Node[], initializers: readonly Tensor[]): Hostile {
  const model = makeModel({
    graph: makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', dims)],
      outputs: [valueInfo('y', 'float32')],
      initializers,
    }),
  });
  return { model, dims };
}
const feedsOf = (dims: readonly number[]): Feeds => ({
  x: { type: 'float32', dims, data: sampleValues(count(dims), 9) },
});
const calibrationOf = (dims: readonly number[], samples = 16) => generatedInputs({ x: dims }, samples);

/** The export form of FP8 is for other runtimes: onnxruntime loads it without its optimizer. */
const levelFor = ({ params }: Quantizer): Level => (params.form === 'export' ? 'basic' : 'all');

/** How far the coarsest setting of a quantizer may take these models, relative to the largest output. */
const TOLERANCE = 0.45;

async function expectRuns(quantizer: Quantizer, { model, dims }: Hostile, extra: object = {}): Promise<void> {
  const { outcome, error } = await attempt(quantizer, model, { calibration: calibrationOf(dims) }, extra);
  expect(error && `${error.code}: ${error.message}`).toBeUndefined();
  const feeds = feedsOf(dims);
  const reference = (await runOnNode(model, feeds)).get('y')!;
  const actual = (await runOnNode(outcome!.model, feeds, levelFor(quantizer))).get('y')!;
  expect(actual.every(Number.isFinite)).toBe(true);
  if (reference.some((value) => value !== 0)) expect(relativeError(actual, reference)).toBeLessThan(TOLERANCE);
  else expect(actual.map((value) => value + 0)).toEqual(reference.map((value) => value + 0));
}

const withBad = (tensor: Tensor, values: Float32Array, bad: number, at: number): Tensor => {
  const spoiled = values.slice();
  spoiled[at] = bad;
  return floatTensor(tensor.name, tensor.dims, spoiled);
};

describe.each(quantizers.map((quantizer) => [quantizer.label, quantizer] as const))('%s', (_label, quantizer) => {
  describe('a weight with NaN or infinite elements is named', () => {
    const big = sampleValues(64 * 64, 3);
    const kernel = sampleValues(8 * 4 * 9, 4);
    const cases: Record<string, (values: (tensor: Tensor, data: Float32Array) => Tensor) => Hostile> = {
      'a MatMul': (make) => hostile([2, 64], [node('MatMul', ['x', 'w'], 'y')], [make(weight('w', [64, 64]), big)]),
      'a Gemm': (make) =>
        hostile([2, 64], [node('Gemm', ['x', 'w'], 'y', { transB: attrInt(1) })], [make(weight('w', [64, 64]), big)]),
      'a Conv': (make) =>
        hostile([1, 4, 8, 8], [node('Conv', ['x', 'w'], 'y')], [make(weight('w', [8, 4, 3, 3]), kernel)]),
      'a Constant': (make) =>
        hostile([2, 64], [constantNode(make(weight('w', [64, 64]), big)), node('MatMul', ['x', 'w'], 'y')], []),
      'a Gather': (make) =>
        hostile(
          [2, 64],
          [node('Gather', ['w', 'i'], 'rows'), node('Add', ['rows', 'x'], 'y')],
          [make(weight('w', [64, 64]), big), tensorFromInts('i', [2], [1, 5])],
        ),
    };
    for (const [kind, build] of Object.entries(cases))
      it(`of ${kind}`, async () => {
        const good = build((tensor, data) => floatTensor(tensor.name, tensor.dims, data));
        const calibration = calibrationOf(good.dims);
        const fine = await attempt(quantizer, good.model, { calibration });
        expect(fine.error).toBeUndefined();
        const touches = !(await sameConstant(fine.outcome!.model, good.model, 'w'));
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const spoiled = build((tensor, data) => withBad(tensor, data, bad, 37));
          const { error, advisories, outcome } = await attempt(quantizer, spoiled.model, { calibration });
          if (error) expect(error).toMatchObject({ code: 'pass/bad-weight', data: { tensor: 'w' } });
          else if (touches && !isHeldExactly(quantizer, bad))
            expect(advisories.map(({ message }) => message).join()).toContain('"w"');
          else expect(outcome).toBeDefined();
        }
      });
  });

  describe('odd weights run', () => {
    const linears: readonly (readonly [number, number])[] = [
      [1, 1],
      [1, 9],
      [9, 1],
      [7, 5],
      [17, 31],
      [33, 3],
      [100, 2],
    ];
    it('MatMul and Gemm of odd sizes', async () => {
      for (const [K, N] of linears) {
        await expectRuns(quantizer, hostile([3, K], [node('MatMul', ['x', 'w'], 'y')], [weight('w', [K, N], K + N)]));
        const gemm = node('Gemm', ['x', 'w', 'b'], 'y', { transB: attrInt(1) });
        await expectRuns(quantizer, hostile([3, K], [gemm], [weight('w', [N, K], K + N), weight('b', [N], 5)]));
      }
    });

    it('weights of zeros, of one value, of tiny and of one large value', async () => {
      const fills: Record<string, Float32Array> = {
        zeros: new Float32Array(32 * 32),
        equal: new Float32Array(32 * 32).fill(0.3),
        negative: new Float32Array(32 * 32).fill(-2),
        tiny: sampleValues(32 * 32).map((v) => v * 1e-30),
        subnormal: new Float32Array(32 * 32).fill(1e-42),
        'zero columns': sampleValues(32 * 32, 4).map((v, i) => (i % 32 < 5 ? 0 : v)),
      };
      for (const values of Object.values(fills)) {
        const w = floatTensor('w', [32, 32], values);
        const { model, dims } = hostile([3, 32], [node('MatMul', ['x', 'w'], 'y')], [w]);
        const { outcome, error } = await attempt(quantizer, model, { calibration: calibrationOf(dims) });
        expect(error && `${error.code}: ${error.message}`).toBeUndefined();
        const actual = (await runOnNode(outcome!.model, feedsOf(dims), levelFor(quantizer))).get('y')!;
        const reference = (await runOnNode(model, feedsOf(dims))).get('y')!;
        const largest = Math.max(...reference.map(Math.abs));
        // Below the range of a format a value may become zero, or float16's smallest number; a block of zeros has scale 1,
        // at which some kernels round.
        for (const [i, value] of actual.entries())
          expect(Math.abs(value - reference[i]!)).toBeLessThan(TOLERANCE * largest + 1e-4);
      }
    });

    it('convolutions, one of them depthwise, a bias of zeros', async () => {
      await expectRuns(
        quantizer,
        hostile(
          [1, 3, 7, 5],
          [
            node('Conv', ['x', 'w', 'b'], 'a', { pads: attrInts([1, 1, 1, 1]) }),
            node('Relu', ['a'], 'r'),
            node('Conv', ['r', 'd'], 'c', { group: attrInt(5) }),
            node('Conv', ['c', 'p'], 'y'),
          ],
          [
            weight('w', [5, 3, 3, 3]),
            floatTensor('b', [5], new Float32Array(5)),
            weight('d', [5, 1, 3, 1], 2),
            weight('p', [1, 5, 1, 1], 3),
          ],
        ),
      );
    });

    it('empty weights, scalars, vectors, and a weight of rank 3', async () => {
      await expectRuns(
        quantizer,
        hostile(
          [3, 16],
          [
            node('MatMul', ['x', 'w3'], 'm'),
            node('MatMul', ['m', 'v'], 'dots'),
            node('Unsqueeze', ['dots', 'last'], 'column'),
            node('Mul', ['column', 'scalar'], 'scaled'),
            node('Concat', ['scaled', 'empty'], 'y', { axis: attrInt(2) }),
          ],
          [
            weight('w3', [1, 16, 16]),
            weight('v', [16], 2),
            tensorFromInts('last', [1], [2]),
            floatTensor('scalar', [], [0.5]),
            floatTensor('empty', [1, 3, 0], []),
          ],
        ),
      );
      await expectRuns(
        quantizer,
        hostile(
          [3, 4],
          [node('MatMul', ['x', 'w'], 'h'), node('Concat', ['h', 'x'], 'y', { axis: attrInt(1) })],
          [floatTensor('w', [4, 0], [])],
        ),
      );
    });

    it('a model without any weight is left as it is, and that is said', async () => {
      const { model, dims } = hostile([3, 4], [node('Identity', ['x'], 'y')], []);
      const { outcome, advisories } = await attempt(quantizer, model, { calibration: calibrationOf(dims) });
      expect(outcome!.model.graph.nodes.map(({ opType }) => opType).filter((op) => op !== 'Cast')).toEqual([
        'Identity',
      ]);
      expect(advisories.map(({ code }) => code)).toContain('quant/nothing-to-quantize');
    });
  });

  describe('shared weights', () => {
    const rows = tensorFromInts('i', [3], [1, 15, 4]);
    const square = weight('w', [16, 16]);
    const cases: Record<string, readonly Node[]> = {
      'by two products': [node('MatMul', ['x', 'w'], 'a'), node('MatMul', ['a', 'w'], 'y')],
      'by a product and a lookup': [
        node('Gather', ['w', 'i'], 'rows'),
        node('Add', ['rows', 'x'], 'a'),
        node('MatMul', ['a', 'w'], 'y'),
      ],
      'as weight and as operand': [
        node('MatMul', ['x', 'w'], 'a'),
        node('MatMul', ['w', 'w'], 'ww'),
        node('Add', ['w', 'w'], 'sum'),
        node('MatMul', ['a', 'sum'], 'b'),
        node('MatMul', ['b', 'ww'], 'y'),
      ],
      'in both orientations': [
        node('Gemm', ['x', 'w'], 'a', { transB: attrInt(1) }),
        node('Transpose', ['w'], 'wt'),
        node('MatMul', ['a', 'wt'], 'b'),
        node('Gemm', ['b', 'w'], 'y'),
      ],
    };
    for (const [kind, nodes] of Object.entries(cases))
      it(kind, () =>
        expectRuns(quantizer, hostile([3, 16], nodes, [square, ...(kind.includes('lookup') ? [rows] : [])])),
      );

    it('a graph output that is a weight keeps its exact values', async () => {
      const { model, dims } = hostile([3, 16], [node('MatMul', ['x', 'w'], 'y')], [square]);
      model.graph.outputs.push(valueInfo('w', 'float32', [16, 16]));
      const { outcome, error } = await attempt(quantizer, model, { calibration: calibrationOf(dims) });
      expect(error && `${error.code}: ${error.message}`).toBeUndefined();
      const outputs = await runOnNode(outcome!.model, feedsOf(dims), levelFor(quantizer));
      expect(relativeError(outputs.get('w')!, sampleValues(256))).toBeLessThan(TOLERANCE);
      expect(relativeError(outputs.get('y')!, (await runOnNode(model, feedsOf(dims))).get('y')!)).toBeLessThan(
        TOLERANCE,
      );
    });

    if ('exclude' in quantizer.params)
      it('one reader excluded: it computes exactly what it did', async () => {
        const { model, dims } = hostile(
          [3, 16],
          [node('MatMul', ['x', 'w'], 'kept'), node('MatMul', ['x', 'w'], 'y')],
          [square],
        );
        model.graph.outputs.push(valueInfo('kept', 'float32', [3, 16]));
        const calibration = calibrationOf(dims);
        const { outcome, error } = await attempt(quantizer, model, { calibration }, { exclude: ['/kept'] });
        expect(error && `${error.code}: ${error.message}`).toBeUndefined();
        const [before, after] = [
          await runOnNode(model, feedsOf(dims)),
          await runOnNode(outcome!.model, feedsOf(dims), levelFor(quantizer)),
        ];
        expect(relativeError(after.get('kept')!, before.get('kept')!)).toBeLessThan(1e-6);
        expect(relativeError(after.get('y')!, before.get('y')!)).toBeLessThan(TOLERANCE);
      });
  });

  describe('a model that is quantized already', () => {
    const half = hostile(
      [3, 32],
      [node('MatMul', ['x', 'w'], 'a'), node('Relu', ['a'], 'r'), node('MatMul', ['r', 'v'], 'y')],
      [weight('w', [32, 32]), weight('v', [32, 32], 2)],
    );
    const first = (id: string) => quantizers.find(({ step }) => step.id === id)!;
    const quantizedBy: Record<string, () => Promise<Model>> = {
      'with QDQ': async () => (await made('static-int8')).model,
      'with MatMulNBits': async () => (await made('weight-only-rtn')).model,
      'with MatMulInteger': async () => (await made('dynamic-int8')).model,
      'with QLinearMatMul': async () => qlinear,
    };
    const made = async (id: string) =>
      (await attempt(first(id), half.model, { calibration: calibrationOf(half.dims) })).outcome!;
    for (const [kind, make] of Object.entries(quantizedBy))
      it(`${kind} runs as before, and the user is told`, async () => {
        const model = await make();
        const { outcome, error, advisories } = await attempt(quantizer, model, {
          calibration: calibrationOf(half.dims),
        });
        const codes = advisories.map(({ code }) => code);
        // 16-bit floats are not about integers: they convert what is left in float32.
        if (quantizer.step.id !== 'fp16') expect(codes).toContain('quant/already-quantized');
        if (error) {
          expect(error.code).toBe('pass/refused');
          return;
        }
        const feeds = feedsOf(half.dims);
        const reference = (await runOnNode(model, feeds)).get('y')!;
        const actual = (await runOnNode(outcome!.model, feeds, levelFor(quantizer))).get('y')!;
        // Integer kernels of CPUs without VNNI saturate a little.
        expect(relativeError(actual, reference)).toBeLessThan(0.15);
      });
  });

  if (quantizer.isCalibrated)
    describe('calibration inputs', () => {
      const { model } = hostile(
        [3, 32],
        [node('MatMul', ['x', 'w'], 'a'), node('Relu', ['a'], 'r'), node('MatMul', ['r', 'v'], 'y')],
        [weight('w', [32, 32]), weight('v', [32, 32], 2)],
      );
      const one = (feed: ReturnType<typeof float32Feed>, name = 'x'): CalibrationSource => ({
        origin: 'calibration-split',
        async *feeds() {
          yield new Map([[name, feed]]);
        },
      });
      const errorOf = async (calibration: CalibrationSource | undefined) =>
        (await attempt(quantizer, model, { calibration })).error;
      const zeros = new Float32Array(96);
      const cases: readonly (readonly [string, CalibrationSource | undefined, string])[] = [
        ['none', undefined, 'calib/no-data'],
        ['empty', { origin: 'generated', async *feeds() {} }, 'calib/too-few-samples'],
        ['of a wrong size', one(float32Feed([3, 31], new Float32Array(93))), 'task/shape-mismatch'],
        ['of a wrong rank', one(float32Feed([96], zeros)), 'task/shape-mismatch'],
        ['of a wrong type', one({ dtype: 'int32', dims: [3, 32], data: new Uint8Array(384) }), 'task/shape-mismatch'],
        ['of another name', one(float32Feed([3, 32], zeros), 'z'), 'task/shape-mismatch'],
        ['with NaN', one(float32Feed([3, 32], zeros.slice().fill(Number.NaN, 5, 6))), 'calib/not-finite'],
      ];
      for (const [kind, calibration, code] of cases)
        it(`${kind}: ${code}`, async () => {
          expect(await errorOf(calibration)).toMatchObject({ code });
        });

      it('a bad one among good ones is found', async () => {
        const mixed: CalibrationSource = {
          origin: 'calibration-split',
          async *feeds() {
            yield* calibrationOf([3, 32], 3).feeds();
            yield new Map([['x', float32Feed([3, 32], zeros.slice().fill(Number.NaN))]]);
          },
        };
        // What layers read is measured, or what they make where their outputs are to be mended.
        const tensor = quantizer.step.id === 'bias-correction' ? 'a' : 'x';
        expect(await errorOf(mixed)).toMatchObject({ code: 'calib/not-finite', data: { tensor } });
      });

      it('few: the user is told', async () => {
        const { advisories } = await attempt(quantizer, model, { calibration: calibrationOf([3, 32], 2) });
        expect(advisories.map(({ code }) => code)).toContain('quant/few-samples');
      });
    });

  describe('what stops it leaves the model alone', () => {
    const { model, dims } = hostile(
      [1, 4, 8, 8],
      [
        node('Conv', ['x', 'k'], 'c', { pads: attrInts([1, 1, 1, 1]) }),
        node('Relu', ['c'], 'r'),
        node('Conv', ['r', 'p'], 'd'),
        node('Flatten', ['d'], 'f'),
        node('Gemm', ['f', 'w', 'b'], 'g', { transB: attrInt(1) }),
        node('Gather', ['t', 'i'], 'rows'),
        node('Add', ['g', 'rows'], 'h'),
        node('MatMul', ['h', 'v'], 'y'),
      ],
      [
        weight('t', [40, 64], 6),
        tensorFromInts('i', [1], [7]),
        weight('k', [16, 4, 3, 3]),
        weight('p', [4, 16, 1, 1], 2),
        weight('w', [64, 256], 3),
        weight('b', [64], 4),
        weight('v', [64, 64], 5),
      ],
    );

    it('a full disk, at whichever write', async () => {
      const before = await modelToBytes(model);
      const open = fullStore(Number.POSITIVE_INFINITY);
      const fine = await attempt(quantizer, model, { calibration: calibrationOf(dims), store: open });
      expect(fine.error && `${fine.error.code}: ${fine.error.message}`).toBeUndefined();
      for (let writes = 0; writes < Math.min(open.puts, 4); writes += 1) {
        const store = fullStore(writes);
        const { error } = await attempt(quantizer, model, { calibration: calibrationOf(dims), store });
        expect(error, `after ${writes} of ${open.puts} writes`).toMatchObject({ code: 'storage/full' });
      }
      expect(await modelToBytes(model)).toEqual(before);
    });

    it('a cancel, at whichever turn of the event loop', async () => {
      const before = await modelToBytes(model);
      const whole = cancelledAt(Number.POSITIVE_INFINITY);
      await attempt(quantizer, model, { calibration: calibrationOf(dims), job: whole.job });
      const turns = whole.turns();
      // After the last turn nothing may be left to stop.
      for (const at of new Set([1, Math.min(2, turns - 1), Math.ceil(turns / 2), turns - 1])) {
        if (at < 1 || (at === turns && turns > 1)) continue;
        const { error } = await attempt(quantizer, model, {
          calibration: calibrationOf(dims),
          job: cancelledAt(at).job,
        });
        expect(error, `at ${at} of ${turns} turns`).toMatchObject({ code: 'job/cancelled' });
      }
      expect(await modelToBytes(model)).toEqual(before);
    });
  });
});

/** Whether the format has this very value, so that nothing is lost and nothing need be said. */
const isHeldExactly = ({ step }: Quantizer, bad: number) =>
  (step.id === 'fp16' || step.id === 'bf16') && !Number.isNaN(bad);

/** Whether a constant is still there with the same bytes. */
async function sameConstant(model: Model, source: Model, name: string): Promise<boolean> {
  const find = (from: Model) =>
    from.graph.initializers.get(name) ??
    from.graph.nodes.find(({ outputs }) => outputs[0] === name)?.attributes.get('value');
  const [now, was] = [find(model), find(source)];
  const tensorOf = (found: typeof now): Tensor | undefined =>
    found && 'dims' in found ? found : found?.type === 'tensor' ? found.value : undefined;
  const [after, before] = [tensorOf(now), tensorOf(was)];
  if (!after || !before || after.dtype !== before.dtype) return false;
  const [a, b] = [await readTensorBytes(after), await readTensorBytes(before)];
  return a.every((byte, i) => byte === b[i]);
}

/** x -> QuantizeLinear -> QLinearMatMul -> DequantizeLinear -> MatMul with a float weight -> y. */
const qlinear = (() => {
  const bytes = (name: string, dims: readonly number[], seed: number) =>
    tensorFromBytes(
      name,
      'uint8',
      dims,
      Uint8Array.from(sampleValues(count(dims), seed), (v) => 128 + v * 40),
    );
  return hostile(
    [3, 32],
    [
      node('QuantizeLinear', ['x', 's', 'z'], 'xq'),
      node('QLinearMatMul', ['xq', 's', 'z', 'wq', 's', 'z', 's2', 'z'], 'aq'),
      node('DequantizeLinear', ['aq', 's2', 'z'], 'a'),
      node('MatMul', ['a', 'v'], 'y'),
    ],
    [
      floatTensor('s', [], [0.03]),
      floatTensor('s2', [], [0.1]),
      tensorFromBytes('z', 'uint8', [], Uint8Array.of(128)),
      bytes('wq', [32, 32], 3),
      weight('v', [32, 32], 4),
    ],
  ).model;
})();
