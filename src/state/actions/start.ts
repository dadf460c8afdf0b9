/** Dialogs of the start page and of the keyboard. They must open in the press itself, so this part is never fetched late. */
import { browseFiles, browseFolder } from '../../services/files.ts';
import { openFiles, reportProblem } from './lazy.ts';

export async function chooseFiles(): Promise<void> {
  try {
    const files = await browseFiles();
    if (files) await openFiles(files);
  } catch (error) {
    await reportProblem(error);
  }
}

export async function chooseFolder(): Promise<void> {
  try {
    const files = await browseFolder();
    if (files) await openFiles(files);
  } catch (error) {
    await reportProblem(error);
  }
}
