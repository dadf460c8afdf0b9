/**
 * One model in a transform worker, as long as the page has it open. A worker that crashed, or was terminated because it
 * did not notice a cancel, is replaced by the next call: the model is read again from its files, which takes
 * milliseconds since weights stay where they are.
 */
import type { ModelCard } from '../../core/analysis/card.ts';
import type { MemoryTimeline } from '../../core/analysis/memory-plan.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { LensResult, SensitivityResult } from '../../core/precision/results.ts';
import type { NodeFact } from '../../core/recipe/node-facts.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { VariantRequest } from '../../core/study/ports.ts';
import type { TaskData, TaskQuestion } from '../../core/study/task-data.ts';
import type { WorkerClient } from '../../rpc/client.ts';
import type {
  BrowserModelHandle,
  GraphAnswer,
  LensCall,
  ModelBlobs,
  SensitivityCall,
  TransformContract,
} from '../../rpc/contract.ts';
import { runtimeFile } from '../runtime-files.ts';
import { claimScratchFolder, type ScratchFolder } from './scratch-folder.ts';
import { spawnTransform } from './spawn-transform.ts';

export type LensOptions = Omit<LensCall, 'variant'>;
export type SensitivityOptions = Omit<SensitivityCall, 'id'>;
export type SessionVariant = Omit<VariantRequest, 'id'>;
export type GraphQuestions = 'graphNode' | 'graphWeight' | 'graphValues';
export type BuiltInWorker = TransformContract['build']['response'];

interface Place {
  readonly client: WorkerClient<TransformContract>;
  readonly id: string;
  readonly card: ModelCard;
}

const PARTIAL_INTERVAL_MS = 1000;

export class TransformSession {
  readonly #files: ModelBlobs;
  readonly #assetBase: string;
  readonly #scratch: ScratchFolder;
  #place: Promise<Place> | undefined;

  private constructor(files: ModelBlobs, assetBase: string, scratch: ScratchFolder) {
    this.#files = files;
    this.#assetBase = assetBase;
    this.#scratch = scratch;
  }

  /**
   * Reads the model.
   * @param assetBase see asset-base.ts
   * @throws StudioError file/*, model/*, job/cancelled
   */
  static async open(
    files: ModelBlobs,
    assetBase: string,
    job: JobContext,
  ): Promise<{ session: TransformSession; card: ModelCard }> {
    const session = new TransformSession(files, assetBase, await claimScratchFolder());
    try {
      const { card } = await session.#current(job);
      return { session, card };
    } catch (error) {
      session.dispose();
      throw error;
    }
  }

  /** Described anew, with values for free dimensions by symbol: with all of them known, costs are predicted. */
  async card(dims: Readonly<Record<string, number>>, job: JobContext): Promise<ModelCard> {
    const { client, id } = await this.#current(job);
    return client.call('card', { id, dims }, job);
  }

  /** The nodes that the recipe's quantization steps will see. */
  async nodes(recipe: Recipe, job: JobContext): Promise<readonly NodeFact[]> {
    const { client, id } = await this.#current(job);
    return client.call('nodes', { id, recipe }, job);
  }

  /** @throws StudioError recipe/*, pass/*, job/cancelled, worker/crashed */
  async build(variant: SessionVariant, job: JobContext): Promise<BuiltInWorker> {
    const { client, id } = await this.#current(job);
    return client.call('build', { ...variant, id }, job);
  }

  /** @throws StudioError task/*, job/cancelled, worker/crashed */
  async task(question: TaskQuestion, job: JobContext): Promise<TaskData> {
    const { client } = await this.#current(job);
    return client.call('task', question, job);
  }

  /** The variant as a file to save. @param fileName of the graph, ending in .onnx */
  async save(variant: SessionVariant, fileName: string, job: JobContext): Promise<BrowserModelHandle> {
    const { client, id } = await this.#current(job);
    return client.call('save', { variant: { ...variant, id }, fileName }, job);
  }

  /**
   * How far each layer of a variant is from the original's.
   * @throws StudioError recipe/*, pass/*, calib/*, task/*, job/cancelled, worker/crashed
   */
  async lens(variant: SessionVariant, { task, maxSamples }: LensOptions, job: JobContext): Promise<LensResult> {
    const { client, id } = await this.#current(job);
    return client.call('lens', { variant: { ...variant, id }, task, ...(maxSamples && { maxSamples }) }, job);
  }

  /**
   * What storing each layer in fewer bits does to the model; goes on from `resume`, or from what the last call has
   * measured.
   * @param onPartial gets what is known so far, about once a second and when the call ends in an error or a cancel
   * @throws StudioError pass/*, calib/*, task/*, job/cancelled, worker/crashed
   */
  async sensitivity(
    options: SensitivityOptions,
    job: JobContext,
    onPartial?: (partial: SensitivityResult) => void,
  ): Promise<SensitivityResult> {
    const { client, id } = await this.#current(job);
    let askedAt = Number.NEGATIVE_INFINITY;
    const ask = async () => {
      const partial = await client.call('sensitivitySoFar', { id });
      if (partial) onPartial?.(partial);
    };
    const onProgress: JobContext['onProgress'] = (progress) => {
      job.onProgress(progress);
      const now = performance.now();
      if (!onPartial || now - askedAt < PARTIAL_INTERVAL_MS) return;
      askedAt = now;
      ask().catch(() => {});
    };
    try {
      return await client.call('sensitivity', { ...options, id }, { ...job, onProgress });
    } catch (error) {
      // A worker that is gone knows nothing any more; then what was told before is what there is.
      if (onPartial) await ask().catch(() => {});
      throw error;
    }
  }

  /**
   * The variant's structure for the graph view.
   * @param key see GraphCall
   * @throws StudioError recipe/*, pass/*, calib/*, job/cancelled, worker/crashed
   */
  async graph(variant: SessionVariant, key: string, job: JobContext): Promise<GraphAnswer> {
    const { client, id } = await this.#current(job);
    return client.call('graph', { variant: { ...variant, id }, key }, job);
  }

  /** The variant's memory over time, predicted. @param key see GraphCall */
  async memory(variant: SessionVariant, key: string, job: JobContext): Promise<MemoryTimeline> {
    const { client, id } = await this.#current(job);
    return client.call('memory', { variant: { ...variant, id }, key }, job);
  }

  /** Questions about what `graph` gave; a worker that no longer has it makes it again. */
  async ask<Method extends GraphQuestions>(
    method: Method,
    variant: SessionVariant,
    key: string,
    rest: Omit<TransformContract[Method]['request'], 'graph'>,
    job: JobContext,
  ): Promise<TransformContract[Method]['response']> {
    const { client, id } = await this.#current(job);
    const request = { ...rest, graph: { variant: { ...variant, id }, key } };
    return client.call(method, request as TransformContract[Method]['request'], job);
  }

  /** Ends the worker and deletes scratch files: large variants can then no longer be read. */
  dispose(): void {
    const place = this.#place;
    this.#place = undefined;
    place?.then(({ client }) => client.terminate()).catch(() => {});
    void this.#scratch.release();
  }

  async #current(job: JobContext): Promise<Place> {
    const shared = this.#place;
    if (shared) {
      try {
        return await shared;
      } catch {
        // Whoever opened it gave up, or failed; this caller finds out for itself.
      }
    }
    const place = this.#openWorker(job);
    this.#place = place;
    const forget = () => {
      if (this.#place === place) this.#place = undefined;
    };
    place.then(({ client }) => client.ended.then(forget), forget);
    return place;
  }

  /** Downloads it, if nobody has, and no longer than the worker lives. */
  #lendRuntime(client: WorkerClient<TransformContract>): void {
    const life = new AbortController();
    void client.ended.then(() => life.abort());
    runtimeFile('wasm', this.#assetBase, { signal: life.signal })
      .then((wasm) => client.call('runtime', { wasm }))
      // Only ever because the worker is gone, which its callers are told.
      .catch(() => {});
  }

  async #openWorker(job: JobContext): Promise<Place> {
    const client = spawnTransform();
    const request = { files: this.#files, assetBase: this.#assetBase, scratchFolder: this.#scratch.name };
    try {
      const { id, card } = await client.call('open', request, job);
      // Not before: over a slow line the worker's own script would have to share it with 14 MB.
      this.#lendRuntime(client);
      return { client, id, card };
    } catch (error) {
      client.terminate();
      throw error;
    }
  }
}
