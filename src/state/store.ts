/** The one store: JSON only. Bytes stay in files, workers and the model repository. */
import { createStore, type StateCreator } from 'zustand/vanilla';
import { type AnalysisSlice, createAnalysisSlice } from './analysis-slice.ts';
import { createModelSlice, type ModelSlice } from './model-slice.ts';
import { createProfileSlice, type ProfileSlice } from './profile-slice.ts';
import { createProjectsSlice, type ProjectsSlice } from './projects-slice.ts';
import { createRunSlice, type RunSlice } from './run-slice.ts';
import { createSenderSlice, type SenderSlice } from './sender-slice.ts';
import { createStudySlice, type StudySlice } from './study-slice.ts';
import { createUiSlice, type UiSlice } from './ui-slice.ts';

export type StudioState = ModelSlice &
  StudySlice &
  RunSlice &
  AnalysisSlice &
  ProfileSlice &
  ProjectsSlice &
  SenderSlice &
  UiSlice;
export type SliceCreator<Slice> = StateCreator<StudioState, [], [], Slice>;

export function createStudioStore() {
  return createStore<StudioState>()((...api) => ({
    ...createModelSlice(...api),
    ...createStudySlice(...api),
    ...createRunSlice(...api),
    ...createAnalysisSlice(...api),
    ...createProfileSlice(...api),
    ...createProjectsSlice(...api),
    ...createSenderSlice(...api),
    ...createUiSlice(...api),
  }));
}

export type StudioStore = ReturnType<typeof createStudioStore>;

/** The page's store. Tests make their own. */
export const studio: StudioStore = createStudioStore();
