import { Ellipsis } from 'lucide-react';
import { type KeyboardEvent, memo, useEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import type { MetricDefinition } from '../../core/eval/types.ts';
import type { VariantRow } from '../../state/rows.ts';
import type { SenderView } from '../../state/sender.ts';
import { studio } from '../../state/store.ts';
import { ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { CardBody } from './CardBody.tsx';
import { cardActions } from './card-actions.tsx';
import styles from './variants.module.css';

interface VariantCardProps {
  readonly row: VariantRow;
  readonly baseline: VariantRow;
  readonly metric: MetricDefinition | undefined;
  readonly count: number;
  readonly selected: boolean;
  readonly full: boolean;
  readonly sender: SenderView | null;
}

export const VariantCard = memo(function VariantCard(props: VariantCardProps) {
  const { row, baseline, metric, count, selected, full, sender } = props;
  const [renaming, setRenaming] = useState(false);
  const card = useRef<HTMLElement>(null);
  const nameButton = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (selected) card.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [selected]);
  const { selectVariant, renameVariant } = studio.getState();
  return (
    <article
      ref={card}
      className={styles.card}
      data-selected={selected}
      data-stale={row.state === 'stale'}
      data-variant={row.letter}
      aria-label={`${row.name}${row.isBaseline ? ', baseline' : ''}`}
    >
      <header className={styles.head}>
        <span className={styles.letter} aria-hidden>
          {row.letter}
        </span>
        {renaming ? (
          <RenameField
            name={row.name}
            onDone={(name, byKey) => {
              flushSync(() => setRenaming(false));
              if (name !== null) renameVariant(row.id, name);
              // The field that had the focus is gone; a blur went elsewhere on purpose.
              if (byKey) nameButton.current?.focus();
            }}
          />
        ) : (
          <button
            ref={nameButton}
            type="button"
            className={styles.name}
            aria-pressed={selected}
            title={row.name}
            onClick={() => selectVariant(row.id)}
            onDoubleClick={() => setRenaming(!row.isBaseline)}
          >
            {row.name}
          </button>
        )}
        <span className={styles.menuButton}>
          <ActionMenu
            trigger={
              <Button look="quiet" icon aria-label={`Actions for ${row.name}`}>
                <Ellipsis size={16} />
              </Button>
            }
            actions={cardActions(row, count, full, () => setRenaming(true))}
          />
        </span>
      </header>
      <CardBody row={row} baseline={baseline} metric={metric} sender={sender} />
    </article>
  );
});

interface RenameProps {
  readonly name: string;
  /** name null: dismissed. byKey: the keyboard ended it, and goes on where it was. */
  readonly onDone: (name: string | null, byKey: boolean) => void;
}

function RenameField({ name, onDone }: RenameProps) {
  // Taking the field away blurs it: that must not end the edit a second time.
  const done = useRef(false);
  const end = (value: string | null, byKey: boolean) => {
    if (done.current) return;
    done.current = true;
    onDone(value, byKey);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Enter') end(event.currentTarget.value, true);
    if (event.key === 'Escape') {
      event.stopPropagation();
      end(null, true);
    }
  };
  return (
    <input
      className={`${controls.input} ${styles.rename}`}
      aria-label="Name of the variant"
      defaultValue={name}
      maxLength={120}
      ref={(input) => input?.select()}
      onKeyDown={onKeyDown}
      onBlur={(event) => end(event.currentTarget.value, false)}
    />
  );
}
