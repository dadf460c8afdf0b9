import { z } from 'zod';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { ConstantFolder } from './support/constant-folder.ts';

const params = z.object({
  maxOutputBytes: z
    .number()
    .int()
    .min(0)
    .max(1024 * 1024 * 1024)
    .default(1024 * 1024)
    .meta({
      title: 'Largest new constant',
      description:
        'A result above this size is folded only when it is no larger than the constants it is made of. Where all results together make the file larger by more than a tenth and 16 times this size, nothing is folded.',
      unit: 'bytes',
    }),
});

/**
 * Computes what depends on constants alone, and shape computations whose result inference proves. Small operators are
 * computed here, exactly as the specification rounds; the rest goes to the runtime in one batch, and stays in the
 * model where there is none. Never folded: random operators, control flow, DequantizeLinear (it would undo a
 * quantization), and casts that would make a stored weight wider.
 */
export const step = defineStep({
  id: 'fold-constants',
  title: 'Fold constants',
  summary: 'Computes once, now, what would give the same value in every run.',
  section: 'cleanup',
  order: 140,
  params,
  precision: 'exact',
  // A handful of constants of the largest size; more together would be a larger file for little work saved.
  growth: ({ maxOutputBytes }) => ({ bytes: 16 * maxOutputBytes }),
  needs: {},
  source: 'ONNX operator specification up to opset 21; onnxruntime for operators not evaluated here',
  runsOn: () => runsEverywhere,
  run: async (ctx, { maxOutputBytes }) => {
    const folder = new ConstantFolder(ctx, await ctx.shapes(), maxOutputBytes);
    await folder.scan();
    await folder.execute();
    folder.replaceFoldedNodes();
  },
});
