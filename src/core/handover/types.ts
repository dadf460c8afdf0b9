/** What a recipe looks like in another tool's words: the file, and how far it means the same. */
import type { Recipe } from '../recipe/schema.ts';

export interface HandoverContext {
  readonly recipe: Recipe;
  /** The original's file name, e.g. "det.onnx". */
  readonly modelFile: string;
  /** SHA-256 of the original in hex, where it is known. */
  readonly modelSha256?: string | undefined;
  /** The address that opens the study in the page, where there is one. */
  readonly link?: string | undefined;
}

/** Where each part of the recipe went. One short sentence each. */
export interface MappingNotes {
  /** Means the same there. */
  readonly exact: readonly string[];
  /** Comes close; says what differs. */
  readonly approximate: readonly string[];
  /** Has no counterpart there. */
  readonly missing: readonly string[];
}

export type HandoverFormat =
  | 'whittle'
  | 'onnxruntime'
  | 'olive'
  | 'modelopt'
  | 'llm-compressor'
  | 'llama-cpp'
  | 'vllm'
  | 'tensorrt-llm';

/** exact: every part maps exactly. approximate: the method exists there. none: no file is made, `notes.missing` says why. */
export type HandoverFit = 'exact' | 'approximate' | 'none';

export interface Handover {
  readonly format: HandoverFormat;
  readonly title: string;
  /** The version whose interface the text is written for. */
  readonly writtenFor: string;
  readonly fileName: string;
  readonly mediaType: string;
  readonly fit: HandoverFit;
  readonly notes: MappingNotes;
  /** Further files that `text` needs beside it. */
  readonly companions?: readonly { readonly fileName: string; readonly text: string }[];
  /** Empty where `fit` is none. */
  readonly text: string;
}
