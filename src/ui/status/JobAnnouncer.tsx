import { useEffect, useRef, useState } from 'react';
import { selectComparison } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { comparisonSummary } from '../charts/summaries.ts';
import { progressShare } from './StatusBar.tsx';

/** Tells assistive technology when a job starts and ends (not every percent of it), and keeps the tab's title. */
export default function JobAnnouncer() {
  const job = useStudio((state) => state.job);
  const opening = useStudio((state) => state.opening);
  const modelName = useStudio((state) => state.model?.name ?? null);
  const [message, setMessage] = useState('');
  const wasRunning = useRef(false);
  const running = job !== null;

  useEffect(() => {
    if (running) setMessage('Run started.');
    else if (wasRunning.current) {
      const state = studio.getState();
      setMessage(
        state.runError ? state.runError.message : `Run finished. ${comparisonSummary(selectComparison(state))}`,
      );
    }
    wasRunning.current = running;
  }, [running]);

  useEffect(() => {
    document.title = tabTitle(modelName, (job ?? opening)?.progress ?? null, running || opening !== null);
  }, [job, opening, running, modelName]);

  return (
    <output className="visually-hidden" aria-live="polite">
      {message}
    </output>
  );
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
