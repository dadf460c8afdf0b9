/** Small actions of the start page and of the keyboard. */

import { closeModel } from '../../services/engine.ts';
import { browseFiles, browseFolder } from '../../services/files.ts';
import { studio } from '../store.ts';
import { cancelJob } from './jobs.ts';
import { openFiles } from './open.ts';
import { forgetSession } from './session.ts';
import { reportProblem } from './variants.ts';

export async function chooseFiles(): Promise<void> {
  try {
    const files = await browseFiles();
    if (files) await openFiles(files);
  } catch (error) {
    reportProblem(error);
  }
}

export async function chooseFolder(): Promise<void> {
  try {
    const files = await browseFolder();
    if (files) await openFiles(files);
  } catch (error) {
    reportProblem(error);
  }
}

/** Back to the gallery. The model and its study are put away; the results cache is kept. */
export function goHome(): void {
  cancelJob();
  closeModel();
  studio.getState().closeStudy();
  studio.getState().forgetResults();
  studio.setState({ model: null, job: null, panel: null, openError: null });
  void forgetSession();
}
