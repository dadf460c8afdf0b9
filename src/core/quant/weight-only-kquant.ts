import { z } from 'zod';
import { defineStep } from '../step/define.ts';
import { quantizeMatrix } from './support/nbits-matrix.ts';
import { kQuantSearch } from './support/search/kquant.ts';
import { checkWeightOnly, matrixRequest, runWeightOnly, weightOnlyRunsOn } from './support/weight-only.ts';
import { weightOnlyParams } from './support/weight-only-params.ts';

const TITLE = 'Weight-only blocks, k-quant';

export const step = defineStep({
  id: 'weight-only-kquant',
  title: TITLE,
  summary:
    'As round to nearest, but each block’s scale and zero point are searched for the least squared error with large weights counting more, as llama.cpp’s K-quants; needs no data.',
  section: 'quantization',
  order: 314,
  exclusiveGroup: 'weights',
  params: z.object(weightOnlyParams),
  precision: 'lossy',
  needs: {},
  source:
    'llama.cpp, make_qkx2_quants (weights sigma + |x|, 21 scales, weighted least squares, minimum at most 0), with the zero point kept whole inside the search; stored as onnxruntime 1.30’s MatMulNBits',
  runsOn: weightOnlyRunsOn,
  check: (model, settings) => checkWeightOnly(model, settings, TITLE),
  run: (ctx, settings) =>
    runWeightOnly(ctx, settings, TITLE, (_, weight) =>
      quantizeMatrix(ctx, { ...matrixRequest(weight), search: kQuantSearch(weight.scheme) }),
    ),
});
