/** Parameters that every step has which stores the weights of MatMul and Gemm in blocks. */
import { z } from 'zod';
import { layerOverrideParams } from './layer-overrides.ts';
import { linearSelectionParams } from './linear-selection.ts';
import { nbitsBlockSizes } from './matmul-nbits.ts';
import { mixtureParams } from './mixture.ts';
import { weightBits } from './weight-bits.ts';

export const weightOnlyParams = {
  bits: z.literal(weightBits).default(4).meta({
    title: 'Bits per weight',
    description:
      '4 is the usual choice; 8 is nearly free of loss; 3 takes the room of 4, for want of a kernel; 2 destroys most models.',
  }),
  blockSize: z.literal(nbitsBlockSizes).default(32).meta({
    title: 'Block size',
    description:
      'Weights that share one scale. Smaller is more accurate and larger in bytes: 4 bits cost 5.0 bits per weight at 32, 4.25 at 128.',
  }),
  symmetric: z.boolean().default(false).meta({
    title: 'Symmetric',
    description: 'No zero points: slightly smaller, slightly less accurate.',
  }),
  ...mixtureParams,
  ...layerOverrideParams,
  form: z
    .enum(['matmul-nbits', 'qdq'])
    .default('matmul-nbits')
    .meta({
      title: 'Output form',
      description:
        "onnxruntime's MatMulNBits, or DequantizeLinear with blocks and MatMul: standard ONNX (opset 21) for other runtimes; 2 and 3 bits take the room of 4 there.",
      optionTitles: { 'matmul-nbits': 'MatMulNBits', qdq: 'DequantizeLinear (portable)' },
    }),
  accuracyLevel: z
    .literal([0, 1, 4])
    .default(0)
    .meta({
      title: 'Computation',
      description:
        'What the kernel may compute in. WASM always computes in float32. With int8, WebGPU and native CPUs quantize the activations too: faster there, relative error about 3e-3. For MatMulNBits only.',
      optionTitles: { '0': "the runtime's choice", '1': 'float32', '4': 'int8 activations' },
    }),
  ...linearSelectionParams,
};

export type WeightOnlySettings = z.output<z.ZodObject<typeof weightOnlyParams>>;
