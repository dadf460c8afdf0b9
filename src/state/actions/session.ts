/** What the page starts with: a link, else the project that was open, else the gallery. */
import { toErrorRecord } from '../../core/base/errors/index.ts';
import { clearLink, readLink } from '../../services/links.ts';
import { projectsInUse } from '../../services/project-lock.ts';
import { adoptLegacySession, projectToRestore, purgeProjects } from '../../services/projects.ts';
import { storageNotice } from '../../services/storage.ts';
import { studio } from '../store.ts';
import { refreshProjects } from './keep.ts';
import { openStudy } from './open.ts';
import { openProject } from './projects.ts';
import { raiseTrouble } from './troubles.ts';
import { reportProblem } from './variants.ts';

/** A link wins over the last project; else that is opened, unless another tab has it. */
export async function startSession(): Promise<void> {
  // A link that is pasted over the address of the open page changes only the hash.
  addEventListener('hashchange', () => void openLink());
  await adoptLegacySession().catch(reportProblem);
  await refreshProjects();
  const reason = storageNotice();
  if (reason)
    raiseTrouble(
      {
        kind: 'unavailable',
        text: `Local storage is not available (${reason}). Nothing survives a reload.`,
        advice: 'Private windows often forbid it. Export a project to keep it.',
      },
      true,
    );
  if (!(await openLink())) await restoreProject();
  // What was deleted in an earlier visit, and models that nobody refers to any more.
  void purgeProjects().catch(() => {});
}

/** @returns true when the address carried a study */
async function openLink(): Promise<boolean> {
  const link = readLink();
  if (!link) return false;
  clearLink();
  if (link.ok) {
    const { study, figures, figuresError } = link.value;
    if (figuresError) reportProblem(figuresError);
    await openStudy(study, figures).catch(reportProblem);
  } else reportProblem(link.error);
  return link.ok;
}

async function restoreProject(): Promise<void> {
  const last = await projectToRestore();
  if (!last || !studio.getState().projects.some(({ id }) => id === last.id)) return;
  // A second tab does not begin with what the first is at; it is one click away.
  if (!last.ofThisTab && (await projectsInUse()).has(last.id)) return;
  try {
    await openProject(last.id);
  } catch (error) {
    studio.setState({ openError: toErrorRecord(error) });
  }
}
