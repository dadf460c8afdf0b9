/** Profiles and the device's ceilings: long work like a run, and never beside one, since nothing else may compute. */
import type { Ceilings } from '../../core/profile/ceilings.ts';
import { type ProfileLevel, runProfile as profileVariants } from '../../core/study/profile-run.ts';
import type { Target } from '../../core/study/schema.ts';
import { keepCeilings, keptCeilings, measureDevice } from '../../services/ceilings.ts';
import { studyHost } from '../../services/engine.ts';
import { taskDims } from '../card-facts.ts';
import { targetKey } from '../measured.ts';
import { profileKey, profileSlot } from '../profile-slice.ts';
import { latencyShares, nodeProviders } from '../profile-values.ts';
import { studio } from '../store.ts';
import { longJob } from './analysis.ts';

/** Profiles the original and, beside it, the variant. */
export function runProfile(variantId: string, target: Target, level: ProfileLevel): Promise<void> {
  studio.setState({ profileError: null });
  return longJob({
    kind: 'profile',
    work: async ({ opened, model, draft, prepareTask, job }) => {
      const { study, ids } = draft;
      const index = ids.indexOf(variantId);
      const recipes = index > 0 ? [study.variants[0]!, study.variants[index]!] : [study.variants[0]!];
      const sample = studio.getState().samples?.find(({ id }) => id === model.sampleId);
      const host = studyHost(opened, { dims: taskDims(model.card, study.task, sample), task: prepareTask });
      const run = await profileVariants({ host, recipes, target, level, plan: study.plan, job });
      return { keys: recipes.map((recipe) => profileKey(recipe, study.task)), run };
    },
    finish: (entry) => {
      const slot = profileSlot(variantId, target, level);
      studio.setState(({ profiles }) => ({ profiles: { ...profiles, [slot]: entry } }));
      const nodes = entry.run.outcomes.reduce((sum, { value }) => sum + (value?.profile.nodes.length ?? 0), 0);
      return `Profiled ${nodes} nodes.`;
    },
    fail: (profileError) => studio.setState({ profileError }),
  });
}

const PROFILE_FIGURES: ReadonlySet<string> = new Set(['latency', 'provider']);

/** Gives the graph what profiles say of each variant's nodes, and takes back what no longer holds. */
export function offerProfiles(): void {
  const state = studio.getState();
  for (const id of state.history?.present.ids ?? []) {
    const figures = [latencyShares(state, id), nodeProviders(state, id)].filter((one) => one !== null);
    if (figures.length > 0) state.offerFigures(id, figures);
    else if (state.nodeFigures[id]?.some((one) => PROFILE_FIGURES.has(one.id)))
      studio.setState(({ nodeFigures }) => ({
        nodeFigures: { ...nodeFigures, [id]: nodeFigures[id]!.filter((one) => !PROFILE_FIGURES.has(one.id)) },
      }));
  }
}

/** Keeps what the graph is offered in step with profiles and edits of recipes. */
export function followProfiles(): () => void {
  return studio.subscribe((state, before) => {
    if (state.profiles === before.profiles && state.history === before.history) return;
    if (Object.keys(state.profiles).length > 0) offerProfiles();
  });
}

/** Measures what this device can do on a target, and keeps it for later visits. */
export function runCeilings(target: Target): Promise<void> {
  studio.setState({ ceilingsError: null });
  return longJob({
    kind: 'ceilings',
    work: ({ job }) => measureDevice(target, job),
    finish: (ceilings) => {
      showCeilings(target, ceilings);
      void keepCeilings(targetKey(target), ceilings);
      return 'Measured what this device can do.';
    },
    fail: (ceilingsError) => studio.setState({ ceilingsError }),
  });
}

/** Takes up what an earlier visit measured. */
export async function recallCeilings(target: Target): Promise<void> {
  if (studio.getState().ceilings[targetKey(target)]) return;
  const kept = await keptCeilings(targetKey(target));
  if (kept && !studio.getState().ceilings[targetKey(target)]) showCeilings(target, kept);
}

function showCeilings(target: Target, measured: Ceilings): void {
  studio.setState(({ ceilings }) => ({ ceilings: { ...ceilings, [targetKey(target)]: measured } }));
}
