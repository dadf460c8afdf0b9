import { type CSSProperties, type RefObject, useMemo } from 'react';
import { adviceWords, type Decision, gateAllowance, memoryWords, type questions } from '../../core/report/decision.ts';
import type { Report } from '../../core/study/results.ts';
import { verdictIcon } from '../variants/VerdictBadge.tsx';
import styles from './present.module.css';
import { SlidePicture } from './SlidePicture.tsx';
import { pictureOf } from './slide-data.ts';

interface SlideProps {
  readonly question: (typeof questions)[number];
  readonly report: Report;
  readonly decision: Decision;
  readonly all: readonly Decision[];
  readonly focusRef: RefObject<HTMLDivElement | null>;
}

/** One question, its answer in large, the figures behind it. */
export function Slide({ question: { id, question }, report, decision, all, focusRef }: SlideProps) {
  const { headline, detail } = decision[id];
  const picture = useMemo(() => pictureOf(id, report, decision, all), [id, report, decision, all]);
  const Icon = id === 'ship' ? verdictIcon(decision.ship.verdict) : null;
  return (
    <div className={styles.slide} ref={focusRef} tabIndex={-1} data-question={id}>
      <div className={styles.inner}>
        <div aria-live="polite" aria-atomic="true" className={styles.words}>
          <h2 className={styles.question}>
            {question} <span className={styles.about}>{decision.row.variant}</span>
          </h2>
          <p
            className={styles.headline}
            data-verdict={id === 'ship' ? decision.ship.verdict : undefined}
            style={{ '--chars': headline.length + (Icon ? 2 : 0) } as CSSProperties}
          >
            {Icon && <Icon aria-hidden strokeWidth={2.2} />}
            {capitalized(headline)}
          </p>
          <p className={styles.detail}>{detail}</p>
          {id === 'smaller' && <Further text={memoryWords(decision.row, decision.original)} />}
          {id === 'ship' && <ShipWords report={report} decision={decision} all={all} />}
        </div>
        {picture && (
          <figure className={styles.figure}>
            {/* Another question is another quantity: nothing moves from one to the other. */}
            <SlidePicture key={id} picture={picture} />
            <figcaption className={styles.caption}>{picture.caption}</figcaption>
          </figure>
        )}
      </div>
    </div>
  );
}

function Further({ text }: { readonly text: string | null }) {
  return text ? <p className={styles.detail}>{text}</p> : null;
}

const MOST_NOTES = 2;

/** The rule, what follows from it, and what must not be left unsaid. */
function ShipWords({ report, decision, all }: Pick<SlideProps, 'report' | 'decision' | 'all'>) {
  const { notes } = decision.row;
  const [metric] = report.task.metrics;
  return (
    <>
      <p className={styles.detail}>
        The gate: {metric?.title ?? 'the metric'} may get worse by at most {gateAllowance(report)}, at{' '}
        {Math.round(report.gate.confidence * 100)}
        {'\u202f'}% confidence. {adviceWords(decision, all)}
      </p>
      {notes.slice(0, MOST_NOTES).map((note) => (
        <p key={note} className={styles.note}>
          {note}
        </p>
      ))}
      {notes.length > MOST_NOTES && (
        <p className={styles.note}>
          {notes.length - MOST_NOTES === 1 ? 'One more note is' : `${notes.length - MOST_NOTES} more notes are`} in the
          report.
        </p>
      )}
    </>
  );
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
