/**
 * Random small nets x every quantizer x random valid parameters: the result is a valid model, runs, and is within what
 * the format's coarseness allows. WHITTLE_RANDOM_NETS sets how many nets a quantizer gets.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRng, type Rng } from '../../../../src/core/base/rng.ts';
import { bytesOf } from '../../../../src/core/ir/tensor.ts';
import { formFields } from '../../../../src/core/recipe/form.ts';
import type { CalibrationSource } from '../../../../src/core/step/define.ts';
import { type Feeds, runOnNode } from './support/bench.ts';
import { attempt, type Quantizer, quantizers } from './support/every-quantizer.ts';
import { type Coarseness, RandomNet, ROWS } from './support/random-nets.ts';

const numRuns = Number(process.env.WHITTLE_RANDOM_NETS ?? 10);

/**
 * Every switch and every choice at random; numbers and lists as they are by default, since most of them say how much may
 * be lost. Some choices are fixed, for a bound to hold: nothing is clipped, and 8-bit sums do not saturate.
 */
function randomParams({ step, params }: Quantizer, rng: Rng): Record<string, unknown> {
  const chosen: Record<string, unknown> = { ...params };
  for (const field of formFields(step.params)) {
    if (field.kind === 'boolean') chosen[field.key] = rng.int(2) === 0;
    if (field.kind === 'enum') chosen[field.key] = field.options[rng.int(field.options.length)];
  }
  const fixed = { method: 'min-max', reduceRange: true, keepIoTypes: true, weightType: 'uint8', minElements: 1 };
  for (const [key, value] of Object.entries(fixed))
    if (step.params.shape[key]?.safeParse(value).success) chosen[key] = value;
  return step.params.parse(chosen) as Record<string, unknown>;
}

/** int8 activations of MatMulNBits, where the runtime takes them: blocks of at least 16, half a step of 127. */
const KERNEL_INPUTS = 1 / 127;
const BYTE = 2.1 / 255;

/** What a step may do to numbers; undefined where no bound follows from its definition. */
function coarsenessOf(id: string, params: Record<string, unknown>): Coarseness | undefined {
  const exact: Coarseness = { weights: 1e-6, inputs: 1e-6, outputs: 1e-6, clips: false };
  // A step of the grid, full, for codes at the ends and rounded zero points; 2.1 for what rounding of scales adds.
  const grid = (bits: number) => 2.1 / (2 ** Math.min(bits, 8) - 1);
  switch (id) {
    case 'cross-layer-equalization':
      return { ...exact, outputs: 1e-5 };
    case 'fp16':
      return { weights: 2 ** -11, inputs: 2 ** -11, outputs: 2 ** -10, clips: false };
    case 'bf16':
      return { ...exact, weights: 2 ** -8 };
    case 'fp8-qdq': {
      const half = params.format === 'float8e4m3fn' ? 2 ** -4 : 2 ** -3;
      return { ...exact, weights: half, inputs: params.activations ? half : 0, clips: params.activations === true };
    }
    case 'weight-int8':
      return { ...exact, weights: BYTE, inputs: KERNEL_INPUTS };
    case 'dynamic-int8':
      return { ...exact, weights: 2 * BYTE, inputs: BYTE };
    case 'static-int8':
      return { weights: 2 * BYTE, inputs: BYTE * 2, outputs: BYTE * 2, clips: true };
    case 'weight-only-bnb4':
      // The widest gap of the tables is a third, double quantization adds one code of 8 bits.
      return { ...exact, weights: 1 / 6 + 0.02, inputs: KERNEL_INPUTS };
    case 'quantize-embeddings':
    case 'weight-only-rtn':
      return { ...exact, weights: grid(Number(params.bits)), inputs: KERNEL_INPUTS };
    default:
      return undefined;
  }
}

const feedsOf = (net: RandomNet): Feeds => ({
  x: { type: 'float32', dims: [ROWS, net.width], data: net.input },
  c: { type: 'bool', dims: [], data: [1] },
});

/** The very input that the net is judged by: what calibration has seen is not clipped. */
const calibrationOf = (net: RandomNet): CalibrationSource => ({
  origin: 'task-inputs',
  async *feeds() {
    yield new Map([
      ['x', { dtype: 'float32' as const, dims: [ROWS, net.width], data: bytesOf(net.input) }],
      ['c', { dtype: 'bool' as const, dims: [], data: Uint8Array.of(1) }],
    ]);
  },
});

const firstOfEach = quantizers.filter(({ step }, at) => quantizers.findIndex((other) => other.step === step) === at);

it('the nets compute what the bound is about', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const net = new RandomNet(seed);
    const { value, error } = net.bound({ weights: 0, inputs: 0, outputs: 0, clips: false });
    expect(Math.max(...error)).toBe(0);
    const actual = (await runOnNode(net.model, feedsOf(net))).get('y')!;
    const scale = Math.max(...value.map(Math.abs));
    for (const [i, y] of actual.entries())
      expect(Math.abs(y - value[i]!), `seed ${seed}`).toBeLessThan(1e-4 * scale + 1e-6);
  }
});

describe.each(firstOfEach.map((quantizer) => [quantizer.step.id, quantizer] as const))('%s', (id, quantizer) => {
  it('any net, any parameters', async () => {
    let built = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (seed) => {
        const net = new RandomNet(seed);
        const params = randomParams(quantizer, createRng(seed + 1));
        const { outcome, error } = await attempt({ ...quantizer, params }, net.model, {
          calibration: calibrationOf(net),
        });
        if (error?.code === 'pass/refused') return;
        expect(error && `${error.code}: ${error.message}`, JSON.stringify(params)).toBeUndefined();
        built += 1;
        // Two forms that onnxruntime 1.30 does not load when it optimizes them; the steps say so.
        const isInt8InNewOpset = params.activationType === 'int8' && outcome!.model.opsetImports.get('')! >= 21;
        const level = params.form === 'export' || isInt8InNewOpset ? 'basic' : 'all';
        const actual = (await runOnNode(outcome!.model, feedsOf(net), level)).get('y')!;
        const format = coarsenessOf(id, params);
        const { value, error: allowed } = net.bound(format ?? { weights: 0, inputs: 0, outputs: 0, clips: false });
        const floor = 1e-4 * Math.max(...value.map(Math.abs)) + 1e-4;
        for (const [i, y] of actual.entries()) {
          expect(Number.isFinite(y)).toBe(true);
          if (format) expect(Math.abs(y - value[i]!), JSON.stringify(params)).toBeLessThanOrEqual(allowed[i]! + floor);
        }
      }),
      { seed: 20, numRuns, endOnFailure: true },
    );
    expect(built).toBeGreaterThan(numRuns / 2);
  }, 120_000);
});
