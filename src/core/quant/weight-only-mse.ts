import { z } from 'zod';
import { defineStep } from '../step/define.ts';
import { quantizeMatrix } from './support/nbits-matrix.ts';
import { clipSearch } from './support/search/clip.ts';
import { checkWeightOnly, matrixRequest, runWeightOnly, weightOnlyRunsOn } from './support/weight-only.ts';
import { weightOnlyParams } from './support/weight-only-params.ts';

const TITLE = 'Weight-only blocks, MSE clipping';

export const step = defineStep({
  id: 'weight-only-mse',
  title: TITLE,
  summary:
    'As round to nearest, but each block’s range is shrunk where the finer steps gain more than the clipped values lose (least squared error); needs no data. Most useful at 2 and 3 bits and with large blocks.',
  section: 'quantization',
  order: 312,
  exclusiveGroup: 'weights',
  params: z.object({
    ...weightOnlyParams,
    smallestRange: z.number().min(0.1).max(0.95).default(0.5).meta({
      title: 'Smallest range',
      description: 'The smallest share of a block’s range to try.',
    }),
    gridSteps: z.number().int().min(1).max(100).default(20).meta({
      title: 'Grid steps',
      description: 'Ranges to try from the full one down to the smallest. Time grows with it.',
    }),
  }),
  precision: 'lossy',
  needs: {},
  source:
    'Clip search by mean squared error, as in Banner et al. 2019 and GPTQ’s mse option, per block and with both ends searched; parameters as onnxruntime 1.30’s MatMulNBits',
  runsOn: weightOnlyRunsOn,
  check: (model, settings) => checkWeightOnly(model, settings, TITLE),
  run: (ctx, settings) => {
    const search = clipSearch({ smallest: settings.smallestRange, steps: settings.gridSteps }, settings.symmetric);
    return runWeightOnly(ctx, settings, TITLE, (_, weight) =>
      quantizeMatrix(ctx, { ...matrixRequest(weight), search }),
    );
  },
});
