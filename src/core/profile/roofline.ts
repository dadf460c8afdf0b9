/**
 * The roofline (Williams, Waterman, Patterson 2009): how fast each node of a profile could run if only the device's peak
 * rate of operations and its memory bandwidth limited it, beside how fast it ran.
 */
import type { Roof } from './ceilings.ts';
import type { ModelProfile, ProfileNode } from './types.ts';

/**
 * compute, memory: which of the two takes longer at the device's peak rates. overhead: it takes far longer than either,
 * so starting the kernel, small sizes or a slow kernel decide. unknown: sizes are. elsewhere: it ran on the processor of a
 * profile whose roof is the GPU's.
 */
export type Bound = 'compute' | 'memory' | 'overhead' | 'unknown' | 'elsewhere';

export interface RooflineNode {
  readonly node: ProfileNode;
  /** Operations a byte; null where sizes are unknown, and where nothing is moved. */
  readonly intensity: number | null;
  /** Operations a second that it reached, in units of 10^9. Measured. */
  readonly gigaOpsPerSecond: number | null;
  /** The greater of operations over peak rate and bytes over bandwidth. Predicted. */
  readonly predictedUs: number | null;
  readonly bound: Bound;
  /** Judged by the peak rate of 8-bit integer kernels. */
  readonly isInteger: boolean;
}

export interface Roofline {
  readonly nodes: readonly RooflineNode[];
  /** Sums over the nodes whose sizes are known. */
  readonly predictedUs: number;
  readonly measuredUs: number;
  /** The prediction with the measured cost of starting a kernel added to each node. */
  readonly predictedWithOverheadUs: number;
  /** Nodes whose sizes are unknown or that ran elsewhere, and what they took. */
  readonly unknownNodes: number;
  readonly unknownUs: number;
}

/** This many times the prediction is far from both roofs. */
const FAR = 4;
/** Kernels that multiply 8-bit integers; those that unpack weights to floats do not. */
const INTEGER_KERNELS =
  /^(QLinear|QGemm|QAttention|MatMulInteger|ConvInteger|DynamicQuantizeMatMul|DynamicQuantizeLSTM)/;

export function rooflineOf({ nodes }: ModelProfile, roof: Roof): Roofline {
  const placed = nodes.map((node) => place(node, roof));
  const known = placed.filter(({ predictedUs }) => predictedUs !== null);
  const unknown = placed.filter(({ predictedUs }) => predictedUs === null);
  const predictedUs = known.reduce((sum, node) => sum + node.predictedUs!, 0);
  return {
    nodes: placed,
    predictedUs,
    measuredUs: known.reduce((sum, { node }) => sum + node.medianUs, 0),
    predictedWithOverheadUs: known.reduce((sum, { node }) => sum + node.calls * roof.overheadUs, predictedUs),
    unknownNodes: unknown.length,
    unknownUs: unknown.reduce((sum, { node }) => sum + node.medianUs, 0),
  };
}

function place(node: ProfileNode, roof: Roof): RooflineNode {
  const { flops, bytes, medianUs } = node;
  const isInteger = INTEGER_KERNELS.test(node.opType);
  const isElsewhere = roof.isGpu && node.provider.startsWith('CPU');
  if (flops === null || bytes === null || isElsewhere) {
    const bound = isElsewhere ? 'elsewhere' : 'unknown';
    return { node, intensity: null, gigaOpsPerSecond: null, predictedUs: null, bound, isInteger };
  }
  const computeUs = flops / (isInteger ? roof.int8PerUs : roof.float32PerUs);
  const memoryUs = bytes / roof.bytesPerUs;
  const predictedUs = Math.max(computeUs, memoryUs);
  return {
    node,
    intensity: bytes > 0 ? flops / bytes : null,
    gigaOpsPerSecond: medianUs > 0 ? flops / medianUs / 1000 : null,
    predictedUs,
    bound: medianUs > FAR * predictedUs ? 'overhead' : computeUs >= memoryUs ? 'compute' : 'memory',
    isInteger,
  };
}
