import { z } from 'zod';
import type { Model } from '../ir/types.ts';
import { type Advisory, defineStep, type ExecutionProvider, type ProviderSupport } from '../step/define.ts';
import { quantizeMatrix } from './support/nbits-matrix.ts';
import { openScopes } from './support/scopes.ts';
import { hqqSearch } from './support/search/hqq.ts';
import { checkWeightOnly, matrixRequest, runWeightOnly, weightOnlyRunsOn } from './support/weight-only.ts';
import { weightOnlyParams } from './support/weight-only-params.ts';
import { planWeightOnly } from './support/weight-only-plan.ts';

const TITLE = 'Weight-only blocks, HQQ';

const params = z.object({
  ...weightOnlyParams,
  zeroPoint: z
    .enum(['integer', 'float'])
    .default('integer')
    .meta({
      title: 'Zero points',
      description:
        'Fractional ones are the paper’s and more accurate, cost 32 (or 16) bits a block instead of one code, and run on WASM and native CPUs only, with 2 to 4 bits.',
      optionTitles: { integer: 'whole (every target)', float: 'fractional (not WebGPU)' },
    }),
  norm: z.number().min(0.3).max(1).default(0.7).meta({
    title: 'Norm p',
    description: 'Errors count by their p-th power: the smaller, the more a few large errors are forgiven.',
  }),
  beta: z.number().min(0.1).max(10000).default(10).meta({
    title: 'Beta',
    description: 'How little error is forgiven at first; errors are measured in steps of one code.',
  }),
  kappa: z.number().min(1).max(2).default(1.01).meta({ title: 'Kappa', description: 'Beta grows by this factor.' }),
  iterations: z.number().int().min(1).max(200).default(20).meta({
    title: 'Iterations',
    description: 'At most; a block that no longer improves stops, and its best state is kept.',
  }),
});

type Params = z.output<typeof params>;

/** DequantizeLinear's zero points have the type of its codes. */
const hasFractions = ({ zeroPoint, symmetric, form }: Params) =>
  zeroPoint === 'float' && !symmetric && form === 'matmul-nbits';

function runsOn(settings: Params): Record<ExecutionProvider, ProviderSupport> {
  const support = weightOnlyRunsOn();
  if (!hasFractions(settings)) return support;
  const reason = 'MatMulNBits takes whole zero points only on WebGPU; choose whole ones';
  return { ...support, webgpu: { level: 'none', reason } };
}

function check(model: Model, settings: Params): Advisory[] {
  const advice = checkWeightOnly(model, settings, TITLE);
  if (settings.zeroPoint === 'float' && settings.symmetric)
    advice.push({
      level: 'info',
      code: 'quant/no-zero-points',
      message: 'Symmetric blocks have no zero points, so whether they are fractional makes no difference.',
    });
  if (settings.zeroPoint === 'float' && settings.form === 'qdq')
    advice.push({
      level: 'info',
      code: 'quant/whole-zero-points-in-qdq',
      message: 'DequantizeLinear takes whole zero points only, so fractional ones are for MatMulNBits.',
    });
  if (!hasFractions(settings)) return advice;
  advice.push({
    level: 'warning',
    code: 'quant/fractional-zero-points',
    message: 'Fractional zero points do not run on WebGPU: MatMulNBits takes whole ones there.',
    providers: ['webgpu'],
  });
  if (planWeightOnly(openScopes(model), settings).weights.some(({ scheme }) => scheme.bits === 8))
    advice.push({
      level: 'info',
      code: 'quant/whole-zero-points-at-8-bits',
      message: 'The runtime has no kernel for 8 bits with fractional zero points: those weights get whole ones.',
    });
  return advice;
}

export const step = defineStep({
  id: 'weight-only-hqq',
  title: TITLE,
  summary:
    'As round to nearest, but each block’s parameters are fitted so that a few large errors are forgiven (half-quadratic optimization, HQQ); needs no data.',
  section: 'quantization',
  order: 313,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: {},
  source:
    'Badri and Shaji 2023, Half-Quadratic Quantization (p, beta, kappa, iterations as published), errors in steps; stored as onnxruntime 1.30’s MatMulNBits',
  runsOn,
  check,
  run: (ctx, settings) => {
    const { norm: p, beta, kappa, iterations } = settings;
    return runWeightOnly(ctx, settings, TITLE, (_, weight) => {
      const search = hqqSearch({ p, beta, kappa, iterations }, hasFractions(settings) && weight.scheme.bits !== 8);
      return quantizeMatrix(ctx, { ...matrixRequest(weight), search });
    });
  },
});
