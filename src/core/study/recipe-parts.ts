/** Files made of some of a recipe's steps: each different one is built and kept once. */
import { type ErrorRecord, toErrorRecord } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import type { Recipe, RecipeStep } from '../recipe/schema.ts';
import type { BuiltVariant, StudyHost } from './ports.ts';
import type { LedgerStep } from './results.ts';
import { orCancelled, rethrowIfCancelled } from './run.ts';

export interface BuiltPart<Handle> {
  /** Titles of the steps that changed something, in the recipe's order. */
  readonly titles: readonly string[];
  readonly ledger: readonly LedgerStep[];
  readonly built: BuiltVariant<Handle> | null;
  /** Why it could not be built. */
  readonly error: ErrorRecord | null;
}

/**
 * Steps that change nothing leave no trace but in the ledger and the metadata, so parts in which the same steps changed
 * something are the same file, whatever idle steps were asked for beside them.
 */
export class RecipeParts<Handle> {
  readonly all: BuiltPart<Handle>[] = [];
  readonly #indexOf = new Map<string, number>();
  readonly #recipe: Recipe;
  readonly #host: Pick<StudyHost<Handle>, 'build'>;
  readonly #job: JobContext;

  constructor(recipe: Recipe, host: Pick<StudyHost<Handle>, 'build'>, job: JobContext) {
    this.#recipe = recipe;
    this.#host = host;
    this.#job = job;
  }

  /** @param steps some of the recipe's, in any order @returns the part's index in `all`; a failed build is one too */
  async of(steps: readonly RecipeStep[]): Promise<number> {
    const chosen = new Set(steps.map(({ id }) => id));
    const inOrder = this.#recipe.steps.filter(({ id }) => chosen.has(id));
    const asked = keyOf(inOrder.map(({ id }) => id));
    const known = this.#indexOf.get(asked);
    if (known !== undefined) return known;
    const part = await this.#build(inOrder);
    const active = part.error ? asked : keyOf(part.ledger.filter(({ fired }) => fired > 0).map(({ step }) => step));
    const index = this.#indexOf.get(active) ?? this.all.push(part) - 1;
    this.#indexOf.set(active, index);
    this.#indexOf.set(asked, index);
    return index;
  }

  async #build(steps: readonly RecipeStep[]): Promise<BuiltPart<Handle>> {
    const recipe = { ...this.#recipe, steps: [...steps] };
    const job: JobContext = { ...this.#job, onProgress: () => {} };
    try {
      const built = await orCancelled(this.#job, this.#host.build(recipe, job));
      const { ledger } = built.facts;
      return { titles: ledger.filter(({ fired }) => fired > 0).map(({ title }) => title), ledger, built, error: null };
    } catch (error) {
      rethrowIfCancelled(error);
      return { titles: steps.map(({ id }) => id), ledger: [], built: null, error: toErrorRecord(error) };
    }
  }
}

const keyOf = (ids: readonly string[]): string => ids.join('\n');
