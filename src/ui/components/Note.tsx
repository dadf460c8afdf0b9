import { CircleAlert, Info, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import styles from './controls.module.css';

interface NoteProps {
  readonly level: 'error' | 'warning' | 'info';
  readonly children: ReactNode;
  readonly advice?: ReactNode;
  readonly action?: ReactNode;
}

const WORDS = { error: 'Error', warning: 'Warning', info: 'Note' } as const;

/** A fact the user should know, with what to do about it. The icon carries the level for everyone, not the colour. */
export function Note({ level, children, advice, action }: NoteProps) {
  const Icon = level === 'error' ? CircleAlert : level === 'warning' ? TriangleAlert : Info;
  const tone = level === 'error' ? styles.noteError : level === 'warning' ? styles.noteWarning : '';
  return (
    <div className={`${styles.note} ${tone}`}>
      <Icon size={16} aria-label={WORDS[level]} />
      <div className={styles.noteBody}>
        <div>{children}</div>
        {advice && <div className={styles.noteAdvice}>{advice}</div>}
        {action && <div>{action}</div>}
      </div>
    </div>
  );
}

export function ErrorNote({
  error,
  where,
  action,
}: {
  /** Which target it happened on, where that matters. */
  readonly where?: string;
  readonly error: { readonly message: string; readonly advice: string };
  readonly action?: ReactNode;
}) {
  return (
    <Note level="error" advice={error.advice} action={action}>
      {where && <strong>{where}: </strong>}
      {error.message}
    </Note>
  );
}
