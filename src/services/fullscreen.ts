/** The whole screen, where the browser gives it: phones and frames often do not, and nothing may depend on it. */

export const canFullscreen = (): boolean => typeof document !== 'undefined' && document.fullscreenEnabled === true;

export const isFullscreen = (): boolean => document.fullscreenElement !== null;

/** @returns false where it is denied */
export async function enterFullscreen(): Promise<boolean> {
  if (!canFullscreen()) return false;
  try {
    await document.documentElement.requestFullscreen();
    return true;
  } catch {
    return false;
  }
}

export async function leaveFullscreen(): Promise<void> {
  // It may have ended meanwhile: leaving twice is an error in browsers.
  if (isFullscreen()) await document.exitFullscreen().catch(() => {});
}

/** @returns a function that stops listening */
export function onFullscreenChange(listener: () => void): () => void {
  document.addEventListener('fullscreenchange', listener);
  return () => document.removeEventListener('fullscreenchange', listener);
}
