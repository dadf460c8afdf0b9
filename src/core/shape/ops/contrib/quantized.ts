/** Quantized operators of com.microsoft (onnxruntime's ContribOperators.md, 1.30). */
import type { DType } from '../../../ir/dtype.ts';
import type { InferContext, InferFn } from '../../context.ts';
import { broadcastShapes, type Shape } from '../../facts.ts';
import { add, mul, type Sym } from '../../symbolic.ts';
import { globalPool, pool } from '../conv.ts';
import { axisOf, withDim } from '../helpers.ts';
import { matMulOf } from '../matmul.ts';
import { quantization } from '../quantization.ts';
import { recurrentContribOps } from '../recurrent.ts';
import { reduceAxes } from '../reduction.ts';

/** A [..., K] times packed weights of N columns. */
const matMulPacked: InferFn = (c) => {
  const shape = c.shape(0);
  c.set(0, c.dtype(0), shape && [...shape.slice(0, -1), c.int('N') ?? null]);
};

/** uint8 data holds 8/bits elements per byte along the last axis. */
const gatherBlockQuantized: InferFn = (c) => {
  const data = c.shape(0);
  const indices = c.shape(1);
  const axis = data && axisOf(c.int('gather_axis', 0), data.length);
  if (axis === undefined || !indices) return c.set(0, c.dtype(2), undefined);
  const perByte = c.dtype(0) === 'uint8' ? Math.floor(8 / c.int('bits', 4)) : 1;
  const last = data!.length - 1;
  const unpacked = withDim(data!, last, mul(data![last]!, perByte));
  c.set(0, c.dtype(2), [...unpacked.slice(0, axis), ...indices, ...unpacked.slice(axis + 1)]);
};

const operandShapes = (c: InferContext, inputs: readonly number[]): Shape | undefined =>
  broadcastShapes(inputs.map((index) => c.shape(index)));

const qLinearBroadcast: InferFn = (c) => c.set(0, c.dtype(0), operandShapes(c, [0, 3]));
const qLinearWhere: InferFn = (c) => c.set(0, c.dtype(1), operandShapes(c, [0, 1, 4]));
const same: InferFn = (c) => c.set(0, c.dtype(0), c.shape(0));

/** Inputs: output scale, output zero point, then (tensor, scale, zero point) for each part. */
const qLinearConcat: InferFn = (c) => {
  const first = c.shape(2);
  const axis = first && axisOf(c.int('axis', 0), first.length);
  let total: Sym = 0;
  if (axis !== undefined)
    for (let index = 2; index < c.inputCount; index += 3) total = add(total, c.shape(index)?.[axis] ?? null);
  c.set(0, c.dtype(2), axis === undefined ? undefined : withDim(first!, axis, total));
};

/** With `channels_last` the spatial axes are in the middle. */
const channelsLast =
  (inner: InferFn): InferFn =>
  (c) => {
    if (c.int('channels_last', 0) === 0) return inner(c);
    const shape = c.shape(0);
    const isGlobal = c.node.opType === 'QLinearGlobalAveragePool';
    c.set(
      0,
      c.dtype(0),
      isGlobal ? shape?.map((dim, axis) => (axis === 0 || axis === shape.length - 1 ? dim : 1)) : undefined,
    );
  };

const qLinearReduceMean: InferFn = (c) => {
  const shape = c.shape(0);
  const axes = c.ints('axes') ?? shape?.map((_, axis) => axis);
  const resolved = shape && axes?.map((axis) => (axis < 0 ? axis + shape.length : axis));
  c.set(0, c.dtype(0), resolved && reduceAxes(shape!, resolved, c.int('keepdims', 1) === 1));
};

/** The result is quantized only when an output scale is given (input 7). */
const qGemm: InferFn = (c) => {
  const rows = c.shape(0)?.[c.int('transA', 0) ? 1 : 0] ?? null;
  const columns = c.shape(3)?.[c.int('transB', 0) ? 0 : 1] ?? null;
  c.set(0, c.has(8) ? c.dtype(8) : c.has(7) ? c.dtype(0) : 'float32', [rows, columns]);
};

const dtypeOf =
  (index: number) =>
  (c: InferContext): DType | undefined =>
    c.dtype(index);

export const contribQuantized: Record<string, InferFn> = {
  ...recurrentContribOps,
  QuantizeLinear: quantization.QuantizeLinear!,
  DequantizeLinear: quantization.DequantizeLinear!,
  MatMulNBits: matMulPacked,
  MatMulBnb4: matMulPacked,
  MatMulFpQ4: matMulPacked,
  GatherBlockQuantized: gatherBlockQuantized,
  MatMulIntegerToFloat: matMulOf(0, 1, dtypeOf(2)),
  DynamicQuantizeMatMul: matMulOf(0, 1, dtypeOf(0)),
  MatMulInteger16: matMulOf(0, 1, () => 'int32'),
  QGemm: qGemm,
  QLinearAdd: qLinearBroadcast,
  QLinearMul: qLinearBroadcast,
  QLinearWhere: qLinearWhere,
  QLinearLeakyRelu: same,
  QLinearSigmoid: same,
  QLinearSoftmax: same,
  QLinearConcat: qLinearConcat,
  QLinearReduceMean: qLinearReduceMean,
  QLinearAveragePool: channelsLast(pool),
  QLinearGlobalAveragePool: channelsLast(globalPool),
};
