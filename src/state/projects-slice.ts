/** The project that is open, those that are stored, and whether storing works. */
import type { Progress } from '../core/base/progress.ts';
import type { ProjectEntry } from '../services/projects.ts';
import type { SliceCreator } from './store.ts';

export interface OpenProject {
  readonly id: string;
  /** ISO 8601 */
  readonly created: string;
  /** Whether the user had edited it when it was opened; once edited it stays so. */
  readonly edited: boolean;
}

/** What is not kept, for as long as that is so. */
export interface StorageNotice {
  /**
   * There was no room for it: `full`: changes; `model`: its bytes; `data`: the user's arrays; `figures`: what can be measured
   * again. `unavailable`: there is no storage. `elsewhere`: another tab writes the project.
   */
  readonly kind: 'full' | 'model' | 'data' | 'figures' | 'unavailable' | 'elsewhere';
  readonly text: string;
  readonly advice: string;
}

export interface ProjectsSlice {
  /** null while no model is open. */
  project: OpenProject | null;
  /** The last changed first. */
  projects: readonly ProjectEntry[];
  storageNotice: StorageNotice | null;
  /** A project on its way into a zip file. */
  exporting: Exporting | null;
}

export interface Exporting {
  readonly id: string;
  readonly progress: Progress | null;
}

export const createProjectsSlice: SliceCreator<ProjectsSlice> = () => ({
  project: null,
  projects: [],
  storageNotice: null,
  exporting: null,
});
