/**
 * What the workers offer, as types: method -> what goes in and what comes out. Everything must survive structured
 * cloning; Blobs travel by reference, tensors by copy (in) or transfer (out).
 */

import type { ModelCard } from '../core/analysis/card.ts';
import type { MemoryTimeline } from '../core/analysis/memory-plan.ts';
import type { Evaluation, Feeds } from '../core/eval/types.ts';
import type { GraphDocument } from '../core/graph-view/document.ts';
import type { LayoutRequest, LayoutResult } from '../core/graph-view/layout/types.ts';
import type { NodeDetail } from '../core/graph-view/node-detail.ts';
import type { WeightStatistics } from '../core/graph-view/weight-statistics.ts';
import type { CandidateSettings } from '../core/precision/candidates.ts';
import type { CandidateId, LensResult, SensitivityResult } from '../core/precision/results.ts';
import type { ModelProfile } from '../core/profile/types.ts';
import type { NodeFact } from '../core/recipe/node-facts.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { LedgerEntry } from '../core/step/ledger.ts';
import type {
  OpenedSession,
  ProfileQuestion,
  SessionOptions,
  TaskSource,
  VariantRequest,
} from '../core/study/ports.ts';
import type { MemoryReading, VariantFacts } from '../core/study/results.ts';
import type { TaskData, TaskQuestion } from '../core/study/task-data.ts';

/** A serialized model in a browser. Small inputs of a build may share bytes with the user's own file. */
export interface BrowserModelHandle {
  readonly graph: Blob;
  readonly externalData: readonly { readonly path: string; readonly data: Blob }[];
}

/** Where the runtime comes from. */
export interface RuntimePlace {
  /** Absolute URL, ending in '/', under which the page's own assets lie. */
  readonly assetBase: string;
  /** Its WebAssembly, if somebody has downloaded it; the worker asks for it otherwise. */
  readonly wasm?: Blob;
}

/** A contract: one request object in, one response out, for each method. */
export type Contract = Record<string, { readonly request: unknown; readonly response: unknown }>;

export type InferContract = {
  open: {
    request: RuntimePlace & { readonly files: BrowserModelHandle; readonly options: SessionOptions };
    response: OpenedSession;
  };
  run: { request: { readonly feeds: Feeds }; response: { readonly outputs: Feeds; readonly ms: number } };
  time: { request: { readonly feeds: Feeds; readonly runs: number }; response: readonly number[] };
  evaluate: { request: { readonly task: TaskSource; readonly limit: number | undefined }; response: Evaluation };
  memory: { request: null; response: MemoryReading };
  /** What every node took in the runs since a session was opened with `profile`. */
  profile: { request: ProfileQuestion; response: ModelProfile };
  /** Loads the runtime so that a later `execute` finds it ready. */
  warm: { request: RuntimePlace; response: null };
  /** Runs a small model once, without optimization (constant folding). */
  execute: {
    request: RuntimePlace & { readonly model: Uint8Array; readonly feeds: Feeds };
    response: Feeds;
  };
  /** The same for several feeds, in one session (calibration). */
  executeEach: {
    request: RuntimePlace & { readonly model: Uint8Array; readonly feeds: readonly Feeds[] };
    response: readonly Feeds[];
  };
  /** A session for many runs, likewise without optimization (layer by layer); `executeIn` runs it. */
  openExecution: {
    request: RuntimePlace & { readonly model: Uint8Array };
    response: { readonly session: number };
  };
  executeIn: { request: { readonly session: number; readonly feeds: Feeds }; response: Feeds };
  closeExecution: { request: { readonly session: number }; response: null };
};

export interface NamedBlob {
  /** File name, or the path relative to the folder of the graph. */
  readonly name: string;
  readonly blob: Blob;
}

export interface ModelBlobs {
  readonly graph: NamedBlob;
  /** Whatever lay beside it: external data is looked up here. */
  readonly others: readonly NamedBlob[];
}

export interface LensCall {
  readonly variant: VariantRequest;
  /** Whose calibration inputs are run. */
  readonly task: TaskSource;
  /** Only the first so many; default 8. */
  readonly maxSamples?: number;
}

export interface SensitivityCall {
  /** Of the model, as `open` gave it. */
  readonly id: string;
  /** SHA-256 of the source, or any other text that identifies it. */
  readonly modelKey: string;
  /** Whose calibration inputs are run, and what identifies them (`PreparedTask.key`). */
  readonly task: TaskSource;
  readonly taskKey: string;
  /** Default: every one but calibrated INT8. Those that fit no layer are left out of the result. */
  readonly candidates?: readonly CandidateId[];
  /** How weights are stored in blocks: block size, and the step that does it. */
  readonly settings?: Partial<CandidateSettings>;
  /** Only the first so many; default 8. */
  readonly maxSamples?: number;
  /** A partial result from before, perhaps of another visit: what it has is not measured again, if its key is the same. */
  readonly resume?: SensitivityResult;
}

/** Whose graph, as the graph view asks for it. */
export interface GraphCall {
  readonly variant: VariantRequest;
  /** Names what the graph depends on: steps, free dimensions, the calibrating task. */
  readonly key: string;
}

export interface GraphAnswer {
  readonly document: GraphDocument;
  /** What each step of the recipe did; empty for the original. */
  readonly ledger: readonly {
    readonly step: string;
    readonly title: string;
    readonly entries: readonly LedgerEntry[];
  }[];
}

export type TransformContract = {
  open: {
    request: {
      readonly files: ModelBlobs;
      /** See RuntimePlace. */
      readonly assetBase: string;
      /** Folder for large intermediate tensors; belongs to the page. */
      readonly scratchFolder: string;
    };
    response: { readonly id: string; readonly card: ModelCard };
  };
  /** Must be called once, after `open`: nothing that needs the runtime begins before. null: the page could not download it. */
  runtime: { request: { readonly wasm: Blob | null }; response: null };
  /** Described anew, with values for free dimensions by symbol: with all of them known, costs are predicted. */
  card: {
    request: { readonly id: string; readonly dims: Readonly<Record<string, number>> };
    response: ModelCard;
  };
  /** The nodes that quantization steps will see: after the recipe's clean-up and fusion. */
  nodes: {
    request: { readonly id: string; readonly recipe: Recipe };
    response: readonly NodeFact[];
  };
  /** A task's data, fetched or drawn. */
  task: { request: TaskQuestion; response: TaskData };
  /** The variant as a runtime takes it: weights in a file of their own. */
  build: {
    request: VariantRequest;
    response: { readonly facts: VariantFacts; readonly files: BrowserModelHandle };
  };
  /** The variant as the user saves it: one file where it fits into one. */
  save: {
    request: { readonly variant: VariantRequest; readonly fileName: string };
    response: BrowserModelHandle;
  };
  /** How far each layer of a variant is from the original's. */
  lens: { request: LensCall; response: LensResult };
  /** What storing each layer in fewer bits does. Goes on from what an earlier call with the same settings has measured. */
  sensitivity: { request: SensitivityCall; response: SensitivityResult };
  /** What the last call of `sensitivity` has measured of a model so far, also while it runs and after it was cancelled. */
  sensitivitySoFar: { request: { readonly id: string }; response: SensitivityResult | null };
  /** The variant's structure, with equal blocks found. */
  graph: { request: GraphCall; response: GraphAnswer };
  /** Everything about one operator; `index` is its position in the file's list of nodes. */
  graphNode: {
    request: { readonly graph: GraphCall; readonly scope: number; readonly index: number };
    response: NodeDetail | null;
  };
  /** null: there is no such weight, or its elements are no numbers. */
  graphWeight: {
    request: { readonly graph: GraphCall; readonly scope: number; readonly name: string };
    response: WeightStatistics | null;
  };
  /** Elements of a weight as text, in C order. */
  graphValues: {
    request: {
      readonly graph: GraphCall;
      readonly scope: number;
      readonly name: string;
      readonly start: number;
      readonly count: number;
    };
    response: readonly string[];
  };
  /** The variant's memory over time, predicted; beside its structure, so the first of the two builds it. */
  memory: { request: GraphCall; response: MemoryTimeline };
  /** Forgets a model. */
  dispose: { request: { readonly id: string }; response: null };
};

export type LayoutContract = {
  /** Places of boxes and ways of edges. */
  layOut: { request: LayoutRequest; response: LayoutResult };
};

/** Tasks of core/quant/support/tasks.ts. */
export type ComputeContract = {
  /** Answers once the worker is there. */
  warm: { request: null; response: null };
  run: { request: { readonly task: string; readonly input: object }; response: object };
};

export interface FetchRequest {
  /** Absolute. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly cache: RequestCache;
  /** Where the body goes: `FetchWish`es come in, a `FetchMessage` answers each 'next'. Must be transferred. */
  readonly body: MessagePort;
}

export interface FetchedHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly [name: string, value: string][];
  readonly hasBody: boolean;
}

/** 'next': one more piece; 'enough': ends the connection. */
export type FetchWish = 'next' | 'enough';
export type FetchMessage =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'done' }
  | { readonly kind: 'broken'; readonly reason: string };

export type FetchContract = {
  /** Resolves with the head; the body comes through the request's port. */
  fetch: { request: FetchRequest; response: FetchedHead };
};
