/** The study's host in a browser: variants are built in the transform worker, and run in an infer worker of their own. */
import { canonicalJson } from '../../core/base/json.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { TaskSource } from '../../core/eval/types.ts';
import { needsCalibration } from '../../core/recipe/needs.ts';
import { variantKey } from '../../core/recipe/parse.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { SearchHost } from '../../core/search/ports.ts';
import type { BuiltVariant, PreparedTask } from '../../core/study/ports.ts';
import type { TargetMeasurement } from '../../core/study/results.ts';
import type { BrowserModelHandle } from '../../rpc/contract.ts';
import { spawnInfer } from './spawn-infer.ts';
import type { TransformSession } from './transform-session.ts';

export interface ResultCache {
  get(key: string): Promise<TargetMeasurement | undefined>;
  set(key: string, measurement: TargetMeasurement): Promise<void>;
}

export interface BrowserHostOptions {
  readonly session: TransformSession;
  /** SHA-256 of the source, or any other text that identifies it. */
  readonly modelKey: string;
  readonly sourceSha256?: string;
  /** Values of free dimensions by symbol, for predictions. */
  readonly dims?: Readonly<Record<string, number>>;
  /** See asset-base.ts. */
  readonly assetBase: string;
  readonly task: (job: JobContext) => Promise<PreparedTask>;
  readonly cache: ResultCache;
  /** Versions of Whittle and of the runtime. */
  readonly engineKey: string;
  /** Variants of this model that were built before, by key; share one map between hosts of the same session. */
  readonly built?: Map<string, BuiltVariant<BrowserModelHandle>>;
}

/** Blobs cost next to nothing to keep; facts (ledgers) of large models do. */
const KEPT_VARIANTS = 32;

/** One input is compared; the others need not be copied to the worker. */
function firstOf(source: TaskSource): TaskSource {
  return source.kind === 'agreement' ? { ...source, feeds: source.feeds.slice(0, 1), references: null } : source;
}

export function createBrowserHost(options: BrowserHostOptions): SearchHost<BrowserModelHandle> {
  const { session, modelKey, assetBase, cache, engineKey } = options;
  const built = options.built ?? new Map<string, BuiltVariant<BrowserModelHandle>>();

  async function build(recipe: Recipe, job: JobContext): Promise<BuiltVariant<BrowserModelHandle>> {
    const task = await options.task(job);
    const calibrates = needsCalibration(recipe);
    // Predictions depend on the free dimensions, measured ranges on the task.
    const key = `${variantKey(modelKey, recipe)} ${canonicalJson(options.dims ?? {})} ${calibrates ? task.key : ''}`;
    const known = built.get(key);
    if (known) {
      // Moved to the end: the map is in order of use.
      built.delete(key);
      built.set(key, known);
      return known;
    }
    const { sourceSha256, dims } = options;
    const variant = await session.build(
      {
        recipe,
        modelKey,
        ...(sourceSha256 && { sourceSha256 }),
        ...(dims && { dims }),
        ...(calibrates && { calibration: task.source }),
        proofTask: firstOf(task.source),
      },
      job,
    );
    built.set(key, variant);
    const [oldest] = built.keys();
    if (built.size > KEPT_VARIANTS) built.delete(oldest!);
    return variant;
  }

  return {
    build,
    sensitivity: async (wanted, job, onPartial) => {
      const task = await options.task(job);
      return session.sensitivity({ ...wanted, modelKey, task: task.source, taskKey: task.key }, job, onPartial);
    },
    openInfer: async () => spawnInfer(assetBase),
    task: options.task,
    engineKey,
    cached: (key) => cache.get(key),
    remember: (key, measurement) => cache.set(key, measurement),
    now: () => performance.now(),
    wallClock: () => new Date().toISOString(),
  };
}
