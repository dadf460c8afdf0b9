import { closeModel } from '../../services/engine.ts';
import { rememberOpened } from '../../services/projects.ts';
import { studio } from '../store.ts';
import { cancelJob } from './jobs.ts';
import { leaveProject } from './keep.ts';

/** Back to the gallery. The project is stored and can be gone on with from there. */
export function goHome(): Promise<void> {
  cancelJob();
  const left = leaveProject();
  closeModel();
  studio.setState({ model: null, job: null, panel: null, openError: null });
  studio.getState().closeStudy();
  studio.getState().forgetResults();
  void rememberOpened(null).catch(() => {});
  return left;
}
