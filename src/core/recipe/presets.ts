/** Ready recipes: the toggles most people want, by the names the field uses. */
import { withOperatorProfile } from './operator-profile.ts';
import { stepRegistry } from './registry.ts';
import { type Recipe, type RecipeStep, type RuntimeSettings, recipeSchema } from './schema.ts';

export interface Preset {
  readonly id: string;
  readonly title: string;
  /** One sentence: what it does and when it is the right one. */
  readonly description: string;
  readonly recipe: Recipe;
}

/**
 * Every step that loses nothing and is not a choice of its own, with default parameters: a new pass is in the presets as
 * soon as its file is there.
 */
export const simplifySteps: readonly RecipeStep[] = [...stepRegistry.values()]
  .filter(({ precision, optIn }) => precision !== 'lossy' && !optIn)
  .map(({ id }) => ({ id, params: {} }));

function preset(
  id: string,
  title: string,
  description: string,
  steps: readonly RecipeStep[],
  runtime: Partial<RuntimeSettings> = {},
): Preset {
  return { id, title, description, recipe: recipeSchema.parse({ name: title, steps, runtime }) };
}

const step = (id: string, params: RecipeStep['params'] = {}): RecipeStep => ({ id, params });

/** Weights that the quantizer before it left in floating point, embeddings above all, stored in 8 bits. */
const restInInt8 = step('weight-int8');

export const presets: readonly Preset[] = [
  preset('original', 'Original', 'The model as it was loaded: what the others are compared with.', []),
  preset(
    'simplify',
    'Simplify only',
    'Clean-up and fusion without loss: the same numbers from fewer nodes.',
    simplifySteps,
  ),
  preset(
    'simplify-portable',
    'Simplify, standard operators only',
    'As Simplify only, without operators that only ONNX Runtime knows: for files that other runtimes and compilers read too.',
    withOperatorProfile(recipeSchema.parse({ steps: simplifySteps }), 'portable').steps,
  ),
  preset(
    'fp16',
    'FP16',
    'Weights and arithmetic in half precision: half the size. WASM computes in fp32 all the same.',
    [...simplifySteps, step('fp16')],
  ),
  preset(
    'int8-dynamic',
    'INT8 dynamic, per channel',
    'Weights in 8 bits with a scale for each output channel, activations quantized while it runs. The usual choice for WASM and CPU.',
    [...simplifySteps, step('dynamic-int8', { granularity: 'channel' }), restInInt8],
  ),
  preset(
    'int8-dynamic-per-tensor',
    'INT8 dynamic, per tensor',
    'Weights in 8 bits with one scale for each tensor: the reference tools’ default, which breaks models whose channels differ widely.',
    [...simplifySteps, step('dynamic-int8', { granularity: 'tensor' }), restInInt8],
  ),
  preset(
    'int8-static',
    'INT8 static, calibrated',
    'Weights and activations in 8 bits with scales from calibration inputs, so that convolutions run in integers. For plain convolutional models on CPU; needs a task with real data.',
    [...simplifySteps, step('static-int8'), restInInt8],
  ),
  preset(
    'int8-static-guarded',
    'INT8 static, guarded',
    'As INT8 static, for transformers and other models that it spoils: SmoothQuant first, and layers that calibration finds sensitive compute in floating point, their weights stored in 8 bits. Takes longer to build.',
    [...simplifySteps, step('smoothquant'), step('static-int8', { sensitivity: 'auto' }), restInInt8],
  ),
  preset(
    'int8-weights',
    'INT8 weights',
    'Weights stored in 8 bits, arithmetic in fp32: a quarter of the size, nearly no loss, runs on every target.',
    [...simplifySteps, step('weight-int8')],
  ),
  preset(
    'int4-rtn',
    'INT4 RTN',
    'MatMul and Gemm weights rounded to 4 bits in blocks of 32. For transformers, best on WebGPU.',
    [...simplifySteps, step('weight-only-rtn')],
  ),
  preset(
    'int4-kquant',
    'INT4 k-quant',
    'As INT4 RTN, with scales and zero points searched: the same size and speed, more accurate, a little longer to make.',
    [...simplifySteps, step('weight-only-kquant')],
  ),
  preset(
    'int4-awq',
    'INT4 AWQ, calibrated',
    'INT4 with important input channels scaled up before rounding: the most accurate where activations have outliers, as large language models do. Needs a task with real data.',
    [...simplifySteps, step('weight-only-awq')],
  ),
  preset(
    'int4-gptq',
    'INT4 GPTQ, calibrated',
    'INT4 in which each rounding error is made up for by the weights not rounded yet, layer by layer. Takes longest to make; needs a task with real data.',
    [...simplifySteps, step('weight-only-gptq')],
  ),
  preset(
    'int4-k-m',
    'INT4 K_M mixture',
    'INT4 k-quant with 8 bits for the output head and about half of the value and down projections: larger, for language models that INT4 hurts.',
    [...simplifySteps, step('weight-only-kquant', { mixture: 'k-m' })],
  ),
  preset(
    'smallest',
    'Smallest',
    'MatMul and Gemm weights in 4 bits, every other weight in 8: the smallest file. Watch the gate.',
    [...simplifySteps, step('weight-only-mse'), restInInt8],
  ),
];

export function findPreset(id: string): Preset | undefined {
  return presets.find((candidate) => candidate.id === id);
}

/** What is known about the device, as far as it decides which recipe is fast. */
export interface SpeedFacts {
  readonly webgpu: boolean;
  readonly shaderF16: boolean;
  /** A software adapter computes on the CPU: slower than WASM. */
  readonly softwareAdapter: boolean;
  /** Share of multiply-accumulates in MatMul and Gemm, 0..1. */
  readonly matmulShare: number;
}

/**
 * "Fastest here": a guess before measuring, with its reason, from what is known of onnxruntime-web's kernels: integer
 * MatMul halves the time on WASM, integer Conv rarely gains; fp16 pays only where the GPU has it.
 */
export function fastestHere(facts: SpeedFacts): {
  readonly recipe: Recipe;
  readonly provider: 'wasm' | 'webgpu';
  readonly reason: string;
} {
  const named = (id: string): Recipe => ({ ...findPreset(id)!.recipe, name: 'Fastest here' });
  if (facts.webgpu && !facts.softwareAdapter && facts.shaderF16)
    return { recipe: named('fp16'), provider: 'webgpu', reason: 'the GPU computes in half precision' };
  if (facts.webgpu && !facts.softwareAdapter)
    return {
      recipe: named('simplify'),
      provider: 'webgpu',
      reason: 'the GPU has no half precision, so fp32 with fused operators',
    };
  if (facts.matmulShare >= 0.5)
    return {
      recipe: named('int8-dynamic'),
      provider: 'wasm',
      reason: 'most of the work is matrix products, which WASM runs about twice as fast in 8 bits',
    };
  return {
    recipe: named('simplify'),
    provider: 'wasm',
    reason: 'most of the work is convolution, which 8 bits do not speed up on WASM',
  };
}
