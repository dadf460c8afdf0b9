/**
 * What serves language models from their original checkpoint, not from an ONNX file. It takes the method, never the
 * file, so node names mean nothing there.
 */
import { headerLines, NoteTaker } from './notes.ts';
import { flag, list, number, type Params, planOf, type RecipePlan, text } from './plan.ts';
import type { Handover, HandoverContext, HandoverFormat } from './types.ts';

export const CHECKPOINT = 'ORGANISATION/MODEL';

export interface Draft {
  readonly format: HandoverFormat;
  readonly title: string;
  readonly writtenFor: string;
  readonly fileName: string;
  readonly mediaType: string;
  readonly headline: string;
  /** @returns the body; undefined where the method does not exist there */
  readonly body: (plan: RecipePlan, notes: NoteTaker) => string | undefined;
}

export function make(context: HandoverContext, draft: Draft): Handover {
  const plan = planOf(context.recipe);
  const notes = new NoteTaker();
  const body = draft.body(plan, notes);
  if (body !== undefined) {
    notes.isClose(`It starts from the model's original checkpoint (${CHECKPOINT}), not from ${context.modelFile}.`);
    if (plan.simplification.length > 0) notes.isMissing('Cleanup and fusion: the runtime has kernels of its own.');
  }
  const { headline, body: _, ...rest } = draft;
  const fit = notes.fit(body !== undefined);
  const header = headerLines(context, headline, draft.writtenFor, notes);
  const shebang = draft.mediaType === 'text/x-shellscript' ? ['#!/bin/sh'] : [];
  return {
    ...rest,
    fit,
    notes: notes.record,
    text: body === undefined ? '' : `${[...shebang, ...header, '', body].join('\n')}\n`,
  };
}

/** The scheme by its name in compressed-tensors, or undefined. */
export function compressedScheme(plan: RecipePlan, notes: NoteTaker): string | undefined {
  const { weightOnly, staticInt8, dynamicInt8, fp8, weightInt8 } = plan;
  if (weightOnly) {
    const bits = number(weightOnly.params, 'bits');
    if (bits !== 4 && bits !== 8) {
      notes.isMissing(`${bits} bits a weight: vLLM has kernels for 4 and 8.`);
      return undefined;
    }
    return bits === 4 ? (flag(weightOnly.params, 'symmetric') ? 'W4A16' : 'W4A16_ASYM') : 'W8A16';
  }
  if (staticInt8 || dynamicInt8) return 'W8A8';
  if (fp8) return flag(fp8, 'activations') ? 'FP8' : undefined;
  if (weightInt8) return 'W8A16';
  notes.isMissing('There is no quantization in the recipe that vLLM has a scheme for.');
  return undefined;
}

export function noteLayers(params: Params | undefined, notes: NoteTaker, { hasMixture = false } = {}): void {
  if (!params) return;
  if (!hasMixture && text(params, 'mixture') !== 'uniform') notes.isMissing('The K_M mixture.');
  if (list(params, 'overrides').length > 0)
    notes.isMissing('Bits of single layers: node names of the ONNX file mean nothing there.');
  if (list(params, 'include').length + list(params, 'exclude').length > 0)
    notes.isMissing('Chosen and excluded nodes: node names of the ONNX file mean nothing there.');
}

export function noteOthers(plan: RecipePlan, notes: NoteTaker, offers: { hasMixture?: boolean } = {}): void {
  noteLayers(plan.weightOnly?.params, notes, offers);
  const missing: [unknown, string][] = [
    [plan.smoothQuant, 'SmoothQuant.'],
    [plan.equalization, 'Cross-layer equalization.'],
    [plan.biasCorrection, 'Bias correction.'],
    [plan.outlierInt8, 'Outlier features in floating point.'],
  ];
  for (const [present, what] of missing) if (present) notes.isMissing(what);
}
