/** Showing the results to a room. */
import { enterFullscreen } from '../services/fullscreen.ts';
import { studyKeys } from './measured.ts';
import { type StudioState, studio } from './store.ts';

/** @returns why there is nothing to present, as a sentence; null when there is */
export function presentProblem({ model, history, measured }: StudioState): string | null {
  if (!model || !history) return 'Open a model first.';
  const hasFigures = studyKeys(history.present).some(({ key }) =>
    Object.values(measured[key]?.byTarget ?? {}).some(({ latency, evaluation }) => latency ?? evaluation),
  );
  return hasFigures ? null : 'Nothing is measured yet: run first, then present.';
}

/** Must be called by a key press or a click: browsers give the whole screen to nobody else. */
export function openPresentation(): void {
  const state = studio.getState();
  if (presentProblem(state) !== null) return;
  void enterFullscreen();
  state.openPanel('present');
}
