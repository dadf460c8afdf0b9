/** What was found out beyond the study's figures: errors and sensitivities of layers, and the search for a recipe. */
import type { ErrorRecord } from '../core/base/errors/index.ts';
import { canonicalJson } from '../core/base/json.ts';
import type { LensResult, SensitivityResult } from '../core/precision/results.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { Objective, SearchResult, SearchUpdate } from '../core/search/results.ts';
import type { Gate, TaskRef } from '../core/study/schema.ts';
import type { SliceCreator } from './store.ts';

export interface LensEntry {
  /** Of the steps and the task that it is of: `lensKey`. */
  readonly key: string;
  readonly result: LensResult;
}

export interface SensitivityEntry {
  /** Of the task: `taskKey`. */
  readonly key: string;
  /** Perhaps of some layers only. */
  readonly result: SensitivityResult;
}

export interface SearchSetup {
  readonly gate: Gate;
  readonly objective: Objective;
  readonly budget: number;
  readonly task: TaskRef;
}

export interface SearchEntry {
  readonly setup: SearchSetup;
  readonly update: SearchUpdate | null;
  /** Set once it has come to its end. */
  readonly result: SearchResult | null;
}

export interface AnalysisSlice {
  /** By the variant's id. */
  lenses: Readonly<Record<string, LensEntry>>;
  sensitivity: SensitivityEntry | null;
  search: SearchEntry | null;
  lensError: ErrorRecord | null;
  sensitivityError: ErrorRecord | null;
  searchError: ErrorRecord | null;
}

export const noAnalysis: AnalysisSlice = {
  lenses: {},
  sensitivity: null,
  search: null,
  lensError: null,
  sensitivityError: null,
  searchError: null,
};

export const createAnalysisSlice: SliceCreator<AnalysisSlice> = () => ({ ...noAnalysis });

/** Changes when the variant's file or the inputs do: an error lens of another key is stale. */
export function lensKey({ steps }: Recipe, task: TaskRef): string {
  return canonicalJson({ steps, task });
}

export function taskKey(task: TaskRef): string {
  return canonicalJson(task);
}
