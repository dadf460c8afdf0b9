/** The model that is open, with the worker that builds its variants. The store knows it by its key only. */
import type { ModelCard } from '../core/analysis/card.ts';
import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import type { LensResult, SensitivityResult } from '../core/precision/results.ts';
import { needsCalibration } from '../core/recipe/needs.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { SearchHost } from '../core/search/ports.ts';
import type { BuiltVariant, PreparedTask } from '../core/study/ports.ts';
import type { BrowserModelHandle } from '../rpc/contract.ts';
import type { ModelFileSet } from './files.ts';
import { identifyModel, type ModelIdentity } from './model-identity.ts';
import { createResultCache } from './result-cache.ts';
import { pageAssetBase } from './worker/asset-base.ts';
import { createBrowserHost } from './worker/browser-host.ts';
import { type SensitivityOptions, TransformSession } from './worker/transform-session.ts';

/** Bumped with the runtime: results of another version are measured anew. */
export const ENGINE_KEY = `whittle ${__WHITTLE_VERSION__} ${__WHITTLE_ENGINE__}, onnxruntime-web 1.30.0`;

export interface OpenModel {
  readonly files: ModelFileSet;
  readonly identity: ModelIdentity;
  readonly session: TransformSession;
  readonly built: Map<string, BuiltVariant<BrowserModelHandle>>;
}

let current: OpenModel | null = null;
const cache = createResultCache();

export function openedModel(): OpenModel | null {
  return current;
}

/** @throws StudioError job/cancelled: whatever wanted it belonged to a model that has been closed */
export function requireOpenedModel(): OpenModel {
  if (!current) throw new StudioError('job/cancelled', {});
  return current;
}

/**
 * Reads a model and makes it the open one; the one before stays open when this one cannot be read.
 * @throws StudioError file/*, model/*, job/cancelled
 */
export async function openModel(
  files: ModelFileSet,
  job: JobContext,
): Promise<{ readonly opened: OpenModel; readonly card: ModelCard }> {
  const named = ({ path, file }: ModelFileSet['graph']) => ({ name: path, blob: file });
  const blobs = { graph: named(files.graph), others: files.others.map(named) };
  const { session, card } = await TransformSession.open(blobs, pageAssetBase(), job);
  let identity: ModelIdentity;
  try {
    identity = await identifyModel(files);
  } catch (error) {
    session.dispose();
    throw error;
  }
  current?.session.dispose();
  current = { files, identity, session, built: new Map() };
  return { opened: current, card };
}

export function closeModel(): void {
  current?.session.dispose();
  current = null;
}

export interface HostRequest {
  readonly dims: Readonly<Record<string, number>>;
  readonly task: (job: JobContext) => Promise<PreparedTask>;
}

export function studyHost(model: OpenModel, { dims, task }: HostRequest): SearchHost<BrowserModelHandle> {
  const { session, identity, built } = model;
  return createBrowserHost({
    session,
    modelKey: identity.key,
    ...(identity.sha256 ? { sourceSha256: identity.sha256 } : {}),
    dims,
    assetBase: pageAssetBase(),
    task,
    cache,
    engineKey: ENGINE_KEY,
    built,
  });
}

/** The variant as files to save. @param fileName of the graph, ending in .onnx @param task calibrates, where a step needs it */
export async function variantFiles(
  model: OpenModel,
  recipe: Recipe,
  fileName: string,
  task: HostRequest['task'],
  job: JobContext,
): Promise<BrowserModelHandle> {
  const { session, identity } = model;
  const source = identity.sha256 ? { sourceSha256: identity.sha256 } : {};
  const calibration = needsCalibration(recipe) ? { calibration: (await task(job)).source } : {};
  return session.save({ recipe, modelKey: identity.key, ...source, ...calibration }, fileName, job);
}

export interface LensQuestion {
  readonly recipe: Recipe;
  /** Whose calibration inputs are run. */
  readonly task: HostRequest['task'];
  /** Only the first so many; default 8. */
  readonly maxSamples?: number;
}

/** How far each layer of a recipe's variant is from the original's, alone and in the whole run. */
export async function layerErrors(
  { session, identity }: OpenModel,
  { recipe, task, maxSamples }: LensQuestion,
  job: JobContext,
): Promise<LensResult> {
  const { source } = await task(job);
  return session.lens({ recipe, modelKey: identity.key }, { task: source, ...(maxSamples && { maxSamples }) }, job);
}

export interface SensitivityQuestion
  extends Pick<SensitivityOptions, 'candidates' | 'settings' | 'maxSamples' | 'resume'> {
  readonly task: HostRequest['task'];
}

/**
 * What storing each layer in fewer bits does to the model.
 * @param onPartial about once a second; keep what it gives and hand it back as `resume`
 */
export async function layerSensitivity(
  { session, identity }: OpenModel,
  { task, ...options }: SensitivityQuestion,
  job: JobContext,
  onPartial?: (partial: SensitivityResult) => void,
): Promise<SensitivityResult> {
  const { source, key } = await task(job);
  return session.sensitivity({ ...options, modelKey: identity.key, task: source, taskKey: key }, job, onPartial);
}
