/** Profiles of variants, the device's ceilings, and what of them is looked at. */
import type { ErrorRecord } from '../core/base/errors/index.ts';
import { canonicalJson } from '../core/base/json.ts';
import type { Ceilings } from '../core/profile/ceilings.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { ProfileLevel, ProfileRun } from '../core/study/profile-run.ts';
import type { Target, TaskRef } from '../core/study/schema.ts';
import type { StepLatency } from '../core/study/step-latency.ts';
import { targetKey } from './measured.ts';
import type { SliceCreator } from './store.ts';

export interface ProfileEntry {
  /** Of each recipe with the task: `profileKey`. */
  readonly keys: readonly string[];
  /** The original alone, or the original and the variant. */
  readonly run: ProfileRun;
}

export interface StepLatencyEntry {
  /** Of the recipe with the task: `profileKey`. */
  readonly key: string;
  readonly result: StepLatency;
}

/** The panels of the Profile view. */
export type ProfileTab = 'time' | 'roofline';

export interface ProfileSlice {
  /** By `profileSlot`. */
  profiles: Readonly<Record<string, ProfileEntry>>;
  /** By `targetKey`; of this device. */
  ceilings: Readonly<Record<string, Ceilings>>;
  /** What each step bought, by `stepSlot`. */
  stepLatencies: Readonly<Record<string, StepLatencyEntry>>;
  stepError: ErrorRecord | null;
  /** Whether Details shows memory over time, which builds the variant. */
  memoryShown: boolean;
  showMemory(shown: boolean): void;
  profileError: ErrorRecord | null;
  ceilingsError: ErrorRecord | null;
  profileTab: ProfileTab;
  profileLevel: ProfileLevel;
  /** null: the study's first. */
  profileTarget: Target | null;
  setProfileTab(tab: ProfileTab): void;
  setProfileLevel(level: ProfileLevel): void;
  setProfileTarget(target: Target): void;
}

export const createProfileSlice: SliceCreator<ProfileSlice> = (set) => ({
  profiles: {},
  ceilings: {},
  stepLatencies: {},
  stepError: null,
  memoryShown: false,
  showMemory: (memoryShown) => set({ memoryShown }),
  profileError: null,
  ceilingsError: null,
  profileTab: 'time',
  profileLevel: 'deployed',
  profileTarget: null,
  setProfileTab: (profileTab) => set({ profileTab }),
  setProfileLevel: (profileLevel) => set({ profileLevel }),
  setProfileTarget: (profileTarget) => set({ profileTarget }),
});

/** Where a profile of a variant on a target lies. */
export function profileSlot(variantId: string, target: Target, level: ProfileLevel): string {
  return `${variantId} ${targetKey(target)} ${level}`;
}

export function stepSlot(variantId: string, target: Target): string {
  return `${variantId} ${targetKey(target)}`;
}

/** Changes when what was profiled does: a profile of another key is stale. */
export function profileKey({ steps, runtime }: Recipe, task: TaskRef): string {
  return canonicalJson({ steps, runtime, task });
}

/** Whether the recipes, in their order, are those that were profiled. */
export function isFreshProfile(entry: ProfileEntry, recipes: readonly Recipe[], task: TaskRef): boolean {
  return recipes.every((recipe, index) => entry.keys[index] === profileKey(recipe, task));
}
