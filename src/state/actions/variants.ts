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
  if (addVariant(recipe) === null) return;
  const { history, setTargets } = studio.getState();
  const targets = history?.present.study.targets ?? [];
  if (!targets.some((target) => target.provider === provider)) setTargets([...targets, { provider, threads: 0 }]);
}

export function duplicateVariant(id: string): void {
  if (studio.getState().duplicateVariant(id) === null) noteFull();
}

function noteFull(): void {
  notify({ level: 'info', text: `There are ${MAX_VARIANTS} variants already.`, advice: 'Delete one to make room.' });
}

export function deleteVariant(id: string): void {
  const { history, removeVariant } = studio.getState();
  const index = history?.present.ids.indexOf(id) ?? -1;
  const name = history?.present.study.variants[index]?.name;
  if (index <= 0 || name === undefined) return;
  removeVariant(id);
  notify({ level: 'info', text: `Deleted ${name}.`, action: { label: 'Undo', run: () => studio.getState().undo() } });
}

/** Shows any thrown value as a notice. Cancelling is nothing to report. */
export function reportProblem(error: unknown): void {
  const problem = asStudioError(error);
  if (problem.code === 'job/cancelled') return;
  notify({ level: 'error', text: problem.message, advice: problem.advice });
}
