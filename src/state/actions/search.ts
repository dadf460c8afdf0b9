/** Find the best: a search over recipes under the gate, in the place of a run. */
import type { Objective } from '../../core/search/results.ts';
import type { Gate } from '../../core/study/schema.ts';
import { forgetSearch, runSearch } from '../../services/search.ts';
import { taskDims } from '../card-facts.ts';
import { studio } from '../store.ts';
import { longJob } from './analysis.ts';
import { environment, reportedModel } from './run.ts';

export interface SearchWish {
  readonly gate: Gate;
  readonly objective: Objective;
  /** How many recipes may be evaluated. */
  readonly budget: number;
  /** Measures everything anew. */
  readonly fresh: boolean;
}

/** Goes on from what an earlier search of this model has measured; everything it learns is written down as it comes. */
export function findBest({ gate, objective, budget, fresh }: SearchWish): Promise<void> {
  studio.setState({ searchError: null });
  return longJob({
    kind: 'search',
    work: async ({ opened, model, draft, prepareTask, job, isCurrent }) => {
      const { study } = draft;
      const setup = { gate, objective, budget, task: study.task };
      studio.setState({ search: { setup, update: null, result: null } });
      if (fresh) await forgetSearch(opened.identity.key);
      const sample = studio.getState().samples?.find(({ id }) => id === model.sampleId);
      return runSearch(
        opened,
        {
          environment: environment(),
          model: reportedModel(model),
          task: study.task,
          gate,
          objective,
          budget,
          target: study.targets[0]!,
          dims: taskDims(model.card, study.task, sample),
          prepareTask,
          onUpdate: (update) => {
            if (isCurrent()) studio.setState({ search: { setup, update, result: null } });
          },
        },
        job,
      );
    },
    finish: (result) => {
      studio.setState(({ search }) => ({ search: search && { ...search, result } }));
      return result.reason;
    },
    fail: (searchError) => studio.setState({ searchError }),
  });
}
