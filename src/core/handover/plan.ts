/** A recipe sorted by what its steps are to other tools. */
import { StudioError } from '../base/errors/index.ts';
import { resolveSteps } from '../recipe/parse.ts';
import type { Recipe } from '../recipe/schema.ts';

export type Params = Readonly<Record<string, unknown>>;

export type WeightOnlyMethod = 'rtn' | 'mse' | 'hqq' | 'kquant' | 'gptq' | 'awq';

export interface RecipePlan {
  /** Titles of cleanup and fusion steps. */
  readonly simplification: readonly string[];
  readonly fp16: Params | undefined;
  readonly bf16: Params | undefined;
  readonly fp8: Params | undefined;
  readonly dynamicInt8: Params | undefined;
  readonly staticInt8: Params | undefined;
  readonly weightInt8: Params | undefined;
  readonly outlierInt8: Params | undefined;
  readonly smoothQuant: Params | undefined;
  readonly equalization: Params | undefined;
  readonly biasCorrection: Params | undefined;
  readonly embeddings: Params | undefined;
  readonly bnb4: Params | undefined;
  readonly weightOnly: { readonly method: WeightOnlyMethod; readonly params: Params } | undefined;
  /** Titles of quantization steps that no field above has. */
  readonly others: readonly string[];
}

const fields = {
  fp16: 'fp16',
  bf16: 'bf16',
  'fp8-qdq': 'fp8',
  'dynamic-int8': 'dynamicInt8',
  'static-int8': 'staticInt8',
  'weight-int8': 'weightInt8',
  'outlier-int8': 'outlierInt8',
  smoothquant: 'smoothQuant',
  'cross-layer-equalization': 'equalization',
  'bias-correction': 'biasCorrection',
  'quantize-embeddings': 'embeddings',
  'weight-only-bnb4': 'bnb4',
} as const;

const methods: readonly WeightOnlyMethod[] = ['rtn', 'mse', 'hqq', 'kquant', 'gptq', 'awq'];

/** @throws StudioError recipe/* for a recipe that is not valid */
export function planOf(recipe: Recipe): RecipePlan {
  const resolved = resolveSteps(recipe.steps);
  if (!resolved.ok) throw resolved.error;
  const simplification: string[] = [];
  const others: string[] = [];
  const found: Partial<Record<(typeof fields)[keyof typeof fields], Params>> = {};
  let weightOnly: RecipePlan['weightOnly'];
  for (const { definition, params } of resolved.value) {
    const { id, section, title } = definition;
    const method = methods.find((name) => id === `weight-only-${name}`);
    if (section !== 'quantization') simplification.push(title);
    else if (method) weightOnly = { method, params };
    else if (id in fields) found[fields[id as keyof typeof fields]] = params;
    else others.push(title);
  }
  const { fp16, bf16, fp8, dynamicInt8, staticInt8, weightInt8, outlierInt8 } = found;
  const { smoothQuant, equalization, biasCorrection, embeddings, bnb4 } = found;
  return {
    ...{ simplification, others, weightOnly, fp16, bf16, fp8, dynamicInt8, staticInt8, weightInt8, outlierInt8 },
    ...{ smoothQuant, equalization, biasCorrection, embeddings, bnb4 },
  };
}

/** Whether anything is quantized or converted at all. */
export function isQuantizing(plan: RecipePlan): boolean {
  const { simplification: _, others, ...rest } = plan;
  return others.length > 0 || Object.values(rest).some((part) => part !== undefined);
}

/** Parameters were parsed by the step's schema; a wrong name here is a broken invariant. */
export function number(params: Params, name: string): number {
  return read(params, name, 'number');
}

export function text(params: Params, name: string): string {
  return read(params, name, 'string');
}

export function flag(params: Params, name: string): boolean {
  return read(params, name, 'boolean');
}

export function list(params: Params, name: string): readonly string[] {
  const value = params[name];
  if (!Array.isArray(value)) throw wrong(name, 'list');
  return value as readonly string[];
}

function read<T>(params: Params, name: string, type: 'number' | 'string' | 'boolean'): T {
  const value = params[name];
  if (typeof value !== type) throw wrong(name, type);
  return value as T;
}

function wrong(name: string, type: string): StudioError {
  return new StudioError('internal/unexpected', { message: `the step has no ${type} parameter "${name}"` });
}
