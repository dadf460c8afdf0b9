/**
 * What a step is: one declaration from which come its TypeScript type, its defaults, its form, its validation in
 * links and on the command line, its row in the docs, and the tolerance its tests use.
 */
import './zod-jitless.ts';
import type { z } from 'zod';
import type { JsonObject } from '../base/json.ts';
import type { JobContext } from '../base/progress.ts';
import type { Model, TensorData } from '../ir/types.ts';
import type { ShapeTable } from '../shape/types.ts';
import type { Ledger } from './ledger.ts';
import type { RescaledValues } from './rescaled.ts';
import type { TaskPool } from './task-pool.ts';

export type ExecutionProvider = 'wasm' | 'webgpu' | 'webnn' | 'cpu';

/** Where the result of a step runs. `partial`: it runs, but some nodes fall back to the CPU. */
export interface ProviderSupport {
  readonly level: 'full' | 'partial' | 'none';
  /** Shown to the user; required unless `full`. */
  readonly reason?: string;
}

/**
 * exact: bit-equal outputs. exact-within-fp: equal up to reordering of floating-point operations (tests use
 * rtol = atol = 1e-4 relative to the output's range). lossy: anything else.
 */
export type PrecisionClass = 'exact' | 'exact-within-fp' | 'lossy';

export type StepSection = 'cleanup' | 'fusion' | 'quantization';

/** Something the user should know about a recipe before or after it ran. `error` refuses the step. */
export interface Advisory {
  readonly level: 'error' | 'warning' | 'info';
  readonly code: string;
  readonly message: string;
  /** Set when only these execution providers are concerned. */
  readonly providers?: readonly ExecutionProvider[];
}

/** Runs models: small ones for constant folding, parts of large ones for calibration. Implemented over a SessionPort by whoever runs the recipe. */
export interface Executor {
  /**
   * Runs the model once.
   * @param model a complete ModelProto without external data
   * @param feeds by input name
   * @returns every graph output by name
   * @throws StudioError of the runtime family
   */
  run(model: Uint8Array, feeds: ReadonlyMap<string, HostTensor>): Promise<ReadonlyMap<string, HostTensor>>;
  /** Runs the model once for each of the feeds, in one session. Absent: call `run` for each. */
  runEach?(
    model: Uint8Array,
    feeds: readonly ReadonlyMap<string, HostTensor>[],
  ): Promise<readonly ReadonlyMap<string, HostTensor>[]>;
  /** A session to run as often as wanted; `close` it. Absent: call `runEach` or `run`. */
  open?(model: Uint8Array): Promise<ExecutorSession>;
  /** Threads for our own loops. Absent: there is one thread for all. */
  readonly pool?: TaskPool | undefined;
}

export interface ExecutorSession {
  /** @returns every graph output by name */
  run(feeds: ReadonlyMap<string, HostTensor>): Promise<ReadonlyMap<string, HostTensor>>;
  close(): Promise<void>;
}

/** Inputs that show how large the values in a model get. */
export interface CalibrationSource {
  /**
   * calibration-split: data of the task that its evaluation does not use. task-inputs: the very inputs that the task
   * judges by, for want of others. generated: random numbers, which say little about real data.
   */
  readonly origin: 'calibration-split' | 'task-inputs' | 'generated';
  /** By input name, from the first one each time it is called: histograms take a second look. */
  feeds(): AsyncIterable<ReadonlyMap<string, HostTensor>>;
}

/** A tensor in memory at the runtime's boundary. `data` has raw_data layout (little-endian, packed below 8 bits). */
export interface HostTensor {
  readonly dtype: import('../ir/dtype.ts').DType;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
  /** Only for dtype string, `data` is then empty. */
  readonly strings?: readonly string[];
}

/** Keeps what a step produces: in memory while small, on disk (OPFS, temporary file) when large. */
export interface TensorStore {
  /**
   * Takes `byteLength` bytes in pieces and returns a reference to them.
   * @throws StudioError storage/full
   */
  put(byteLength: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<TensorData>;
}

/** Extra facts a step may leave for the report, keyed by what they are. */
export type StepFacts = JsonObject;

export interface StepContext extends JobContext {
  /** A draft that belongs to this step; edit it in place. */
  readonly model: Model;
  readonly ledger: Ledger;
  readonly store: TensorStore;
  /** Absent on hosts that cannot execute; steps that need it declare `needs.execution`. */
  readonly executor: Executor | undefined;
  /** Absent where nobody gave any; steps that need it declare `needs.calibration`. */
  readonly calibration?: CalibrationSource | undefined;
  /**
   * Shapes and types of the values of the draft. Quantization steps get what holds now, edits of their own included;
   * cleanup and fusion steps may get what was inferred at the start of the round, without values made since.
   */
  shapes(): Promise<ShapeTable>;
  /**
   * The model as the first quantization step found it: simplified, still in floating point. What later steps compare
   * with or measure on; not to be edited. For cleanup and fusion steps it is the draft itself.
   */
  readonly original: Model;
  /** Values of the draft whose channels a step has rescaled against the original's. */
  readonly rescaled: RescaledValues;
  /** Leaves facts for the report (a step's record, `facts`), e.g. calibrated ranges; a later call adds to them. */
  leave(facts: StepFacts): void;
  /** Notes an advisory for the report: a node that was left out and why, a fallback that was taken. */
  advise(advisory: Advisory): void;
}

/**
 * How much larger a cleanup or fusion step may make a model: beyond it the step is taken back. A share of what the model
 * had before the step, and an amount on top, so that small models are not held to a few bytes.
 */
export interface GrowthBudget {
  readonly nodesShare: number;
  readonly nodes: number;
  readonly bytesShare: number;
  readonly bytes: number;
}

export const defaultGrowth: GrowthBudget = { nodesShare: 0.1, nodes: 32, bytesShare: 0.1, bytes: 64 * 1024 };

/** What a host must give a step before it can run. */
export interface StepNeeds {
  readonly execution?: boolean;
  readonly calibration?: boolean;
}

export interface StepDefinition<Params extends z.ZodObject = z.ZodObject> {
  /** Stable for ever: it is in links. Lower-case words with hyphens. */
  readonly id: string;
  readonly title: string;
  /** One sentence: what it does and what it buys. */
  readonly summary: string;
  readonly section: StepSection;
  /** Position in the canonical order of a recipe; cleanup 100-199, fusion 200-299, quantization 300-399. */
  readonly order: number;
  /** At most one step of a group may be in a recipe (e.g. two quantizers of the same weights). */
  readonly exclusiveGroup?: string;
  /**
   * z.object whose every field has `.default()` and `.meta({ title, description, unit?, advanced? })`; enums, booleans,
   * numbers with bounds, strings and arrays of strings are what the generated form can draw. The first four stand open in
   * it unless they are lists; `advanced` says otherwise.
   */
  readonly params: Params;
  readonly precision: PrecisionClass;
  /** Runs once, after quantization: what it makes would hide from quantizers the operators that they look for. */
  readonly afterQuantization?: boolean;
  /** Left out of the presets: it changes something that the user should have asked for, like the opset. */
  readonly optIn?: boolean;
  /** What differs from `defaultGrowth`; quantization steps have no budget. Read it with `growthOf`. */
  readonly growth?: Partial<GrowthBudget> | ((params: z.output<Params>) => Partial<GrowthBudget>);
  /** A function where it depends on the parameters; read it with `needsOf`. */
  readonly needs: StepNeeds | ((params: z.output<Params>) => StepNeeds);
  /** The paper, specification or implementation whose definition this follows, with version. */
  readonly source: string;
  readonly runsOn: (params: z.output<Params>) => Readonly<Record<ExecutionProvider, ProviderSupport>>;
  /** Looks before running: refusals (`error`) and warnings for this model with these parameters. */
  readonly check?: (model: Model, params: z.output<Params>) => readonly Advisory[];
  /** Edits `ctx.model`. Throws StudioError (`pass/refused`, `pass/bad-weight`, ...) to leave the variant unbuilt. */
  readonly run: (ctx: StepContext, params: z.output<Params>) => Promise<void>;
}

/** Declares a step with its parameter types inferred. */
export function defineStep<Params extends z.ZodObject>(definition: StepDefinition<Params>): StepDefinition<Params> {
  return definition;
}

/** What a step with these parameters (already parsed) needs. */
export function needsOf({ needs }: StepDefinition, params: Record<string, unknown>): StepNeeds {
  return typeof needs === 'function' ? needs(params) : needs;
}

/** The size budget of a step with these parameters (already parsed). */
export function growthOf({ growth }: StepDefinition, params: Record<string, unknown>): GrowthBudget {
  return { ...defaultGrowth, ...(typeof growth === 'function' ? growth(params) : growth) };
}

/** Full support everywhere, the common case. */
export const runsEverywhere: Readonly<Record<ExecutionProvider, ProviderSupport>> = {
  wasm: { level: 'full' },
  webgpu: { level: 'full' },
  webnn: { level: 'full' },
  cpu: { level: 'full' },
};

/** Cleanup and fusion whose result quantization steps find. */
export function isBeforeQuantization(definition: StepDefinition | undefined): boolean {
  return definition?.section !== 'quantization' && !definition?.afterQuantization;
}
