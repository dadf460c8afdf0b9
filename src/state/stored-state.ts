/** What of the state is a project's: written down after each change, read back when the project is opened. */
import { parseStudy } from '../core/study/link.ts';
import type { Study } from '../core/study/schema.ts';
import type { ProjectEntry, StoredProject } from '../services/projects.ts';
import type { LoadedModel } from './model-slice.ts';
import { restoredSender } from './restored-sender.ts';
import type { StudioState } from './store.ts';

const STATE_VERSION = 1;

/**
 * What is kept beside model and study, as it is. Another part of the state is kept by naming it here; it is absent in
 * records of earlier versions, and then stays as `forgetResults` leaves it.
 */
const PARTS = ['report', 'measured', 'lastMeasuredKey', 'lenses', 'sensitivity', 'profiles', 'sender'] as const;
export type StoredParts = Partial<Pick<StudioState, (typeof PARTS)[number]>>;

/** The bytes are in the model store, and what a reader finds in them is found again. */
export type StoredModel = Omit<LoadedModel, 'card'>;

export interface StoredState extends StoredParts {
  readonly version: typeof STATE_VERSION;
  readonly model: StoredModel;
  /** Checked when it is read: it may be of another version. */
  readonly study: unknown;
  readonly ids: readonly string[];
  readonly selectedId: string | null;
}

/** Whether something changed that a project keeps. */
export function isStoredChange(state: StudioState, before: StudioState): boolean {
  return (
    state.history !== before.history ||
    state.selectedId !== before.selectedId ||
    state.model !== before.model ||
    PARTS.some((part) => state[part] !== before[part])
  );
}

/** Whether the user changed anything in the project, now or before it was opened. */
export function isEdited({ project, history }: StudioState): boolean {
  return (project?.edited ?? false) || (history !== null && history.past.length + history.future.length > 0);
}

/** @returns null while no project is open */
export function toStored(state: StudioState): StoredProject | null {
  const { project, model, history, selectedId } = state;
  if (!project || !model || !history) return null;
  const { study, ids, name } = history.present;
  const { card: _found, ...storedModel } = model;
  const { key, name: fileName, title, fileBytes, sampleId } = model;
  const entry: ProjectEntry = {
    id: project.id,
    name,
    created: project.created,
    changed: new Date().toISOString(),
    model: { key, name: fileName, title, fileBytes, sampleId },
    variants: ids.length,
    edited: isEdited(state),
  };
  const parts = Object.fromEntries(PARTS.map((part) => [part, state[part]])) as StoredParts;
  const stored: StoredState = {
    version: STATE_VERSION,
    model: storedModel,
    study,
    ids,
    selectedId,
    ...parts,
    profiles: keepable(state.profiles),
  };
  return { entry, state: stored };
}

export interface RestoredState {
  readonly model: StoredModel;
  readonly study: Study;
  readonly ids: readonly string[];
  readonly selectedId: string | null;
  readonly parts: StoredParts;
}

/** @throws StudioError recipe/* when the study cannot be read */
export function fromStored(value: unknown): RestoredState {
  const { model, study: unchecked, ids, selectedId, ...rest } = value as StoredState;
  const study = parseStudy(unchecked);
  if (!study.ok) throw study.error;
  const parts = Object.fromEntries(PARTS.flatMap((part) => (rest[part] === undefined ? [] : [[part, rest[part]]])));
  const restored = parts as StoredParts;
  // Of an earlier build they may be of another form; they are quickly made anew.
  const profiles = Object.fromEntries(
    Object.entries(restored.profiles ?? {}).filter(([, { keys }]) => Array.isArray(keys)),
  );
  // It came from a link, so it is checked again.
  const sender = restoredSender(restored.sender);
  return { model, study: study.value, ids, selectedId, parts: { ...restored, profiles, sender } };
}

/** Beyond this many figures a profile is quicker measured anew than written down after each change. */
const MOST_PROFILE_SAMPLES = 200_000;

function keepable(profiles: StudioState['profiles']): StudioState['profiles'] {
  const samples = ({ value }: StudioState['profiles'][string]['run']['outcomes'][number]) =>
    (value?.profile.nodes.length ?? 0) * (value?.profile.runs ?? 0);
  const fits = ({ outcomes }: StudioState['profiles'][string]['run']) =>
    outcomes.reduce((sum, outcome) => sum + samples(outcome), 0) <= MOST_PROFILE_SAMPLES;
  return Object.fromEntries(Object.entries(profiles).filter(([, { run }]) => fits(run)));
}
