/** Operators that onnxruntime has beside the standard ones. */
import { z } from 'zod';
import type { Model } from '../../ir/types.ts';
import type { ExecutionProvider, ProviderSupport } from '../../step/define.ts';

export const CONTRIB_DOMAIN = 'com.microsoft';

/** Makes sure that the model imports the domain. @returns its name */
export function importContrib(model: Model): string {
  if (!model.opsetImports.has(CONTRIB_DOMAIN)) model.opsetImports.set(CONTRIB_DOMAIN, 1);
  return CONTRIB_DOMAIN;
}

/** Kernels exist for WASM, WebGPU and the CPU (onnxruntime-web 1.30); WebNN knows standard operators only. */
export function contribSupport(opType: string): Partial<Record<ExecutionProvider, ProviderSupport>> {
  return {
    webnn: { level: 'partial', reason: `${CONTRIB_DOMAIN}.${opType} is unknown to WebNN and runs on the CPU there` },
  };
}

/**
 * The choice that steps offer whose result may be an operator of onnxruntime.
 * @param description what each of the two values does
 */
export function operatorsParam(description: string) {
  return z.enum(['any', 'standard']).default('any').meta({ title: 'Operators', description });
}
