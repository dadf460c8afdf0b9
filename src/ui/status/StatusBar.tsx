import { CircleAlert } from 'lucide-react';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import type { Progress } from '../../core/base/progress.ts';
import { addSample, type RateSample, transferRate } from '../../core/hub/rate.ts';
import { cancelJob } from '../../state/actions/jobs.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { formatBytes, formatCount, formatElapsed } from '../format.ts';
import { CapabilityButton } from './CapabilityPanel.tsx';
import styles from './status.module.css';

const UpdateNotice = lazy(() => import('./UpdateNotice.tsx'));
const StorageNoticeButton = lazy(() => import('../projects/StorageNoticeButton.tsx'));

/** The bottom line: what runs, how far it is, and what this browser can do. */
export function StatusBar() {
  const job = useStudio((state) => state.job);
  const opening = useStudio((state) => state.opening);
  const runError = useStudio((state) => state.runError);
  const notice = useStudio((state) => state.storageNotice);
  const updateReady = useStudio((state) => state.updateReady);
  const active = job ?? opening;
  return (
    <footer className={styles.bar}>
      {active ? (
        <JobLine
          progress={active.progress}
          startedAt={active.startedAt}
          fallback={opening ? `Opening ${opening.name}` : 'Starting'}
        />
      ) : (
        <p className={styles.stage}>
          {runError ? (
            <>
              <CircleAlert size={14} aria-label="Error" style={{ verticalAlign: '-2px' }} /> {runError.message}{' '}
              <span className={styles.elapsed}>{runError.advice}</span>
            </>
          ) : (
            <button type="button" className={styles.promise} onClick={() => studio.getState().openPanel('about')}>
              Your model never leaves this device.
            </button>
          )}
        </p>
      )}
      {updateReady && !active && (
        <Suspense>
          <UpdateNotice />
        </Suspense>
      )}
      {notice && (
        <Suspense>
          <StorageNoticeButton notice={notice} />
        </Suspense>
      )}
      <CapabilityButton />
    </footer>
  );
}

interface JobLineProps {
  readonly progress: Progress | null;
  readonly startedAt: number;
  readonly fallback: string;
}

function JobLine({ progress, startedAt, fallback }: JobLineProps) {
  const elapsed = useElapsed(startedAt);
  const share = progressShare(progress);
  const stage = progress?.stage ?? fallback;
  const rate = useRate(progress);
  return (
    <div className={styles.job}>
      <span className={styles.stage} title={stage}>
        {stage} {progress && <span className={styles.elapsed}>{progressCount(progress)}</span>}
      </span>
      <div
        className={styles.track}
        role="progressbar"
        aria-label={stage}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(share === null ? {} : { 'aria-valuenow': Math.round(share * 100) })}
      >
        <div
          className={share === null ? `${styles.fill} ${styles.indeterminate}` : styles.fill}
          style={share === null ? undefined : { transform: `scaleX(${share})` }}
        />
      </div>
      <span className={styles.elapsed}>{formatElapsed(elapsed)}</span>
      {rate && <span className={`${styles.elapsed} ${styles.rate}`}>{rate}</span>}
      <Button onClick={cancelJob}>Cancel</Button>
    </div>
  );
}

export function progressShare(progress: Progress | null): number | null {
  if (!progress || progress.total === null || progress.total <= 0) return null;
  return Math.min(1, Math.max(0, progress.done / progress.total));
}

/** "120 of 200 samples", "3.1 MB of 10.8 MB". */
export function progressCount({ done, total, unit }: Progress): string {
  const format = unit === 'bytes' ? formatBytes : formatCount;
  const word = unit === 'bytes' ? '' : ` ${unit}`;
  if (total === null) return done > 0 ? `${format(done)}${word}` : '';
  return `${format(done)} of ${format(total)}${word}`;
}

/** "4.2 MB/s, 12 s left" of a download; null for everything else, and while it is not known. */
function useRate(progress: Progress | null): string | null {
  const samples = useRef<RateSample[]>([]);
  const isDownload = progress?.unit === 'bytes' && progress.stage.startsWith('downloading');
  const done = isDownload ? progress.done : null;
  useEffect(() => {
    samples.current = done === null ? [] : addSample(samples.current, { at: performance.now(), done });
  }, [done]);
  if (!isDownload) return null;
  const rate = transferRate(samples.current, progress.total);
  if (!rate) return null;
  const left = rate.secondsLeft === null ? '' : `, ${formatElapsed(rate.secondsLeft * 1000)} left`;
  return `${formatBytes(rate.bytesPerSecond)}/s${left}`;
}

function useElapsed(startedAt: number): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, now - startedAt);
}
