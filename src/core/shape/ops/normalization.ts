/** Normalizations of the default domain. */
import type { InferFn } from '../context.ts';
import { axisOf, sameAsInput } from './helpers.ts';

/** Outputs: Y, running mean, running variance (training, opset 14), plus saved statistics before opset 14. */
const batchNormalization: InferFn = (c) => {
  const shape = c.shape(0);
  c.set(0, c.dtype(0), shape);
  const channels = shape && shape.length > 1 ? [shape[1]!] : shape && [1];
  for (let output = 1; output < c.outputCount; output++)
    c.set(output, c.dtype(3) ?? c.dtype(0), c.shape(3) ?? channels);
};

/** Outputs 1 and 2, mean and inverse deviation, keep the axes before `axis` and have size 1 after. */
const layerNormalization: InferFn = (c) => {
  const shape = c.shape(0);
  c.set(0, c.dtype(0), shape);
  const axis = shape && axisOf(c.int('axis', -1), shape.length);
  const statistics = axis === undefined ? undefined : shape!.map((dim, at) => (at < axis ? dim : 1));
  const dtype = c.dtypeAttribute('stash_type') ?? 'float32';
  c.set(1, dtype, statistics);
  c.set(2, dtype, statistics);
};

export const normalization: Record<string, InferFn> = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  // onnxruntime registers this and LayerNormalization before opset 17 in the default domain.
  SimplifiedLayerNormalization: layerNormalization,
  RMSNormalization: sameAsInput,
  GroupNormalization: sameAsInput,
  InstanceNormalization: sameAsInput,
  LRN: sameAsInput,
  LpNormalization: sameAsInput,
  MeanVarianceNormalization: sameAsInput,
};
