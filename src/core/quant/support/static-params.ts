/** Parameters of static quantization. */
import { z } from 'zod';
import { calibrationMethodIds } from '../../calib/types.ts';
import { percentileParam, samplesParam } from './calibration.ts';
import { nodePatternParams } from './patterns.ts';
import { defaultQuantizableOps } from './qdq-ops.ts';

export const staticParams = z.object({
  granularity: z
    .enum(['channel', 'tensor'])
    .default('channel')
    .meta({
      title: 'Granularity of the weights',
      description:
        'One scale per output channel, or one for the whole weight, which destroys models whose channels differ much in size.',
      optionTitles: { channel: 'per channel', tensor: 'per tensor' },
    }),
  activationType: z
    .enum(['uint8', 'int8', 'uint16', 'int16'])
    .default('uint8')
    .meta({
      title: 'Activation type',
      description:
        'uint8 has kernels everywhere. int8 is what ARM and some accelerators prefer; on x86 and WASM onnxruntime leaves part of the nodes in floating point with it. 16 bits lose almost nothing and have no integer kernels in onnxruntime: it converts and computes in floating point; they are for accelerators (QNN and the like).',
      optionTitles: { uint16: 'uint16 (computed in float)', int16: 'int16 (computed in float)' },
    }),
  weightType: z.enum(['uint8', 'int8']).default('uint8').meta({
    title: 'Weight type',
    description:
      'The same numbers in either (uint8 has zero point 128). Native onnxruntime multiplies uint8 with int8 in 16-bit sums that saturate on x86 CPUs without VNNI, which spoils the result; with uint8 weights it does not. int8 is faster where VNNI is, and what most accelerators want. The QOperator form with int8 activations has int8 weights in any case.',
  }),
  symmetricActivations: z.boolean().default(false).meta({
    title: 'Symmetric activations',
    description:
      'Zero point in the middle: simpler for some accelerators, and half the codes are lost after Relu, which then stays a node of its own.',
  }),
  reduceRange: z.boolean().default(false).meta({
    title: 'Reduced range (7 bits)',
    description:
      'For int8 weights: 7 bits, so that 8-bit multiply-add cannot saturate on CPUs without VNNI. Less accurate than uint8 weights.',
  }),
  method: z
    .enum(calibrationMethodIds)
    .default('mse')
    .meta({
      title: 'Calibration method',
      description:
        'How the range of each activation follows from the calibration inputs. Minimum and maximum clip nothing; the last three clip outliers in favour of the rest, entropy so hard that transformers may suffer.',
      optionTitles: {
        'min-max': 'minimum and maximum',
        'moving-average': 'mean of minima and maxima',
        percentile: 'percentile',
        entropy: 'entropy (KL divergence)',
        mse: 'least squared error',
      },
    }),
  percentile: percentileParam(),
  samples: samplesParam(200),
  ranges: z.array(z.string().min(1).max(400)).max(1000).default([]).meta({
    title: 'Ranges set by hand',
    description:
      'Entries of the form tensor=min..max, e.g. conv1_out=-3.5..12: take this range for the value instead of the calibrated one. Widened to hold zero, which has a code of its own.',
  }),
  opTypes: z
    .array(z.string().min(1).max(80))
    .max(100)
    .default([...defaultQuantizableOps])
    .meta({
      title: 'Operator types',
      description:
        'Conv, MatMul and Gemm are quantized wherever they stand, the others only between quantized ones. Relu and Clip are folded into them. ConvTranspose may be added: its weights shrink, and it computes in floating point.',
    }),
  computedProducts: z.boolean().default(false).meta({
    title: 'Products of activations',
    description: 'Quantize MatMul nodes without a constant weight too (attention scores). Often costs much accuracy.',
  }),
  sensitivity: z
    .enum(['off', 'auto'])
    .default('off')
    .meta({
      title: 'Leave sensitive nodes',
      description:
        'Measures on calibration inputs what each node loses alone, and leaves the worst in floating point until the outputs are close enough.',
      optionTitles: { off: 'no', auto: 'as few as the outputs need' },
    }),
  minOutputSqnr: z.number().min(0).max(100).default(20).meta({
    title: 'Closeness of the outputs',
    description:
      'For sensitive nodes: signal-to-noise ratio that every output keeps against the original on calibration inputs. 20 dB is an error of a tenth, 40 dB of a hundredth.',
    unit: 'dB',
  }),
  form: z
    .enum(['qdq', 'qoperator'])
    .default('qdq')
    .meta({
      title: 'Form',
      description:
        'QDQ: floating-point operators between QuantizeLinear and DequantizeLinear, which runtimes fuse as they can. QOperator: the integer operators themselves (QLinearConv, QLinearMatMul and onnxruntime’s own), which only runtimes that have them run, with 8-bit activations.',
      optionTitles: { qdq: 'QDQ', qoperator: 'QOperator' },
    }),
  ...nodePatternParams,
});

export type StaticParams = z.output<typeof staticParams>;
