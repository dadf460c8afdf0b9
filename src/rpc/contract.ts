/**
 * What the workers offer, as types: method -> what goes in and what comes out. Everything must survive structured
 * cloning; Blobs travel by reference, tensors by copy (in) or transfer (out).
 */
import type { ModelCard } from '../core/analysis/card.ts';
import type { Evaluation, Feeds } from '../core/eval/types.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { OpenedSession, SessionOptions, TaskSource } from '../core/study/ports.ts';
import type { MemoryReading, VariantFacts } from '../core/study/results.ts';

/** A serialized model in a browser. Small inputs of a build may share bytes with the user's own file. */
export interface BrowserModelHandle {
  readonly graph: Blob;
  readonly externalData: readonly { readonly path: string; readonly data: Blob }[];
}

/** A contract: one request object in, one response out, for each method. */
export type Contract = Record<string, { readonly request: unknown; readonly response: unknown }>;

/** `assetBase` is everywhere the absolute URL, ending in '/', under which the page's own assets lie. */
export type InferContract = {
  open: {
    request: { readonly files: BrowserModelHandle; readonly options: SessionOptions; readonly assetBase: string };
    response: OpenedSession;
  };
  run: { request: { readonly feeds: Feeds }; response: { readonly outputs: Feeds; readonly ms: number } };
  time: { request: { readonly feeds: Feeds; readonly runs: number }; response: readonly number[] };
  evaluate: { request: { readonly task: TaskSource; readonly limit: number | undefined }; response: Evaluation };
  memory: { request: null; response: MemoryReading };
  /** Loads the runtime so that a later `execute` finds it ready. */
  warm: { request: { readonly assetBase: string }; response: null };
  /** Runs a small model once, without optimization and on one thread (constant folding). */
  execute: {
    request: { readonly model: Uint8Array; readonly feeds: Feeds; readonly assetBase: string };
    response: Feeds;
  };
};

export interface NamedBlob {
  /** File name, or the path below the dropped folder. */
  readonly name: string;
  readonly blob: Blob;
}

export interface OpenedModel {
  readonly id: string;
  readonly card: ModelCard;
}

export type TransformContract = {
  /** Reads a model; external data files may come with it. Exactly one of the files must be a model. */
  open: { request: { readonly files: readonly NamedBlob[]; readonly assetBase: string }; response: OpenedModel };
  card: { request: { readonly id: string }; response: ModelCard };
  build: {
    request: { readonly id: string; readonly recipe: Recipe };
    response: { readonly facts: VariantFacts; readonly files: BrowserModelHandle };
  };
  /** Forgets a model and its scratch files. Blobs of its variants that are in use stay readable. */
  dispose: { request: { readonly id: string }; response: null };
};
