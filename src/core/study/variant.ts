/** Builds a variant: recipe applied, files laid out for the runtime and for saving, and the facts of both. */
import { weightSummary } from '../analysis/weights.ts';
import { partsByteLength } from '../base/bytes.ts';
import type { JobContext } from '../base/progress.ts';
import { withNodeNames } from '../ir/node-names.ts';
import type { Model } from '../ir/types.ts';
import { forEachNode } from '../ir/walk.ts';
import type { ExternalDataOptions } from '../onnx/place-external.ts';
import { writeModel } from '../onnx/write.ts';
import { applyRecipe } from '../recipe/apply.ts';
import { packedBytes } from '../recipe/packed.ts';
import { variantKey } from '../recipe/parse.ts';
import type { Recipe } from '../recipe/schema.ts';
import type { CalibrationSource, Executor, TensorStore } from '../step/define.ts';
import type { ModelFiles } from './ports.ts';
import { predictCost } from './predict.ts';
import type { VariantFacts } from './results.ts';

export interface BuildRequest {
  readonly model: Model;
  /** SHA-256 of the source, or any other text that identifies it. */
  readonly modelKey: string;
  readonly sourceSha256?: string;
  readonly recipe: Recipe;
  readonly job: JobContext;
  readonly store: TensorStore;
  readonly executor: Executor | undefined;
  readonly calibration?: CalibrationSource | undefined;
  /** The task's inputs, for the proof. */
  readonly proofInputs?: CalibrationSource | undefined;
  /** Values of free dimensions by symbol, for predictions. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

export interface Variant {
  readonly model: Model;
  readonly facts: VariantFacts;
  /** Weights apart from the graph, as a runtime takes them best. */
  readonly runtimeFiles: ModelFiles;
}

/** Name of the weights file beside the graph in `runtimeFiles`. */
const RUNTIME_WEIGHTS = 'weights.bin';
/** Tensors below this many bytes stay in the graph: shape inference of the runtime needs small constants there. */
const RUNTIME_EXTERNAL_THRESHOLD_BYTES = 1024;

/** @throws StudioError recipe/*, pass/*, job/cancelled */
export async function buildVariant(request: BuildRequest): Promise<Variant> {
  const { recipe, job, modelKey, now } = request;
  const started = now();
  const applied = await applyRecipe(request);
  const { model } = applied;
  job.onProgress({ stage: 'laying out the file', done: 0, total: null, unit: 'tensors' });
  const runtimeFiles = await layOut(withNodeNames(model), {
    location: RUNTIME_WEIGHTS,
    thresholdBytes: RUNTIME_EXTERNAL_THRESHOLD_BYTES,
    mainGraphOnly: true,
  });
  const packed = await packedBytes(model);
  const facts: VariantFacts = {
    key: variantKey(modelKey, recipe),
    fileBytes: filesByteLength(await saveFiles(model, 'model.onnx')),
    ...weightFacts(model),
    ...predictCost(model, request.dims),
    ...(packed.storedBytes > 0 ? { packedWeights: packed } : {}),
    ledger: applied.ledger.map((record) => ({ ...record, entries: record.entries.map(copyEntry) })),
    advisories: applied.advisories.map(({ providers, ...advisory }) => ({
      ...advisory,
      ...(providers ? { providers: [...providers] } : {}),
    })),
    ...(applied.proof && { proof: applied.proof }),
    buildMs: now() - started,
  };
  return { model, facts, runtimeFiles };
}

/**
 * The files a user saves: one where the model fits into one (protobuf ends at 2 GiB), else a graph with its data file
 * beside it.
 * @param name the graph's file name, ending in .onnx
 */
export async function saveFiles(model: Model, name: string): Promise<ModelFiles> {
  const fitsOneFile = weightSummary(model).bytes < 1_900_000_000;
  return fitsOneFile
    ? { graph: (await writeModel(model)).graph, externalData: [] }
    : layOut(model, { location: `${name}.data`, thresholdBytes: 1024 });
}

async function layOut(model: Model, externalData: ExternalDataOptions): Promise<ModelFiles> {
  const { graph, external } = await writeModel(model, { externalData });
  return { graph, externalData: external.length > 0 ? [{ path: externalData.location, parts: external }] : [] };
}

export function filesByteLength(files: ModelFiles): number {
  const external = files.externalData.reduce((sum, { parts }) => sum + partsByteLength(parts), 0);
  return partsByteLength(files.graph) + external;
}

type WeightFacts = Pick<VariantFacts, 'weightBytes' | 'weightBytesByDtype' | 'nodes' | 'parameters'>;

function weightFacts(model: Model): WeightFacts {
  const { bytes, parameters, byDType } = weightSummary(model);
  let nodes = 0;
  forEachNode(model, () => {
    nodes += 1;
  });
  const weightBytesByDtype = Object.fromEntries(Object.entries(byDType).map(([dtype, group]) => [dtype, group.bytes]));
  return { weightBytes: bytes, weightBytesByDtype, nodes, parameters };
}

const copyEntry = (entry: { action: string; from: readonly string[]; to: readonly string[] }) => ({
  action: entry.action,
  from: [...entry.from],
  to: [...entry.to],
});
