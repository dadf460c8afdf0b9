import { ArrowRightLeft, Combine, type LucideIcon, Minus, PenLine, Plus } from 'lucide-react';
import { type KeyboardEvent, useId, useMemo, useRef, useState } from 'react';
import type { DiffItem, DiffKind, GraphDiff } from '../../core/diff/types.ts';
import type { GraphDocument } from '../../core/graph-view/document.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { formatCount, plural } from '../format.ts';
import styles from './diff.module.css';

export const KINDS: Readonly<Record<DiffKind, { readonly label: string; readonly Icon: LucideIcon }>> = {
  fused: { label: 'Fused', Icon: Combine },
  replaced: { label: 'Replaced', Icon: ArrowRightLeft },
  removed: { label: 'Removed', Icon: Minus },
  added: { label: 'Added', Icon: Plus },
  changed: { label: 'Changed', Icon: PenLine },
};

interface DiffListProps {
  readonly diff: GraphDiff;
  readonly before: GraphDocument;
  readonly after: GraphDocument;
  /** Position among the diff's items. */
  readonly chosen: number;
  readonly onChoose: (item: number) => void;
}

/** Rows on the page at first, and more at a time. */
const PAGE = 150;

export function DiffList({ diff, before, after, chosen, onChoose }: DiffListProps) {
  const [kind, setKind] = useState<DiffKind | ''>('');
  const [step, setStep] = useState('');
  const [query, setQuery] = useState('');
  const [limit, setLimit] = useState(PAGE);
  const list = useRef<HTMLUListElement>(null);
  const id = useId();
  const steps = useMemo(() => [...new Set(diff.items.flatMap((item) => item.steps))], [diff]);
  const shown = useMemo(() => {
    const wanted = query.trim().toLowerCase();
    return [...diff.items.keys()].filter((index) => {
      const item = diff.items[index]!;
      if (kind !== '' && item.kind !== kind) return false;
      if (step !== '' && !item.steps.includes(step)) return false;
      return wanted === '' || searchText(item, before, after).includes(wanted);
    });
  }, [diff, kind, step, query, before, after]);

  const move = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const at = shown.indexOf(chosen);
    const next = shown[Math.min(shown.length - 1, Math.max(0, at + by))];
    if (next === undefined) return;
    onChoose(next);
    list.current?.querySelector(`[data-item="${next}"]`)?.scrollIntoView({ block: 'nearest' });
    list.current?.querySelector<HTMLElement>(`[data-item="${next}"] button`)?.focus();
  };

  return (
    <div className={styles.listPane}>
      <div className={styles.filters}>
        <input
          className={controls.input}
          type="search"
          aria-label="Search in the differences"
          placeholder="Operator, node or step"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <select
          className={controls.select}
          aria-label="Kind of difference"
          value={kind}
          onChange={(event) => setKind(event.target.value as DiffKind | '')}
        >
          <option value="">All kinds</option>
          {(Object.keys(KINDS) as DiffKind[])
            .filter((each) => diff.counts[each] > 0)
            .map((each) => (
              <option key={each} value={each}>
                {KINDS[each].label} ({formatCount(diff.counts[each])})
              </option>
            ))}
        </select>
        {steps.length > 0 && (
          <select
            className={controls.select}
            aria-label="Step that did it"
            value={step}
            onChange={(event) => setStep(event.target.value)}
          >
            <option value="">All steps</option>
            {steps.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        )}
      </div>
      <p id={id} className={styles.hint}>
        {plural(shown.length, 'difference')}
      </p>
      <ul ref={list} className={styles.list} aria-labelledby={id} onKeyDown={move}>
        {shown.slice(0, limit).map((index) => (
          <Row key={index} index={index} item={diff.items[index]!} chosen={index === chosen} onChoose={onChoose} />
        ))}
        {shown.length > limit && (
          <li>
            <Button onClick={() => setLimit(limit + PAGE * 4)}>{formatCount(shown.length - limit)} more</Button>
          </li>
        )}
      </ul>
    </div>
  );
}

interface RowProps {
  readonly index: number;
  readonly item: DiffItem;
  readonly chosen: boolean;
  readonly onChoose: (item: number) => void;
}

function Row({ index, item, chosen, onChoose }: RowProps) {
  const { label, Icon } = KINDS[item.kind];
  return (
    <li data-item={index}>
      <button
        type="button"
        className={styles.row}
        data-kind={item.kind}
        aria-pressed={chosen}
        onClick={() => onChoose(index)}
      >
        <Icon size={14} aria-hidden />
        <span>
          <span className="visually-hidden">{label}: </span>
          {item.title}
          {(item.steps.length > 0 || item.details.length > 0) && (
            <small className={styles.hint}>{[...item.details, ...item.steps].join(' · ')}</small>
          )}
        </span>
      </button>
    </li>
  );
}

function searchText(item: DiffItem, before: GraphDocument, after: GraphDocument): string {
  const names = [
    ...item.before.map((index) => before.scopes[item.beforeScope]!.nodes[index]!.name),
    ...item.after.map((index) => after.scopes[item.afterScope]!.nodes[index]!.name),
  ];
  return [item.title, KINDS[item.kind].label, ...item.steps, ...item.details, ...names].join('\n').toLowerCase();
}
