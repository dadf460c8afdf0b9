import { Play, X } from 'lucide-react';
import { describeDevice } from '../../core/study/device.ts';
import { environment, runNeeded } from '../../state/actions/run.ts';
import { dismissSender } from '../../state/actions/sender.ts';
import { selectNeedsRun } from '../../state/rows.ts';
import { selectSender } from '../../state/sender.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { formatDay } from './day.ts';
import styles from './share.module.css';

/** Over the cards, while there are figures of a sender's: whose device is whose, and what to do. */
export function SenderBar() {
  const view = useStudio(selectSender);
  const needed = useStudio(selectNeedsRun);
  const busy = useStudio((state) => state.job !== null || state.opening !== null);
  // Known a moment after the page; the adapter is part of the description.
  const capabilities = useStudio((state) => state.capabilities);
  if (!view) return null;
  const shown = Object.keys(view.rows).length > 0;
  return (
    <section className={styles.bar} aria-label="Sender’s figures">
      <div className={styles.barText}>
        <dl>
          <dt>Sender’s</dt>
          <dd>
            {view.device}; {view.runtime}; {formatDay(view.measuredOn)}
            {!shown && '. No variant has the settings that were measured there any more.'}
          </dd>
          <dt>Here</dt>
          <dd>
            {capabilities ? describeDevice(environment()) : 'this device'}
            {needed && shown && '; not measured yet'}
          </dd>
        </dl>
      </div>
      <div className={styles.barActions}>
        {needed && shown && (
          <Button look="primary" disabled={busy} onClick={() => void runNeeded()}>
            <Play size={15} aria-hidden /> Measure here
          </Button>
        )}
        <Button onClick={dismissSender}>
          <X size={15} aria-hidden /> Dismiss
        </Button>
      </div>
    </section>
  );
}
