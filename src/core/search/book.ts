/** The report of a search while it grows, and the measurements it can be resumed from. */

import type { MetricDefinition } from '../eval/types.ts';
import type { SensitivityResult } from '../precision/results.ts';
import type { Recipe } from '../recipe/schema.ts';
import { REPORT_VERSION, type Report, type TargetMeasurement, type VariantResult } from '../study/results.ts';
import type { SearchRequest } from './request.ts';
import { SEARCH_STATE_VERSION, type SearchPoint, type SearchState, type SearchUpdate, type Tried } from './results.ts';
import { recipeId, untried } from './trial.ts';

/** One recipe of the search. */
export interface Entry {
  readonly recipe: Recipe;
  readonly point: SearchPoint;
  readonly record: Tried;
  readonly measurement: TargetMeasurement | null;
}

export class SearchBook<Handle> {
  readonly #request: SearchRequest<Handle>;
  readonly #key: string;
  readonly #createdAt: string;
  readonly #entries: Entry[] = [];
  readonly #known: ReadonlyMap<string, Tried>;
  readonly #sensitivities = new Map<string, SensitivityResult>();
  #task: Report['task'];
  #evaluations = 0;

  constructor(request: SearchRequest<Handle>, key: string) {
    this.#request = request;
    this.#key = key;
    this.#createdAt = request.host.wallClock();
    this.#task = { ref: request.task, title: '', metrics: [], samples: 0 };
    const state = request.state?.key === key ? request.state : undefined;
    this.#known = new Map(state?.tried.map((tried) => [tried.id, tried]));
    for (const known of state?.sensitivities ?? []) this.#sensitivities.set(known.candidates.join(), known);
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get evaluations(): number {
    return this.#evaluations;
  }

  setTask(title: string, metrics: readonly MetricDefinition[], samples: number): void {
    this.#task = { ...this.#task, title, metrics: [...metrics], samples };
    this.publish();
  }

  find(recipe: Recipe): number {
    const id = recipeId(recipe);
    return this.#entries.findIndex(({ point }) => point.id === id);
  }

  /** @returns where it stands from now on */
  add(recipe: Recipe, origin: SearchPoint['origin'], predictedLoss: number | null): number {
    const id = recipeId(recipe);
    const known = this.#known.get(id);
    const status = origin === 'original' ? 'original' : 'open';
    this.#entries.push({
      recipe,
      point: { id, origin, status, reason: '', samples: 0, predictedLoss },
      // An error may have been the machine's: it is tried again.
      record: known ? { ...known, recipe, error: null } : untried(recipe),
      measurement: null,
    });
    this.publish();
    return this.#entries.length - 1;
  }

  update(
    index: number,
    change: { point?: Partial<SearchPoint>; record?: Tried; measurement?: TargetMeasurement },
  ): void {
    const entry = this.#entries[index]!;
    this.#entries[index] = {
      ...entry,
      point: { ...entry.point, ...change.point },
      record: change.record ?? entry.record,
      measurement: change.measurement ?? entry.measurement,
    };
    this.publish();
  }

  countEvaluation(): void {
    this.#evaluations += 1;
  }

  sensitivity(candidates: readonly string[]): SensitivityResult | undefined {
    return this.#sensitivities.get(['keep', ...candidates].join());
  }

  keepSensitivity(partial: SensitivityResult, candidates: readonly string[]): void {
    this.#sensitivities.set(['keep', ...candidates].join(), partial);
    this.publish();
  }

  report(): Report {
    const { environment, model, gate } = this.#request;
    return {
      format: 'whittle-report',
      version: REPORT_VERSION,
      createdAt: this.#createdAt,
      environment,
      model,
      task: this.#task,
      gate,
      variants: this.#entries.map(
        ({ recipe, record, measurement }): VariantResult => ({
          recipe,
          facts: record.facts,
          error: record.error,
          measurements: measurement ? [measurement] : [],
        }),
      ),
    };
  }

  state(): SearchState {
    const now = new Map(this.#entries.map(({ record }) => [record.id, record]));
    return {
      format: 'whittle-search-state',
      version: SEARCH_STATE_VERSION,
      key: this.#key,
      // What an earlier run measured and this one has not come to yet stays.
      tried: [...new Map([...this.#known, ...now]).values()],
      sensitivities: [...this.#sensitivities.values()],
    };
  }

  publish(): void {
    const { onUpdate, budget } = this.#request;
    if (!onUpdate) return;
    const update: SearchUpdate = {
      report: this.report(),
      points: this.#entries.map(({ point }) => point),
      evaluations: this.#evaluations,
      budget,
      state: this.state(),
    };
    onUpdate(update);
  }
}
