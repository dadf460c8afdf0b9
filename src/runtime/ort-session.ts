/**
 * SessionPort over anything with onnxruntime's JavaScript interface. ort-web.ts, node-ort.ts and node-ort-web.ts only
 * load their runtime and say how it differs.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { StudioError } from '../core/base/errors/index.ts';
import type { DType } from '../core/ir/dtype.ts';
import type { Dim } from '../core/ir/types.ts';
import { isTraceLine } from '../core/profile/trace-line.ts';
import type { RuntimeSettings } from '../core/recipe/schema.ts';
import type { HostTensor } from '../core/step/define.ts';
import type { SessionOptions, ValueMeta } from '../core/study/ports.ts';
import type { OptimizerLog, Placement } from '../core/study/results.ts';
import type { LogCapture } from './console-capture.ts';
import { mapRuntimeError } from './ort-errors.ts';
import { liveNamesIn, parseOptimizers, parsePlacement } from './ort-log.ts';
import { fromOrtTensor, isBoundaryDType, type TensorConstructor, toOrtTensor } from './ort-tensors.ts';
import type { RuntimeModel, Session, SessionPort } from './port.ts';
import { identityModel } from './probe-model.ts';

export interface OrtModule {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: unknown;
}

/** What differs between the runtimes behind the one interface. */
export interface OrtRuntime {
  readonly ort: OrtModule;
  readonly engine: SessionPort['engine'];
  /** How the target is called in messages. */
  readonly label: string;
  readonly executionProviders: InferenceSession.SessionOptions['executionProviders'];
  /** Options beyond the common ones, for a session with this many threads. */
  readonly extraOptions?: (threads: number) => InferenceSession.SessionOptions;
  /** Entries of onnxruntime's session configuration under "session.". */
  readonly sessionConfig?: Readonly<Record<string, string>>;
  /** Threads a session will really use when `wanted` are asked for. */
  readonly threads: (wanted: number) => number;
  /** Reads the runtime's log; null where it cannot be read from here. */
  readonly log: LogCapture | null;
  /** Another way to the log of a creation, for runtimes whose `log` is null. */
  readonly readLog?: (model: RuntimeModel, options: InferenceSession.SessionOptions) => Promise<CreationLog | null>;
  /** How this runtime gives out its profile. */
  readonly profiler: Profiler;
  /** Called once, when the runtime has started. */
  readonly onStarted?: () => void;
  /** Errors that the device raised outside any call since it was last asked. */
  readonly takeDeviceErrors?: () => readonly string[];
}

export interface Profiler {
  /** Of a session that is profiled; called for each. */
  options(): InferenceSession.SessionOptions;
  /** @param options what `options` gave for this session */
  end(
    session: InferenceSession,
    options: InferenceSession.SessionOptions,
    onLine: (line: string) => void,
  ): Promise<void>;
}

/** onnxruntime-web prints its profile line by line, to where its log goes. */
export function printedProfile(log: LogCapture): Profiler {
  return {
    options: () => ({ enableProfiling: true }),
    end: (session, _options, onLine) =>
      log.each(
        () => session.endProfiling(),
        (line) => {
          if (!isTraceLine(line)) return false;
          onLine(line);
          return true;
        },
      ),
  };
}

export interface CreationLog {
  /** Of a session in which nothing was switched off: it names every transformer of this build. */
  readonly probe: readonly string[];
  readonly creation: readonly string[];
}

const VERBOSE = 0;
const ERROR = 3;
const FATAL = 4;

export function createOrtPort(runtime: OrtRuntime): SessionPort {
  // WebGPU sessions must not be created concurrently in one worker, so creations queue up.
  let queue: Promise<unknown> = Promise.resolve();
  let liveTransformers: Promise<readonly string[]> | undefined;

  async function create(model: RuntimeModel, options: SessionOptions): Promise<Session> {
    liveTransformers ??= startRuntime(runtime);
    const live = await liveTransformers.catch((error) => {
      liveTransformers = undefined;
      throw error;
    });
    return createSession(runtime, model, options, live);
  }

  return {
    engine: runtime.engine,
    create(model, options) {
      const created = queue.then(() => create(model, options));
      queue = created.catch(() => {});
      return created;
    },
  };
}

/**
 * Creates a session of one Identity node. It loads and starts the runtime (and its GPU device), so that this is not
 * counted as creation of the user's model, and its log names every transformer that this build knows.
 */
async function startRuntime(runtime: OrtRuntime): Promise<readonly string[]> {
  const options = ortOptions(runtime, { graphOptimizationLevel: 'all', disabledOptimizers: [] }, 1, true);
  try {
    // Never released: the GPU device lives as long as any session does, and a later session must not get another.
    const { lines } = await logged(runtime, true, () => runtime.ort.InferenceSession.create(identityModel, options));
    runtime.onStarted?.();
    return liveNamesIn(lines);
  } catch (error) {
    throw mapRuntimeError(error, runtime.label, 'create');
  }
}

async function createSession(
  runtime: OrtRuntime,
  model: RuntimeModel,
  { target, settings, inspect, profile }: SessionOptions,
  live: readonly string[],
): Promise<Session> {
  const threads = runtime.threads(target.threads);
  const externalData = await Promise.all(
    model.externalData.map(async ({ path, data }) => ({ path, data: await bytesOf(data) })),
  );
  const profiling = profile ? runtime.profiler.options() : null;
  const options = {
    ...ortOptions(runtime, settings, threads, inspect),
    ...profiling,
    ...(externalData.length > 0 && { externalData }),
  };
  try {
    const started = performance.now();
    // Listened to also where nobody inspects: what the runtime says of placement is no news for the console.
    const { value: native, lines } = await logged(runtime, true, () =>
      runtime.ort.InferenceSession.create(model.graph, options),
    );
    const createMs = performance.now() - started;
    throwDeviceErrors(runtime, 'create');
    const found = inspect ? await inspection(runtime, model, options, settings, { lines, live }) : nothingInspected;
    return new OrtSession(runtime, native, { threads, createMs, ...found }, profiling);
  } catch (error) {
    throw mapRuntimeError(error, runtime.label, 'create');
  }
}

type Inspection = Pick<SessionFacts, 'placement' | 'optimizers'>;
const nothingInspected: Inspection = { placement: null, optimizers: null };

/** @param own what the session's own creation logged, for runtimes whose log can be read from here */
async function inspection(
  runtime: OrtRuntime,
  model: RuntimeModel,
  options: InferenceSession.SessionOptions,
  { disabledOptimizers }: RuntimeSettings,
  own: { readonly lines: readonly string[]; readonly live: readonly string[] },
): Promise<Inspection> {
  if (runtime.log) {
    const { lines, live } = own;
    return { placement: parsePlacement(lines), optimizers: parseOptimizers(lines, disabledOptimizers, live) };
  }
  const log = await runtime.readLog?.(model, options);
  if (!log) return nothingInspected;
  const { probe, creation } = log;
  return {
    placement: parsePlacement(creation),
    optimizers: parseOptimizers(creation, disabledOptimizers, liveNamesIn(probe)),
  };
}

function ortOptions(
  runtime: OrtRuntime,
  settings: Pick<RuntimeSettings, 'graphOptimizationLevel' | 'disabledOptimizers'> & Partial<RuntimeSettings>,
  threads: number,
  verbose: boolean,
): InferenceSession.SessionOptions {
  return {
    ...runtime.extraOptions?.(threads),
    executionProviders: runtime.executionProviders!,
    graphOptimizationLevel: settings.graphOptimizationLevel,
    logSeverityLevel: verbose && runtime.log ? VERBOSE : ERROR,
    extra: {
      optimization: { disable_specified_optimizers: settings.disabledOptimizers.join(';') },
      session: { disable_prepacking: settings.disablePrepacking ? '1' : '0', ...runtime.sessionConfig },
    },
  } as InferenceSession.SessionOptions;
}

async function logged<T>(runtime: OrtRuntime, wanted: boolean, action: () => Promise<T>) {
  return wanted && runtime.log ? runtime.log.during(action) : { value: await action(), lines: [] as readonly string[] };
}

function throwDeviceErrors(runtime: OrtRuntime, phase: 'create' | 'run'): void {
  const errors = runtime.takeDeviceErrors?.() ?? [];
  if (errors.length > 0) throw mapRuntimeError(new Error(errors.join('; ')), runtime.label, phase);
}

/** One read of a Blob above about 2 GB fails in Chromium, so large ones are read in pieces. */
const READ_BYTES = 256 * 2 ** 20;

async function bytesOf(data: Uint8Array | Blob): Promise<Uint8Array> {
  if (data instanceof Uint8Array) return data;
  try {
    if (data.size <= READ_BYTES) return new Uint8Array(await data.arrayBuffer());
    const bytes = new Uint8Array(data.size);
    for (let offset = 0; offset < data.size; offset += READ_BYTES) {
      bytes.set(new Uint8Array(await data.slice(offset, offset + READ_BYTES).arrayBuffer()), offset);
    }
    return bytes;
  } catch (error) {
    if (error instanceof RangeError) throw mapRuntimeError(error, 'this browser', 'create');
    const reason = error instanceof Error ? error.message : String(error);
    throw new StudioError('file/unreadable', { name: 'the external data', reason }, error);
  }
}

/** A run that fails throws what the runtime has to say; its log would only repeat it on the console. */
const quietRun: InferenceSession.RunOptions = { logSeverityLevel: FATAL };

interface SessionFacts {
  readonly threads: number;
  readonly createMs: number;
  readonly placement: Placement | null;
  readonly optimizers: OptimizerLog | null;
}

class OrtSession implements Session {
  readonly inputs: readonly ValueMeta[];
  readonly outputs: readonly ValueMeta[];
  readonly threads: number;
  readonly createMs: number;
  readonly placement: Placement | null;
  readonly optimizers: OptimizerLog | null;
  readonly #runtime: OrtRuntime;
  readonly #native: InferenceSession;
  #profiling: InferenceSession.SessionOptions | null;

  constructor(
    runtime: OrtRuntime,
    native: InferenceSession,
    facts: SessionFacts,
    profiling: InferenceSession.SessionOptions | null,
  ) {
    this.#profiling = profiling;
    this.#runtime = runtime;
    this.#native = native;
    this.inputs = native.inputMetadata.map(valueMeta);
    this.outputs = native.outputMetadata.map(valueMeta);
    this.threads = facts.threads;
    this.createMs = facts.createMs;
    this.placement = facts.placement;
    this.optimizers = facts.optimizers;
  }

  async run(feeds: ReadonlyMap<string, HostTensor>): Promise<ReadonlyMap<string, HostTensor>> {
    const ortFeeds: Record<string, Tensor> = {};
    for (const { name, dtype, shape } of this.inputs) {
      const tensor = feeds.get(name);
      if (!tensor) throw mismatch(name, `${dtype} [${shape.map((dim) => dim ?? '?').join(', ')}]`, 'nothing');
      if (dtype !== 'undefined' && tensor.dtype !== dtype) throw mismatch(name, dtype, tensor.dtype);
      ortFeeds[name] = toOrtTensor(this.#runtime.ort.Tensor as TensorConstructor, name, tensor);
    }
    try {
      const results = await this.#native.run(ortFeeds, quietRun);
      throwDeviceErrors(this.#runtime, 'run');
      return new Map(this.#native.outputNames.map((name) => [name, fromOrtTensor(name, results[name]!)]));
    } catch (error) {
      throw mapRuntimeError(error, this.#runtime.label, 'run');
    }
  }

  async endProfile(onLine: (line: string) => void): Promise<void> {
    const profiling = this.#profiling;
    if (!profiling) {
      const reason = 'the session was not created to be profiled';
      throw new StudioError('runtime/run-failed', { target: this.#runtime.label, reason });
    }
    this.#profiling = null;
    try {
      await this.#runtime.profiler.end(this.#native, profiling, onLine);
    } catch (error) {
      throw mapRuntimeError(error, this.#runtime.label, 'run');
    }
  }

  async release(): Promise<void> {
    await this.#native.release();
  }
}

function mismatch(input: string, expected: string, actual: string): StudioError {
  return new StudioError('task/shape-mismatch', { input, expected, actual });
}

/** Sequences, maps and optionals have no element type: they are `undefined` here, and cannot be fed or read. */
function valueMeta(meta: InferenceSession.ValueMetadata): ValueMeta {
  if (!meta.isTensor) return { name: meta.name, dtype: 'undefined', shape: [] };
  const dtype: DType = isBoundaryDType(meta.type) ? meta.type : 'undefined';
  return { name: meta.name, dtype, shape: meta.shape.map(toDim) };
}

function toDim(dim: number | string): Dim {
  if (typeof dim === 'string') return dim === '' ? null : dim;
  return dim < 0 ? null : dim;
}
