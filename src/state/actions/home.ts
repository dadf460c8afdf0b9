import { closeModel } from '../../services/engine.ts';
import { studio } from '../store.ts';
import { cancelJob } from './jobs.ts';
import { forgetSession } from './session.ts';

/** Back to the gallery. The model and its study are put away; the results cache is kept. */
export function goHome(): void {
  cancelJob();
  closeModel();
  studio.getState().closeStudy();
  studio.getState().forgetResults();
  studio.setState({ model: null, job: null, panel: null, openError: null });
  void forgetSession();
}
