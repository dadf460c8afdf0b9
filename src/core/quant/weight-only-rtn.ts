import { z } from 'zod';
import { defineStep } from '../step/define.ts';
import { quantizeMatrix } from './support/nbits-matrix.ts';
import { checkWeightOnly, matrixRequest, runWeightOnly, weightOnlyRunsOn } from './support/weight-only.ts';
import { weightOnlyParams } from './support/weight-only-params.ts';

const TITLE = 'Weight-only blocks, round to nearest (RTN)';

export const step = defineStep({
  id: 'weight-only-rtn',
  title: TITLE,
  summary:
    'Stores the weights of MatMul and Gemm in 2, 3, 4 or 8 bits with a scale per block; needs no data. Smallest files, and the form that WebGPU runs best; on WASM it is small but slower than float32.',
  section: 'quantization',
  order: 310,
  exclusiveGroup: 'weights',
  params: z.object(weightOnlyParams),
  precision: 'lossy',
  needs: {},
  source: 'onnxruntime 1.30, DefaultWeightOnlyQuantConfig (MLAS blockwise quantizer) and com.microsoft.MatMulNBits',
  runsOn: weightOnlyRunsOn,
  check: (model, settings) => checkWeightOnly(model, settings, TITLE),
  run: (ctx, settings) =>
    runWeightOnly(ctx, settings, TITLE, (_, weight) => quantizeMatrix(ctx, matrixRequest(weight)), true),
});
