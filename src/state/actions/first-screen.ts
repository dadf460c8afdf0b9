/** What the first screen shows goes over the line before what stands behind it. */
import { requireSamples } from './samples.ts';

let shown: Promise<void> | null = null;

/** Resolves when the gallery is painted, or cannot be had. Whoever presses something before that does not wait. */
export function firstScreenShown(): Promise<void> {
  shown ??= requireSamples().then(nextPaint, () => undefined);
  return shown;
}

/** Hidden pages paint nothing. */
function nextPaint(): Promise<void> {
  return new Promise((go) => {
    if (document.hidden) go();
    else requestAnimationFrame(() => setTimeout(go));
  });
}
