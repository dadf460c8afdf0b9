/** Every quantizer of the registry with settings under which it does something to small models. */
import type { CancelSignal } from '../../../../../src/core/base/cancel.ts';
import { asStudioError, StudioError } from '../../../../../src/core/base/errors/index.ts';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import type { Model } from '../../../../../src/core/ir/types.ts';
import { stepRegistry } from '../../../../../src/core/recipe/registry.ts';
import { type Advisory, needsOf, type StepDefinition, type TensorStore } from '../../../../../src/core/step/define.ts';
import type { RunStepsOptions, StepsOutcome } from '../../../../../src/core/step/run-steps.ts';
import { memoryStore } from './bench.ts';
import { applyCalibrated } from './calibrated.ts';

/**
 * Small blocks and no smallest size, as the test models are small; weights in 7 bits, as 8-bit multiply-add saturates on
 * CPUs without VNNI. Only parameters that a step has are given to it.
 */
const small: Readonly<Record<string, unknown>> = { minElements: 1, blockSize: 16, groupSize: 16, reduceRange: true };
/** Settings beside the defaults that change what a step does to bad input. */
const variants: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> = {
  fp16: [{}, { exclusions: 'calibrated' }],
  'fp8-qdq': [{}, { activations: false, granularity: 'tensor' }, { form: 'export' }],
  'weight-only-rtn': [{}, { symmetric: true, bits: 8 }, { form: 'qdq' }],
  'weight-only-bnb4': [{}, { form: 'qdq' }],
  'quantize-embeddings': [{}, { form: 'qdq', bits: 8 }],
  'weight-int8': [{}, { expand: 'run', granularity: 'block' }, { granularity: 'tensor', symmetric: false }],
  'dynamic-int8': [{}, { granularity: 'channel' }],
  // Without a Mul node there is nothing it could fold factors into in most of these models, so no input is run.
  smoothquant: [{ insertMul: true, layers: true }],
};

/** Steps that act on what another quantizer left: that one runs first. */
const preludes: Readonly<Record<string, { readonly id: string; readonly params: object }>> = {
  'bias-correction': { id: 'dynamic-int8', params: { reduceRange: true } },
};

export interface Quantizer {
  readonly label: string;
  readonly step: StepDefinition;
  readonly params: Readonly<Record<string, unknown>>;
  readonly isCalibrated: boolean;
}

export const quantizers: readonly Quantizer[] = [...stepRegistry.values()]
  .filter(({ section }) => section === 'quantization')
  .flatMap((step) =>
    (variants[step.id] ?? [{}]).map((given): Quantizer => {
      const fitting = Object.entries(small).filter(
        ([key, value]) => step.params.shape[key]?.safeParse(value).success ?? false,
      );
      const params = step.params.parse({ ...Object.fromEntries(fitting), ...given }) as Record<string, unknown>;
      const label = `${step.id} ${Object.keys(given).length > 0 ? JSON.stringify(given) : ''}`.trim();
      return { label, step, params, isCalibrated: needsOf(step, params).calibration === true };
    }),
  );

export interface Attempt {
  readonly outcome?: StepsOutcome;
  readonly error?: StudioError;
  /** Of `check` and of the run. */
  readonly advisories: readonly Advisory[];
}

/** As a recipe would: refusals of `check` count as errors. */
export async function attempt(
  { step, params }: Quantizer,
  model: Model,
  options: Partial<RunStepsOptions> = {},
  extra: object = {},
): Promise<Attempt> {
  const asked = { ...params, ...extra };
  const prelude = preludes[step.id];
  const steps = [
    ...(prelude ? [{ id: prelude.id, params: { ...prelude.params, ...extra } }] : []),
    { id: step.id, params: asked },
  ].map(({ id, params: given }) => {
    const definition = stepRegistry.get(id)!;
    return { definition, params: definition.params.parse(given) as Record<string, unknown> };
  });
  const advisories = steps.flatMap(({ definition, params: given }) => definition.check?.(model, given) ?? []);
  try {
    const outcome = await applyCalibrated(step, model, options.calibration, asked, { ...options, steps });
    return { outcome, advisories: [...advisories, ...outcome.advisories] };
  } catch (error) {
    return { error: asStudioError(error), advisories };
  }
}

/** Holds nothing: what a full disk does, after some writes went well. */
export function fullStore(writesBefore: number): TensorStore & { puts: number } {
  const store = {
    puts: 0,
    put: async (byteLength: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
      store.puts += 1;
      if (store.puts > writesBefore) throw new StudioError('storage/full', { needed: byteLength });
      return memoryStore.put(byteLength, chunks);
    },
  };
  return store;
}

/** A job that is cancelled when it lets the event loop turn for the n-th time. */
export function cancelledAt(n: number): { readonly job: RunStepsOptions['job']; readonly turns: () => number } {
  let turns = 0;
  const signal: CancelSignal = {
    get aborted() {
      return turns >= n;
    },
    addEventListener: () => {},
    removeEventListener: () => {},
  };
  return {
    job: {
      ...quietJob,
      signal,
      yield: async () => {
        turns += 1;
      },
    },
    turns: () => turns,
  };
}
