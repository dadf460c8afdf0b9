/** Files that the system hands to the installed app, and links that it opens in it. */
import type { PickedFile } from './files.ts';

interface LaunchParams {
  readonly files?: readonly FileSystemFileHandle[];
  readonly targetURL?: string;
}

interface LaunchQueue {
  setConsumer(consumer: (params: LaunchParams) => void): void;
}

/** Read before the page takes its link out of the address. */
const startedAt = location.href;

/**
 * What was launched before the call is told too.
 * @param onFiles gets what was opened with the app, as if it had been dropped
 * @param onError gets what a file that cannot be read throws
 */
export function receiveLaunches(
  onFiles: (files: readonly PickedFile[]) => void,
  onError: (error: unknown) => void,
): void {
  const { launchQueue } = globalThis as { launchQueue?: LaunchQueue };
  let isFirst = true;
  launchQueue?.setConsumer(({ files = [], targetURL }) => {
    const isOwnStart = isFirst && targetURL === startedAt;
    isFirst = false;
    if (files.length > 0)
      Promise.all(files.map(async (handle) => await handle.getFile()))
        .then((opened) => onFiles(opened.map((file) => ({ path: file.name, file }))))
        .catch(onError);
    // A link opened while the app is open already; its own start has read it from the address.
    else if (targetURL && !isOwnStart && new URL(targetURL).hash !== '') location.hash = new URL(targetURL).hash;
  });
}
