import { useEffect, useRef, useState } from 'react';
import { selectComparison } from '../../state/rows.ts';
import type { JobKind } from '../../state/run-slice.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { comparisonSummary } from '../charts/summaries.ts';
import { progressCount, progressShare } from './StatusBar.tsx';

const STARTED: Readonly<Record<JobKind, string>> = {
  run: 'Run started.',
  lens: 'Comparing the variant with the original, layer by layer.',
  sensitivity: 'Measuring what each layer loses in fewer bits.',
  search: 'Search for the best recipe started.',
  profile: 'Timing every node.',
  steps: 'Measuring what each step bought.',
  ceilings: 'Measuring what this device can do.',
};

/** Often enough to know that it goes on, seldom enough to be let finish speaking. */
const PROGRESS_INTERVAL_MS = 15_000;

/** Tells assistive technology when a job starts and ends, now and then how far it is, what waits, and keeps the tab's title. */
export default function JobAnnouncer() {
  const job = useStudio((state) => state.job);
  const opening = useStudio((state) => state.opening);
  const updateReady = useStudio((state) => state.updateReady);
  const modelName = useStudio((state) => state.model?.name ?? null);
  const [message, setMessage] = useState('');
  const kind = job?.kind ?? null;
  const lastKind = useRef<JobKind | null>(null);
  const running = job !== null;

  useEffect(() => {
    const state = studio.getState();
    if (kind !== null) setMessage(STARTED[kind]);
    else if (lastKind.current === 'run')
      setMessage(
        state.runError ? state.runError.message : `Run finished. ${comparisonSummary(selectComparison(state))}`,
      );
    else if (lastKind.current !== null) setMessage(state.said || 'Cancelled.');
    lastKind.current = kind;
  }, [kind]);

  useEffect(() => {
    if (updateReady) setMessage('A new version is ready. Reload is in the status line.');
  }, [updateReady]);

  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => {
      const progress = studio.getState().job?.progress;
      if (progress) setMessage(`${progress.stage}, ${progressCount(progress)}`);
    }, PROGRESS_INTERVAL_MS);
    return () => clearInterval(timer);
  }, [running]);

  const title = tabTitle(modelName, (job ?? opening)?.progress ?? null, running || opening !== null);
  useTabTitle(title);

  return (
    <output className="visually-hidden" aria-live="polite">
      {message}
    </output>
  );
}

const TITLE_INTERVAL_MS = 1000;

/** Each new title goes through the browser's own process, which can take longer than drawing the page. */
function useTabTitle(title: string): void {
  const setAt = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const set = () => {
      setAt.current = performance.now();
      if (document.title !== title) document.title = title;
    };
    const timer = setTimeout(set, Math.max(0, setAt.current + TITLE_INTERVAL_MS - performance.now()));
    return () => clearTimeout(timer);
  }, [title]);
}

export function tabTitle(
  modelName: string | null,
  progress: Parameters<typeof progressShare>[0],
  busy: boolean,
): string {
  const base = modelName ? `${modelName} · Whittle` : 'Whittle';
  if (!busy) return base;
  const share = progressShare(progress);
  return share === null ? `⏳ ${base}` : `⏳ ${Math.round(share * 100)} % · ${base}`;
}
