/** Edits of the list of variants that speak to the user: what cannot be done says why, what goes away can come back. */
import { asStudioError } from '../../core/base/errors/index.ts';
import { canonicalRecipe } from '../../core/recipe/parse.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { MAX_VARIANTS } from '../../core/study/schema.ts';
import type { FastestGuess } from '../fastest.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';

export function addVariant(recipe: Recipe): string | null {
  const canonical = canonicalRecipe(recipe);
  if (!canonical.ok) {
    notify({ level: 'error', text: canonical.error.message, advice: canonical.error.advice });
    return null;
  }
  const id = studio.getState().addVariant(canonical.value);
  if (id === null) noteFull();
  return id;
}

/** The guess for this device, on the target that it is a guess for. */
export function addFastest({ recipe, provider }: FastestGuess): void {
  studio.getState().asOneEdit(() => {
    if (addVariant(recipe) === null) return;
    const { history, setTargets } = studio.getState();
    const targets = history?.present.study.targets ?? [];
    if (!targets.some((target) => target.provider === provider)) setTargets([...targets, { provider, threads: 0 }]);
  });
}

export function duplicateVariant(id: string): void {
  if (studio.getState().duplicateVariant(id) === null) noteFull();
}

function noteFull(): void {
  notify({ level: 'info', text: `There are ${MAX_VARIANTS} variants already.`, advice: 'Delete one to make room.' });
}

export function deleteVariant(id: string): void {
  const { history, model, removeVariant } = studio.getState();
  const index = history?.present.ids.indexOf(id) ?? -1;
  const recipe = history?.present.study.variants[index];
  const before = history?.present.ids[index - 1];
  if (index <= 0 || recipe === undefined || before === undefined) return;
  removeVariant(id);
  const past = studio.getState().history?.past;
  const bringBack = () => {
    const { history: now, model: open, undo, selectVariant, addVariant: add } = studio.getState();
    // The notice outlives what comes after it: another model, Ctrl+Z, or edits that this must not undo.
    if (!now || open !== model || now.present.ids.includes(id)) return;
    if (now.past === past) {
      undo();
      selectVariant(id);
    } else if (add(recipe, now.present.ids.includes(before) ? before : undefined) === null) noteFull();
  };
  notify({ level: 'info', text: `Deleted ${recipe.name}.`, action: { label: 'Undo', run: bringBack } });
}

/** Shows any thrown value as a notice. Cancelling is nothing to report. */
export function reportProblem(error: unknown): void {
  const problem = asStudioError(error);
  if (problem.code === 'job/cancelled') return;
  notify({ level: 'error', text: problem.message, advice: problem.advice });
}
