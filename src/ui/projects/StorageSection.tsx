import { useEffect, useState } from 'react';
import { askPersistence, type StorageUse, storageUse } from '../../services/projects.ts';
import { clearEverything } from '../../state/actions/projects.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { ErrorNote, Note } from '../components/Note.tsx';
import { formatBytes, formatPercent, plural } from '../format.ts';
import styles from './projects.module.css';

/** What all of it takes of what the browser gives, whether it will stay, and the end of it. */
export function StorageSection({ count }: { readonly count: number }) {
  const projects = useStudio((state) => state.projects);
  const notice = useStudio((state) => state.storageNotice);
  const [use, setUse] = useState<StorageUse | null>(null);
  const [refused, setRefused] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again whenever the list has changed
  useEffect(() => {
    void storageUse().then(setUse);
  }, [projects]);
  const persist = async () => {
    setRefused(!(await askPersistence()));
    setUse(await storageUse());
  };
  return (
    <section className={styles.storage} aria-label="Storage">
      <h3>Storage</h3>
      {notice && <ErrorNote error={{ message: notice.text, advice: notice.advice }} />}
      {use ? (
        <>
          <p>
            {formatBytes(use.usedBytes)} used of {formatBytes(use.quotaBytes)} that this browser gives
            {use.quotaBytes > 0 && ` (${formatPercent(use.usedBytes / use.quotaBytes, 1)})`}: models, results, downloads
            of samples and from the hub.
          </p>
          <meter
            className={styles.meter}
            min={0}
            max={use.quotaBytes}
            value={use.usedBytes}
            aria-label="Share of storage used"
          />
          <div className={styles.persistence} aria-live="polite">
            {use.persisted ? (
              <p>The browser has promised to keep it until you delete it.</p>
            ) : (
              <>
                <p>
                  {refused
                    ? 'The browser did not promise to keep it: on a full disk it may delete all of it. Export what matters.'
                    : 'On a full disk the browser may delete all of it.'}
                </p>
                <Button onClick={() => void persist()}>{refused ? 'Ask again' : 'Ask the browser to keep it'}</Button>
              </>
            )}
          </div>
        </>
      ) : (
        <p className={controls.hint}>This browser does not say how much storage is used.</p>
      )}
      <ClearEverything count={count} />
    </section>
  );
}

function ClearEverything({ count }: { readonly count: number }) {
  const [asking, setAsking] = useState(false);
  if (!asking)
    return (
      <div>
        <Button className={styles.danger} onClick={() => setAsking(true)}>
          Clear everything …
        </Button>
      </div>
    );
  return (
    <Note
      level="warning"
      advice="There is no undo. Export what matters first."
      action={
        <div className={styles.buttons}>
          <Button
            className={styles.danger}
            onClick={() => {
              setAsking(false);
              void clearEverything();
            }}
          >
            Yes, delete {plural(count, 'project')}
          </Button>
          <Button onClick={() => setAsking(false)}>Keep</Button>
        </div>
      }
    >
      This deletes every project with its model, settings and results, all kept measurements and downloads from the hub.
    </Note>
  );
}
