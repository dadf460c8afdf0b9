/** Links out: what they hold is chosen in the Share dialog, or is everything there is (Ctrl+Shift+L). */
import { StudioError } from '../../core/base/errors/index.ts';
import { figuresOfReport } from '../../core/study/figures.ts';
import type { SharedFigures } from '../../core/study/shared-figures.ts';
import { copyText, linkTo } from '../../services/links.ts';
import { notify } from '../notices.ts';
import { currentReport } from '../report.ts';
import { type StudioState, studio } from '../store.ts';
import { reportProblem } from './variants.ts';

/** What was measured here of the present settings. @returns null when nothing was */
export function ownFigures(state: StudioState): SharedFigures | null {
  const report = currentReport(state);
  return report && state.history ? figuresOfReport(report, state.history.present.study.targets) : null;
}

/** @returns null while no model is open */
export function shareLink(state: StudioState, withFigures: boolean): string | null {
  return state.history ? linkTo(state.history.present.study, withFigures ? ownFigures(state) : null) : null;
}

/** A link with recipes, targets, task, gate, view and figures, at once. A model from a file is only named in it. */
export async function copyLink(withFigures = true): Promise<void> {
  const state = studio.getState();
  const link = shareLink(state, withFigures);
  if (link === null || !state.history) return;
  const { model } = state.history.present.study;
  try {
    await copyText(link);
  } catch (error) {
    const message = 'the browser did not give access to the clipboard';
    reportProblem(new StudioError('internal/unexpected', { message }, error));
    return;
  }
  const figures = withFigures && ownFigures(state) ? ', and your figures' : '';
  notify({
    level: 'success',
    text: `Link copied. It holds the recipes, targets, task, gate and view${figures}.`,
    ...(model.kind === 'file' ? { advice: `The model is not in it: whoever opens it needs ${model.name} too.` } : {}),
  });
}
