import { X } from 'lucide-react';
import { type ClipboardEvent, type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import styles from './list.module.css';
import { goodEntries, sameEntries, splitEntries, withEmptyLine } from './list-lines.ts';

/** What is wrong with entries, by index, and with the list as a whole. */
export interface ListProblems {
  readonly byIndex: ReadonlyMap<number, string>;
  readonly whole: string | null;
}

const noProblems: ListProblems = { byIndex: new Map(), whole: null };

export interface ListFieldProps {
  readonly title: string;
  readonly description: string;
  readonly value: readonly string[];
  readonly onChange: (entries: readonly string[]) => void;
  readonly problemsOf?: ((lines: readonly string[]) => ListProblems) | undefined;
  /** What is known of an entry that is right, e.g. how many nodes it names. */
  readonly noteOf?: ((entry: string) => string | null) | undefined;
  readonly placeholder?: string | undefined;
  /** Beside the title: a picker. */
  readonly action?: ReactNode;
  readonly disabled?: boolean | undefined;
}

/** A list of names or settings, a field a line. What is wrong with a line stands under it, and keeps only it out. */
export function ListField(props: ListFieldProps) {
  const { title, description, value, onChange, problemsOf, noteOf, placeholder, action, disabled = false } = props;
  const id = useId();
  const rows = useRef<HTMLDivElement>(null);
  // Lines that are wrong live here only; what comes from elsewhere (undo, a picker) ends the draft.
  const [draft, setDraft] = useState<{ base: readonly string[]; lines: readonly string[] } | null>(null);
  const lines = withEmptyLine(draft && sameEntries(draft.base, value) ? draft.lines : value);
  const problems =
    problemsOf && lines.some((line) => line.trim() !== '') ? filledProblems(lines, problemsOf) : noProblems;

  const change = (next: readonly string[]) => {
    const found = problemsOf ? filledProblems(next, problemsOf) : noProblems;
    const good = found.whole === null ? goodEntries(next, found.byIndex) : value;
    setDraft({ base: good, lines: next });
    if (!sameEntries(good, value)) onChange(good);
  };
  const focusLine = (index: number) => {
    const inputs = rows.current?.querySelectorAll('input');
    inputs?.[Math.min(Math.max(index, 0), inputs.length - 1)]?.focus();
  };
  const changeAndFocus = (next: readonly string[], index: number) => {
    flushSync(() => change(next));
    focusLine(index);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>, index: number) => {
    if (event.key === 'Enter' && lines[index]?.trim() !== '') {
      event.preventDefault();
      changeAndFocus(index === lines.length - 1 ? lines : lines.toSpliced(index + 1, 0, ''), index + 1);
    } else if (event.key === 'Backspace' && lines[index] === '' && index > 0) {
      event.preventDefault();
      changeAndFocus(lines.toSpliced(index, 1), index - 1);
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      focusLine(index + (event.key === 'ArrowDown' ? 1 : -1));
    }
  };
  const onPaste = (event: ClipboardEvent<HTMLInputElement>, index: number) => {
    const entries = splitEntries(event.clipboardData.getData('text'));
    if (entries.length < 2) return;
    event.preventDefault();
    const isEmpty = lines[index]?.trim() === '';
    changeAndFocus(lines.toSpliced(isEmpty ? index : index + 1, isEmpty ? 1 : 0, ...entries), index + entries.length);
  };

  return (
    <fieldset className={styles.list} aria-labelledby={`${id}-title`} aria-describedby={`${id}-hint`}>
      <div className={styles.head}>
        <span id={`${id}-title`} className={controls.label} title={description}>
          {title}
        </span>
        {action}
      </div>
      <span id={`${id}-hint`} className="visually-hidden">
        {description}
      </span>
      <div ref={rows} className={styles.rows}>
        {lines.map((line, index) => {
          const problem = problems.byIndex.get(index);
          const isLast = index === lines.length - 1 && line === '';
          const note = !problem && line.trim() !== '' ? noteOf?.(line.trim()) : null;
          const key = `${id}-${index}`;
          return (
            <div key={key} className={styles.row}>
              <input
                className={`${controls.input} ${styles.line}`}
                aria-label={isLast ? `${title}, new line` : `${title}, line ${index + 1}`}
                aria-invalid={problem !== undefined}
                aria-describedby={problem ? `${key}-problem` : undefined}
                value={line}
                placeholder={isLast ? (placeholder ?? 'Add a line') : undefined}
                spellCheck={false}
                autoComplete="off"
                disabled={disabled}
                onChange={(event) => change(lines.with(index, event.target.value))}
                onKeyDown={(event) => onKeyDown(event, index)}
                onPaste={(event) => onPaste(event, index)}
              />
              {!isLast && (
                <Button
                  look="quiet"
                  icon
                  className={styles.remove ?? ''}
                  aria-label={`Remove ${line.trim() || `line ${index + 1}`}`}
                  disabled={disabled}
                  onClick={() => changeAndFocus(lines.toSpliced(index, 1), index)}
                >
                  <X size={13} />
                </Button>
              )}
              {problem && (
                <span id={`${key}-problem`} role="alert" className={styles.problem}>
                  {problem} Left out until it is right.
                </span>
              )}
              {note && <span className={styles.note}>{note}</span>}
            </div>
          );
        })}
      </div>
      {problems.whole && (
        <span role="alert" className={styles.problem}>
          {problems.whole}
        </span>
      )}
    </fieldset>
  );
}

/** Empty lines are nothing to judge; indices stay those of the lines. */
function filledProblems(
  lines: readonly string[],
  problemsOf: (lines: readonly string[]) => ListProblems,
): ListProblems {
  const filled = lines.flatMap((line, index) => (line.trim() === '' ? [] : [{ index, entry: line.trim() }]));
  const { byIndex, whole } = problemsOf(filled.map(({ entry }) => entry));
  return { byIndex: new Map([...byIndex].map(([at, message]) => [filled[at]!.index, sentence(message)])), whole };
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
