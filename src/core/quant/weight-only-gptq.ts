import { z } from 'zod';
import { defineStep } from '../step/define.ts';
import { samplesParam } from './support/calibration.ts';
import { runGptq } from './support/gptq/gptq-run.ts';
import { checkWeightOnly, weightOnlyRunsOn } from './support/weight-only.ts';
import { weightOnlyParams } from './support/weight-only-params.ts';

const TITLE = 'Weight-only blocks, GPTQ';

const params = z.object({
  ...weightOnlyParams,
  actOrder: z.boolean().default(true).meta({
    title: 'Important inputs first',
    description:
      'Quantizes the inputs with the largest activations first, on scales that are fixed beforehand (act-order with static groups). Much better where a few inputs are far larger than the rest, else about the same.',
  }),
  damping: z.number().min(0).max(1).default(0.01).meta({
    title: 'Damping',
    description:
      "Share of the mean of the Hessian's diagonal that is added to it. It is raised where the Hessian is not positive definite.",
  }),
  gridSearch: z
    .enum(['min-max', 'mse'])
    .default('mse')
    .meta({
      title: 'Range of a block',
      description: 'All of the block, or as much of it as gives the least weighted squared error.',
      optionTitles: { 'min-max': 'minimum and maximum', mse: 'least squared error' },
    }),
  scaling: z
    .enum(['none', 'awq'])
    .default('none')
    .meta({
      title: 'Scale channels first',
      description:
        'Before anything is rounded, scale up the input channels that meet large activations (AWQ). May help where GPTQ alone is not enough.',
      optionTitles: { none: 'no', awq: "by AWQ's factors" },
    }),
  samples: samplesParam(128),
});

export const step = defineStep({
  id: 'weight-only-gptq',
  title: TITLE,
  summary:
    'Stores the weights of MatMul and Gemm in 2, 3, 4 or 8 bits and makes up for the rounding of each input by the inputs that are still to be rounded, as far as calibration data show them to go together. Closer to the original than round to nearest at the same size.',
  section: 'quantization',
  order: 316,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: { execution: true, calibration: true },
  source:
    'Frantar et al., GPTQ (arXiv 2210.17323), in the form of Chee et al., QuIP (arXiv 2307.13304), theorem 6; scaling: Lin et al., AWQ (arXiv 2306.00978); com.microsoft.MatMulNBits of onnxruntime 1.30',
  runsOn: weightOnlyRunsOn,
  check: (model, settings) => checkWeightOnly(model, settings, TITLE),
  run: (ctx, settings) => runGptq(ctx, settings, TITLE),
});
