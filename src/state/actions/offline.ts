/** The app without a network, and new versions of it. */

import { ortFile } from '../../runtime/ort-files.ts';
import { holdBuild, startOffline, takeUpdate } from '../../services/offline.ts';
import { samplesBase, taskDataPath } from '../../services/samples.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';
import { flushProject, hasUnsavedChanges } from './keep.ts';

/**
 * Begins when the page has nothing else to do: keeping the app for later must not delay it now.
 * @param mainScript absolute address of the page's main script
 */
export async function startOfflineUse(mainScript: string): Promise<void> {
  // In development there is no service worker, and nothing would be more confusing than an old one.
  if (!import.meta.env.PROD) return;
  holdBuild(mainScript);
  if (document.readyState !== 'complete')
    await new Promise((loaded) => addEventListener('load', loaded, { once: true }));
  await new Promise<void>((idle) =>
    'requestIdleCallback' in globalThis ? requestIdleCallback(() => idle(), { timeout: 5000 }) : setTimeout(idle, 1000),
  );
  await startOffline({
    onUpdate: () => studio.setState({ updateReady: true }),
    onFirstControl: loadedSoFar,
    isUntouched: () => {
      const { model, opening, pendingStudy, panel } = studio.getState();
      return !model && !opening && !pendingStudy && !panel && navigator.userActivation?.hasBeenActive === false;
    },
  });
}

/** What workers may have loaded already; too much does no harm. WebAssembly is not asked for, but given (runtime-files.ts). */
function loadedSoFar(): string[] {
  const { model, opening, samples, history } = studio.getState();
  if (!model && !opening) return [];
  const seen = new Set(performance.getEntriesByType('resource').map(({ name }) => name));
  const opened = (samples ?? []).filter(
    (sample) => sample.id === model?.sampleId || seen.has(new URL(sample.model, samplesBase()).href),
  );
  const onGpu = history?.present.study.targets.some(({ provider }) => provider !== 'wasm');
  return [`${ortFile('wasm')}.mjs`, ...(onGpu ? [`${ortFile('webgpu')}.mjs`] : []), ...opened.map(taskDataPath)];
}

/** Shows the new version; what cannot be written down first is asked about. */
export async function reloadForUpdate(): Promise<void> {
  await flushProject();
  const { storageNotice } = studio.getState();
  if (!hasUnsavedChanges() && !storageNotice) return takeUpdate();
  notify({
    level: 'info',
    text: 'Not reloaded: what is open is not all kept.',
    advice: storageNotice?.text ?? 'The last changes could not be written down.',
    action: { label: 'Reload anyway', run: () => void takeUpdate() },
  });
}
