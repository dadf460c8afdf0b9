/** What each step of a variant's recipe bought: long work like a profile. */
import type { Target } from '../../core/study/schema.ts';
import { measureSteps } from '../../core/study/step-latency.ts';
import { studyHost } from '../../services/engine.ts';
import { taskDims } from '../card-facts.ts';
import { profileKey, stepSlot } from '../profile-slice.ts';
import { studio } from '../store.ts';
import { longJob } from './analysis.ts';

export function runStepLatency(variantId: string, target: Target): Promise<void> {
  studio.setState({ stepError: null });
  return longJob({
    kind: 'steps',
    work: async ({ opened, model, draft, prepareTask, job }) => {
      const { study, ids } = draft;
      const recipe = study.variants[ids.indexOf(variantId)]!;
      const sample = studio.getState().samples?.find(({ id }) => id === model.sampleId);
      const host = studyHost(opened, { dims: taskDims(model.card, study.task, sample), task: prepareTask });
      const result = await measureSteps({ host, recipe, target, plan: study.plan, job });
      return { key: profileKey(recipe, study.task), result };
    },
    finish: (entry) => {
      const slot = stepSlot(variantId, target);
      studio.setState(({ stepLatencies }) => ({ stepLatencies: { ...stepLatencies, [slot]: entry } }));
      return `Measured ${entry.result.files.length} files for ${entry.result.steps.length} steps.`;
    },
    fail: (stepError) => studio.setState({ stepError }),
  });
}
