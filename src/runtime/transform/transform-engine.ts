/** What lives inside a transform worker: opened models by id, and the variants made of them. */
import { describeModel, type ModelCard } from '../../core/analysis/card.ts';
import type { MemoryTimeline } from '../../core/analysis/memory-plan.ts';
import { StudioError } from '../../core/base/errors/index.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { TaskSource } from '../../core/eval/types.ts';
import type { NodeDetail } from '../../core/graph-view/node-detail.ts';
import type { WeightStatistics } from '../../core/graph-view/weight-statistics.ts';
import type { Model } from '../../core/ir/types.ts';
import { validateModel } from '../../core/ir/validate.ts';
import { expandHalfWeights } from '../../core/onnx/half-weights.ts';
import { readModel } from '../../core/onnx/read.ts';
import type { CandidateSettings } from '../../core/precision/candidates.ts';
import { lensOfRecipe, sensitivityOfModel } from '../../core/precision/of-recipe.ts';
import type { CandidateId, LensResult, SensitivityResult } from '../../core/precision/results.ts';
import { applyRecipe } from '../../core/recipe/apply.ts';
import { type NodeFact, nodeFacts } from '../../core/recipe/node-facts.ts';
import { stepRegistry } from '../../core/recipe/registry.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import {
  type CalibrationSource,
  type Executor,
  isBeforeQuantization,
  type TensorStore,
} from '../../core/step/define.ts';
import { calibrationOf } from '../../core/study/calibration.ts';
import type { ModelFiles, VariantRequest } from '../../core/study/ports.ts';
import type { VariantFacts } from '../../core/study/results.ts';
import { buildVariant, saveFiles, type Variant } from '../../core/study/variant.ts';
import { fetchedFiles } from '../fetched-files.ts';
import type { BlobModel } from '../web-infer.ts';
import { BlobSource, blobOf } from './blob-source.ts';
import {
  type GraphAnswer,
  GraphInspector,
  type NodePlace,
  type WeightPage,
  type WeightPlace,
} from './graph-inspector.ts';
import { createScratchStore } from './scratch-store.ts';

export interface NamedBlob {
  /** File name, or the path relative to the folder of the graph. */
  readonly name: string;
  readonly blob: Blob;
}

export interface OpenRequest {
  readonly graph: NamedBlob;
  /** Whatever lay beside it: external data is looked up here. */
  readonly others: readonly NamedBlob[];
}

export interface SensitivityQuestion {
  readonly id: string;
  readonly modelKey: string;
  readonly task: TaskSource;
  readonly taskKey: string;
  readonly candidates?: readonly CandidateId[];
  readonly settings?: Partial<CandidateSettings>;
  readonly maxSamples?: number;
  readonly resume?: SensitivityResult;
}

/** Which variant's graph. */
export interface GraphQuestion {
  readonly variant: VariantRequest;
  /** Names what the graph depends on: steps, free dimensions, the calibrating task. */
  readonly key: string;
}

interface OpenModel {
  readonly model: Model;
  readonly store: TensorStore;
  readonly inspector: GraphInspector;
  /** What was measured of it, perhaps in part. */
  sensitivity: SensitivityResult | null;
}

export class TransformEngine {
  readonly #executor: Executor;
  readonly #models = new Map<string, OpenModel>();
  #nextId = 1;

  /** @param executor runs small models for constant folding */
  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** @param scratchFolder see createScratchStore */
  async open(
    { graph, others }: OpenRequest,
    scratchFolder: string,
    job: JobContext,
  ): Promise<{ id: string; card: ModelCard }> {
    const beside = new Map(others.map(({ name, blob }) => [normalizePath(name), blob]));
    const model = await readModel(new BlobSource(graph.name, graph.blob), {
      resolveExternal: (location) => {
        const blob = beside.get(normalizePath(location));
        return blob && new BlobSource(location, blob);
      },
      signal: job.signal,
      onProgress: job.onProgress,
    });
    job.onProgress({ stage: 'checking the graph', done: 0, total: null, unit: 'nodes' });
    const [problem] = validateModel(model);
    if (problem) throw problem;
    await expandHalfWeights(model);
    const card = describeModel(model);
    const id = `model-${this.#nextId++}`;
    const store = createScratchStore(scratchFolder);
    this.#models.set(id, { model, store, inspector: new GraphInspector(), sensitivity: null });
    return { id, card };
  }

  /** @param overrides values of free dimensions by symbol: with all of them known, costs are predicted */
  card(id: string, overrides: Readonly<Record<string, number>>): ModelCard {
    return describeModel(this.#opened(id).model, { overrides });
  }

  /** The nodes that quantization steps will see: after the recipe's clean-up and fusion, subgraphs included. */
  async nodes(id: string, recipe: Recipe, job: JobContext): Promise<NodeFact[]> {
    const { model, store } = this.#opened(id);
    const steps = recipe.steps.filter(({ id }) => isBeforeQuantization(stepRegistry.get(id)));
    const subject = { model, recipe: { ...recipe, steps }, job, store, executor: this.#executor };
    const simplified = await applyRecipe({ ...subject, proof: 'off' });
    return nodeFacts(simplified.model);
  }

  /** The variant as a runtime takes it: weights in a file of their own. */
  async build(request: VariantRequest, job: JobContext): Promise<{ facts: VariantFacts; files: BlobModel }> {
    const { facts, runtimeFiles } = await this.#variant(request, job);
    return { facts, files: await toBlobs(runtimeFiles) };
  }

  /** The variant as the user saves it. @param fileName of the graph, ending in .onnx */
  async save(request: VariantRequest, fileName: string, job: JobContext): Promise<BlobModel> {
    const { model } = await this.#variant(request, job);
    return toBlobs(await saveFiles(model, fileName));
  }

  /** @param task whose calibration inputs are run */
  lens(
    { id, recipe }: VariantRequest,
    task: TaskSource,
    maxSamples: number | undefined,
    job: JobContext,
  ): Promise<LensResult> {
    const { model, store } = this.#opened(id);
    const source = calibrationFrom(task);
    return lensOfRecipe({ model, recipe, store, source, executor: this.#executor, maxSamples, job });
  }

  /** Goes on from what an earlier call with the same settings has measured. */
  async sensitivity(question: SensitivityQuestion, job: JobContext): Promise<SensitivityResult> {
    const { id, task, taskKey: inputsKey, resume, ...rest } = question;
    const opened = this.#opened(id);
    const { model, store } = opened;
    const before = resume ?? opened.sensitivity ?? undefined;
    const source = calibrationFrom(task);
    const onPartial = (partial: SensitivityResult) => {
      opened.sensitivity = partial;
    };
    const executor = this.#executor;
    return sensitivityOfModel({ ...rest, model, store, executor, source, inputsKey, resume: before, onPartial, job });
  }

  sensitivitySoFar(id: string): SensitivityResult | null {
    return this.#opened(id).sensitivity;
  }

  /** The variant as the graph view shows it. Calibrates where a step needs it; measures nothing. */
  graph({ variant, key }: GraphQuestion, job: JobContext): Promise<GraphAnswer> {
    const { model, store, inspector } = this.#opened(variant.id);
    const { recipe, dims = {}, calibration: task } = variant;
    const calibration = task && calibrationFrom(task);
    const executor = this.#executor;
    const build = () => applyRecipe({ model, recipe, job, store, executor, calibration });
    return inspector.graph(key, dims, build, job);
  }

  node(question: GraphQuestion, place: NodePlace, job: JobContext): Promise<NodeDetail | null> {
    return this.#inspector(question).detail(question.key, place, () => this.graph(question, job));
  }

  weight(question: GraphQuestion, place: WeightPlace, job: JobContext): Promise<WeightStatistics | null> {
    return this.#inspector(question).statistics(question.key, place, () => this.graph(question, job), job);
  }

  /** Elements as text. */
  weightValues(question: GraphQuestion, page: WeightPage, job: JobContext): Promise<string[]> {
    return this.#inspector(question).values(question.key, page, () => this.graph(question, job));
  }

  memory(question: GraphQuestion, job: JobContext): Promise<MemoryTimeline> {
    const { dims = {} } = question.variant;
    return this.#inspector(question).memory(question.key, dims, () => this.graph(question, job));
  }

  #inspector({ variant }: GraphQuestion): GraphInspector {
    return this.#opened(variant.id).inspector;
  }

  #variant({ id, calibration: task, proofTask, ...request }: VariantRequest, job: JobContext): Promise<Variant> {
    const { model, store } = this.#opened(id);
    const now = () => performance.now();
    const calibration = task && calibrationFrom(task);
    const proofInputs = proofTask && calibrationFrom(proofTask);
    const options = { executor: this.#executor, calibration, proofInputs, now };
    return buildVariant({ ...request, ...options, model, job, store });
  }

  dispose(id: string): void {
    this.#models.delete(id);
  }

  #opened(id: string): OpenModel {
    const opened = this.#models.get(id);
    if (!opened) throw new StudioError('internal/unexpected', { message: `no model ${id} is open` });
    return opened;
  }
}

function calibrationFrom(task: TaskSource): CalibrationSource {
  return calibrationOf(task, fetchedFiles(task.kind === 'sample-task' ? task.assetBase : ''));
}

/** "./weights.bin" and "weights.bin" are the same file. */
function normalizePath(path: string): string {
  return path
    .split(/[\\/]/)
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/');
}

async function toBlobs({ graph, externalData }: ModelFiles): Promise<BlobModel> {
  return {
    graph: await blobOf(graph),
    externalData: await Promise.all(externalData.map(async ({ path, parts }) => ({ path, data: await blobOf(parts) }))),
  };
}
