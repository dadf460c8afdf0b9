import { z } from 'zod';
import { webgpuLastOpset } from '../analysis/kernel-support.ts';
import { defineStep, type ExecutionProvider, type ProviderSupport, runsEverywhere } from '../step/define.ts';
import { NEWEST_TARGET, raiseOpset } from './support/raise-opset.ts';
import { opsetOf } from './support/scopes.ts';

/** What every step here but the blocked forms of quantization can work with. */
const DEFAULT_TARGET = 17;

const params = z.object({
  target: z.number().int().min(7).max(NEWEST_TARGET).default(DEFAULT_TARGET).meta({
    title: 'Opset',
    description: 'Version of ai.onnx to raise the model to. A model that is there already is left as it is.',
  }),
});

/** onnxruntime's WebGPU kernels of some twenty operators end here (analysis/kernel-support.ts, `webgpuLastOpset`). */
const LAST_ON_WEBGPU = 21;
const lateOnWebGpu: Partial<Record<ExecutionProvider, ProviderSupport>> = {
  webgpu: {
    level: 'partial',
    reason: `above opset ${LAST_ON_WEBGPU} some operators have no WebGPU kernel (${[...webgpuLastOpset.keys()].slice(0, 4).join(', ')} and more) and run on the CPU`,
  },
};

/** All or nothing: where one operator would change its meaning, the model stays at its opset and the reason is noted. */
export const step = defineStep({
  id: 'raise-opset',
  title: 'Raise the opset',
  summary: 'Rewrites an old model for a newer version of the operator set, which later steps may need.',
  section: 'cleanup',
  order: 115,
  params,
  precision: 'exact',
  optIn: true,
  needs: {},
  source: 'ONNX operator changelog, versions 1 to 23 (ONNX 1.18)',
  runsOn: ({ target }) => (target > LAST_ON_WEBGPU ? { ...runsEverywhere, ...lateOnWebGpu } : runsEverywhere),
  run: async (ctx, { target }) => {
    const refusal = await raiseOpset(ctx, target);
    if (refusal === undefined) return;
    const opset = opsetOf(ctx.model.opsetImports);
    ctx.advise({
      level: 'warning',
      code: 'raise-opset/refused',
      message: `The model stays at opset ${opset} instead of ${target}: ${refusal}.`,
    });
  },
});
