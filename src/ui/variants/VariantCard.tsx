import {
  ArrowLeft,
  ArrowRight,
  Copy,
  Crosshair,
  Download,
  Ellipsis,
  FileJson,
  Forward,
  Pencil,
  Trash2,
} from 'lucide-react';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import type { MetricDefinition } from '../../core/eval/types.ts';
import { downloadRecipe, downloadVariant } from '../../state/actions/export.ts';
import { deleteVariant, duplicateVariant } from '../../state/actions/variants.ts';
import type { VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { type Action, ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { formatBytes } from '../format.ts';
import { CardBody } from './CardBody.tsx';
import styles from './variants.module.css';

interface VariantCardProps {
  readonly row: VariantRow;
  readonly baseline: VariantRow;
  readonly metric: MetricDefinition | undefined;
  readonly count: number;
  readonly selected: boolean;
  readonly full: boolean;
}

export function VariantCard({ row, baseline, metric, count, selected, full }: VariantCardProps) {
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
      <CardBody row={row} baseline={baseline} metric={metric} />
    </article>
  );
}

function showLayers(id: string): void {
  const { selectVariant, setView, setLayersTab } = studio.getState();
  selectVariant(id);
  setLayersTab('error');
  setView('layers');
}

function showHandover(id: string): void {
  const { selectVariant, openPanel } = studio.getState();
  selectVariant(id);
  openPanel('handover');
}

function cardActions(row: VariantRow, count: number, full: boolean, rename: () => void): Action[] {
  const { moveVariant } = studio.getState();
  const fixed = row.isBaseline;
  return [
    {
      key: 'duplicate',
      label: 'Duplicate',
      icon: <Copy size={15} />,
      disabled: full,
      run: () => duplicateVariant(row.id),
    },
    { key: 'rename', label: 'Rename', icon: <Pencil size={15} />, disabled: fixed, run: rename },
    {
      key: 'left',
      label: 'Move left',
      icon: <ArrowLeft size={15} />,
      disabled: row.index <= 1,
      run: () => moveVariant(row.id, row.index - 1),
    },
    {
      key: 'right',
      label: 'Move right',
      icon: <ArrowRight size={15} />,
      disabled: fixed || row.index === count - 1,
      run: () => moveVariant(row.id, row.index + 1),
    },
    {
      key: 'layers',
      label: 'Error by layer',
      icon: <Crosshair size={15} />,
      separated: true,
      disabled: fixed,
      run: () => showLayers(row.id),
    },
    {
      key: 'model',
      label: 'Download model',
      ...(row.facts ? { hint: formatBytes(row.facts.fileBytes) } : {}),
      icon: <Download size={15} />,
      run: () => void downloadVariant(row.id),
    },
    {
      key: 'recipe',
      label: 'Download recipe.json',
      icon: <FileJson size={15} />,
      run: () => void downloadRecipe(row.id),
    },
    {
      key: 'handover',
      label: 'Hand over …',
      icon: <Forward size={15} />,
      run: () => showHandover(row.id),
    },
    {
      key: 'delete',
      label: 'Delete',
      icon: <Trash2 size={15} />,
      danger: true,
      separated: true,
      disabled: fixed,
      run: () => deleteVariant(row.id),
    },
  ];
}

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
