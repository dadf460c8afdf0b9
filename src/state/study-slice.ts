/** What the user sets up. Every edit is one undo step; nothing here knows of results. */
import type { Recipe } from '../core/recipe/schema.ts';
import { type Gate, MAX_VARIANTS, type RunPlan, type Study, type Target, type TaskRef } from '../core/study/schema.ts';
import { amendHistory, type History, pushHistory, redo, startHistory, undo } from './history.ts';
import { newVariantId } from './ids.ts';
import type { SliceCreator } from './store.ts';

/** Longest name of a project. */
export const MAX_PROJECT_NAME = 120;

/** A study with stable identities for its variants, so that a card keeps its place and results while it is edited. */
export interface StudyDraft {
  readonly study: Study;
  /** Parallel to `study.variants`. */
  readonly ids: readonly string[];
  /** The project's name. */
  readonly name: string;
}

export interface StudySlice {
  /** null until a model is open. */
  history: History<StudyDraft> | null;
  selectedId: string | null;

  /** Begins with this study (another model, a stored project) and forgets the history. */
  setStudy(study: Study, ids?: readonly string[], name?: string): void;
  /** Takes over another study of the same model; undo brings the one before back. */
  replaceStudy(study: Study): void;
  renameProject(name: string): void;
  /** What `run` changes is one undo step. */
  asOneEdit(run: () => void): void;
  closeStudy(): void;
  selectVariant(id: string): void;
  /** @returns the new variant's id, or null when there are `MAX_VARIANTS` already */
  addVariant(recipe: Recipe, afterId?: string): string | null;
  duplicateVariant(id: string): string | null;
  removeVariant(id: string): void;
  /** @param to index to move to; the baseline stays first */
  moveVariant(id: string, to: number): void;
  renameVariant(id: string, name: string): void;
  /** @param tag edits with the same tag in quick succession are one undo step */
  editRecipe(id: string, edit: (recipe: Recipe) => Recipe, tag?: string): void;
  setTargets(targets: readonly Target[]): void;
  setTask(task: TaskRef): void;
  setGate(gate: Gate): void;
  setPlan(plan: RunPlan): void;
  setView(view: string): void;
  undo(): void;
  redo(): void;
}

export const createStudySlice: SliceCreator<StudySlice> = (set, get) => {
  const edit = (change: (draft: StudyDraft) => StudyDraft, tag: string | null = null) =>
    set((state) => {
      if (!state.history) return {};
      return { history: pushHistory(state.history, change(state.history.present), tag, performance.now()) };
    });
  const editStudy = (change: (study: Study) => Study, tag: string | null = null) =>
    edit((draft) => ({ ...draft, study: change(draft.study) }), tag);
  const indexOf = (id: string) => get().history?.present.ids.indexOf(id) ?? -1;
  const keepSelection = () => {
    const { history, selectedId } = get();
    if (!history) return;
    if (selectedId === null || !history.present.ids.includes(selectedId))
      set({ selectedId: history.present.ids[0] ?? null });
  };

  return {
    history: null,
    selectedId: null,

    setStudy(study, ids, name = '') {
      const identities = ids && ids.length === study.variants.length ? ids : study.variants.map(() => newVariantId());
      set({
        history: startHistory({ study, ids: identities, name }),
        selectedId: identities[1] ?? identities[0] ?? null,
      });
    },
    replaceStudy(study) {
      const ids = study.variants.map(() => newVariantId());
      edit((draft) => ({ ...draft, study, ids }));
      set({ selectedId: ids[1] ?? ids[0] ?? null });
    },
    renameProject(name) {
      const trimmed = name.trim().slice(0, MAX_PROJECT_NAME);
      if (trimmed !== '' && trimmed !== get().history?.present.name) edit((draft) => ({ ...draft, name: trimmed }));
    },
    asOneEdit(run) {
      const before = get().history;
      run();
      const after = get().history;
      if (!before || !after || after.present === before.present) return;
      set({ history: pushHistory(before, after.present, null, performance.now()) });
    },
    closeStudy() {
      set({ history: null, selectedId: null });
    },
    selectVariant(id) {
      if (indexOf(id) >= 0) set({ selectedId: id });
    },
    addVariant(recipe, afterId) {
      const draft = get().history?.present;
      if (!draft || draft.ids.length >= MAX_VARIANTS) return null;
      const id = newVariantId();
      const at = afterId === undefined ? draft.ids.length : indexOf(afterId) + 1;
      edit(({ study, ids, name }) => ({
        name,
        study: { ...study, variants: study.variants.toSpliced(at, 0, recipe) },
        ids: ids.toSpliced(at, 0, id),
      }));
      set({ selectedId: id });
      return id;
    },
    duplicateVariant(id) {
      const index = indexOf(id);
      const recipe = get().history?.present.study.variants[index];
      if (!recipe) return null;
      const name = index === 0 ? 'Copy of original' : `${recipe.name} copy`;
      return get().addVariant({ ...recipe, name: name.slice(0, 120) }, id);
    },
    removeVariant(id) {
      const index = indexOf(id);
      // The baseline is what everything is compared with; it cannot go.
      if (index <= 0) return;
      edit(({ study, ids, name }) => ({
        name,
        study: { ...study, variants: study.variants.toSpliced(index, 1) },
        ids: ids.toSpliced(index, 1),
      }));
      const left = get().history!.present.ids;
      // Who deletes one after the other stays in place.
      if (get().selectedId === id) set({ selectedId: left[index] ?? left[index - 1] ?? null });
    },
    moveVariant(id, to) {
      const from = indexOf(id);
      const count = get().history?.present.ids.length ?? 0;
      const target = Math.min(Math.max(to, 1), count - 1);
      if (from <= 0 || from === target) return;
      edit(({ study, ids, name }) => ({
        name,
        study: { ...study, variants: moved(study.variants, from, target) },
        ids: moved(ids, from, target),
      }));
    },
    renameVariant(id, name) {
      const trimmed = name.trim().slice(0, 120);
      if (trimmed !== '' && trimmed !== get().history?.present.study.variants[indexOf(id)]?.name)
        get().editRecipe(id, (recipe) => ({ ...recipe, name: trimmed }));
    },
    editRecipe(id, change, tag) {
      const index = indexOf(id);
      if (index < 0) return;
      editStudy(
        (study) => ({ ...study, variants: study.variants.with(index, change(study.variants[index]!)) }),
        tag === undefined ? null : `${id}/${tag}`,
      );
    },
    setTargets: (targets) => editStudy((study) => ({ ...study, targets: [...targets] })),
    setTask: (task) => editStudy((study) => ({ ...study, task }), 'task'),
    setGate: (gate) => editStudy((study) => ({ ...study, gate }), 'gate'),
    setPlan: (plan) => editStudy((study) => ({ ...study, plan }), 'plan'),
    setView(view) {
      set((state) => {
        if (!state.history) return {};
        const { present } = state.history;
        return { history: amendHistory(state.history, { ...present, study: { ...present.study, view } }) };
      });
    },
    undo() {
      set(({ history }) => (history ? { history: keepView(undo(history), history) } : {}));
      keepSelection();
    },
    redo() {
      set(({ history }) => (history ? { history: keepView(redo(history), history) } : {}));
      keepSelection();
    },
  };
};

/** Undoing an edit must not throw the user out of the view in which it is looked at. */
function keepView(next: History<StudyDraft>, before: History<StudyDraft>): History<StudyDraft> {
  const { view } = before.present.study;
  const { present } = next;
  return amendHistory(next, { ...present, study: { ...present.study, view } });
}

function moved<T>(items: readonly T[], from: number, to: number): T[] {
  const item = items[from]!;
  return items.toSpliced(from, 1).toSpliced(to, 0, item);
}
