import { Copy } from 'lucide-react';
import { lazy, Suspense, useId, useMemo, useState } from 'react';
import type { ModelRef } from '../../core/study/schema.ts';
import { copyLink, ownFigures, shareLink } from '../../state/actions/share.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import { formatBytes, formatCount, plural } from '../format.ts';
import { formatDay } from './day.ts';
import styles from './share.module.css';

const QrCode = lazy(() => import('./QrCode.tsx'));

/** The link: what is in it, how long it is, and the same as a QR code. */
export default function ShareDialog() {
  return (
    <Modal open onClose={() => studio.getState().openPanel(null)} title="Share" wide>
      <Share />
    </Modal>
  );
}

function Share() {
  const [wanted, want] = useState(true);
  const history = useStudio((state) => state.history);
  const measured = useStudio((state) => state.measured);
  const model = useStudio((state) => state.model);
  // biome-ignore lint/correctness/useExhaustiveDependencies: figures follow from the study and from what is measured
  const figures = useMemo(() => ownFigures(studio.getState()), [history, measured]);
  const withFigures = wanted && figures !== null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above
  const link = useMemo(() => shareLink(studio.getState(), withFigures), [history, measured, withFigures]);
  const linkId = useId();
  const hintId = useId();
  if (!link || !model) return null;
  const count = figures?.variants.filter((variant) => variant !== null).length ?? 0;
  return (
    <div className={styles.layout}>
      <div className={styles.column}>
        <p>
          Whoever opens this link gets the same variants, targets, task, gate and view, in their own browser. Everything
          is in the address itself, after the #, which browsers do not send to any server.
        </p>
        <ModelNote reference={model.ref} bytes={model.fileBytes} />
        <div>
          <label className={controls.check}>
            <input
              type="checkbox"
              checked={withFigures}
              disabled={figures === null}
              aria-describedby={hintId}
              onChange={(event) => want(event.target.checked)}
            />
            With my figures
          </label>
          <p className={controls.hint} id={hintId}>
            {figures
              ? `${plural(count, 'variant')} measured on ${figures.device} (${formatDay(figures.measuredOn)}). The receiver sees them as yours, beside their own.`
              : 'Nothing is measured with the present settings. Run first, and your figures can go along.'}
          </p>
        </div>
        <div className={controls.field}>
          <label className={controls.label} htmlFor={linkId}>
            Link, {formatCount(link.length)} characters
          </label>
          <textarea
            id={linkId}
            className={`${controls.textarea} ${styles.link}`}
            readOnly
            value={link}
            spellCheck={false}
            onFocus={(event) => event.currentTarget.select()}
          />
        </div>
        <div>
          <Button look="primary" onClick={() => void copyLink(withFigures)}>
            <Copy size={15} aria-hidden /> Copy
          </Button>
        </div>
      </div>
      <div className={styles.column}>
        <Suspense fallback={<p className={controls.hint}>Drawing …</p>}>
          <QrCode text={link} canShorten={withFigures} />
        </Suspense>
      </div>
    </div>
  );
}

function ModelNote({ reference, bytes }: { readonly reference: ModelRef; readonly bytes: number }) {
  if (reference.kind === 'sample') return <p>The model is a sample, so it comes with the page.</p>;
  if (reference.kind === 'file')
    return (
      <p>
        <strong>The model is not in it.</strong> The receiver is asked for {reference.name} ({formatBytes(bytes)}), and
        told if theirs is another file.
      </p>
    );
  return (
    <p>
      <strong>The model is not in it,</strong> only where it is. The receiver fetches it from there.
    </p>
  );
}
