import {
  ArrowLeft,
  ArrowRight,
  Copy,
  Diff,
  Download,
  Ellipsis,
  FileJson,
  LoaderCircle,
  Pencil,
  Trash2,
  TriangleAlert,
} from 'lucide-react';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import type { MetricDefinition } from '../../core/eval/types.ts';
import { downloadRecipe, downloadVariant } from '../../state/actions/export.ts';
import { deleteVariant, duplicateVariant } from '../../state/actions/variants.ts';
import { primaryCell, type TargetCell, type VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { type Action, ActionMenu } from '../components/ActionMenu.tsx';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Tip } from '../components/Tip.tsx';
import { formatBytes, formatHalfWidth, formatMetric, formatMs, formatMsNumber, plural } from '../format.ts';
import { Delta } from './Delta.tsx';
import { latencyDelta, metricDelta, sizeDelta } from './deltas.ts';
import { VerdictBadge } from './VerdictBadge.tsx';
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
            onDone={(name) => {
              setRenaming(false);
              if (name !== null) renameVariant(row.id, name);
            }}
          />
        ) : (
          <button
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
      key: 'model',
      label: 'Download model',
      ...(row.facts ? { hint: formatBytes(row.facts.fileBytes) } : {}),
      icon: <Download size={15} />,
      separated: true,
      run: () => void downloadVariant(row.id),
    },
    {
      key: 'recipe',
      label: 'Download recipe.json',
      icon: <FileJson size={15} />,
      run: () => void downloadRecipe(row.id),
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

function RenameField({ name, onDone }: { readonly name: string; readonly onDone: (name: string | null) => void }) {
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Enter') onDone(event.currentTarget.value);
    if (event.key === 'Escape') {
      event.stopPropagation();
      onDone(null);
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
      onBlur={(event) => onDone(event.currentTarget.value)}
    />
  );
}

type BodyProps = Pick<VariantCardProps, 'row' | 'baseline' | 'metric'>;

function CardBody({ row, baseline, metric }: BodyProps) {
  const measuredError = row.cells.find(({ measurement }) => measurement?.error)?.measurement?.error ?? null;
  const error = row.error ?? measuredError;
  return (
    <>
      {row.facts ? (
        <div className={styles.figures}>
          <div className={styles.figure}>
            <span className={styles.value}>{formatBytes(row.facts.fileBytes)}</span>
            <Delta delta={sizeDelta(row)} />
          </div>
          {row.cells.map((cell) => (
            <LatencyFigure key={cell.key} cell={cell} labelled={row.cells.length > 1} />
          ))}
          {metric && <MetricFigure row={row} baseline={baseline} metric={metric} />}
        </div>
      ) : (
        !error && <p className={styles.empty}>{row.state === 'running' ? 'Building …' : 'Not run yet'}</p>
      )}
      {error && (
        <CardError row={row} message={error.message} where={row.error ? null : measuredError && whereOf(row)} />
      )}
      <CardFoot row={row} />
    </>
  );
}

function whereOf(row: VariantRow): string | null {
  return row.cells.find(({ measurement }) => measurement?.error)?.label ?? null;
}

function LatencyFigure({ cell, labelled }: { readonly cell: TargetCell; readonly labelled: boolean }) {
  const latency = cell.measurement?.latency;
  if (!latency) return null;
  return (
    <div className={styles.figure}>
      <Tip
        text={`${cell.label}: median ${formatMs(latency.medianMs)}, 5th to 95th percentile ${formatMsNumber(latency.p5Ms)} to ${formatMs(latency.p95Ms)}, ${plural(latency.runs, 'run')}`}
      >
        <span className={styles.value}>
          {formatMs(latency.medianMs)}{' '}
          <span className={styles.spread}>
            {labelled ? cell.label : `${formatMsNumber(latency.p5Ms)}–${formatMsNumber(latency.p95Ms)}`}
          </span>
        </span>
      </Tip>
      <Delta delta={latencyDelta(cell)} />
    </div>
  );
}

function MetricFigure({ row, baseline, metric }: BodyProps & { readonly metric: MetricDefinition }) {
  const cell = primaryCell(row);
  const value = metricOf(cell, metric);
  if (!value) return null;
  const base = row.isBaseline ? undefined : metricOf(primaryCell(baseline), metric);
  return (
    <div className={styles.figure}>
      <span className={styles.value} title={metric.title}>
        <span className={styles.spread}>{metric.short}</span> {formatMetric(value.value, metric)}{' '}
        {value.interval && <span className={styles.spread}>{formatHalfWidth(value.interval, metric)}</span>}
      </span>
      <Delta delta={shortDelta(metricDelta(value, base, metric))} />
    </div>
  );
}

/** A card is narrow: the sign and the amount are in the table, the word is enough here. */
function shortDelta(delta: ReturnType<typeof metricDelta>): ReturnType<typeof metricDelta> {
  return delta && { ...delta, text: delta.text.replace(/\u202fpoints (better|worse)$/, ' $1') };
}

function metricOf(cell: TargetCell | null, metric: MetricDefinition) {
  return cell?.measurement?.evaluation?.metrics.find((found) => found.metric === metric.id);
}

function CardError({
  row,
  message,
  where,
}: {
  readonly row: VariantRow;
  readonly message: string;
  readonly where: string | null;
}) {
  return (
    <div className={styles.error}>
      <p>
        {where && <strong>{where}: </strong>}
        {message}
      </p>
      <button type="button" className={styles.more} onClick={() => showDetails(row.id)}>
        What to do
      </button>
    </div>
  );
}

export function showDetails(id: string): void {
  const { selectVariant, setView } = studio.getState();
  selectVariant(id);
  setView('details');
}

function CardFoot({ row }: { readonly row: VariantRow }) {
  const verdict = primaryCell(row)?.verdict;
  const warnings = row.facts?.advisories.filter(({ level }) => level !== 'info').length ?? 0;
  const unknown = row.cells.flatMap(({ measurement }) => measurement?.optimizers?.unknownDisabled ?? []).length;
  const fired = row.facts?.ledger.reduce((sum, step) => sum + step.fired, 0) ?? 0;
  const parity = row.cells.find(({ measurement }) => measurement?.parity && measurement.parity.verdict !== 'match');
  return (
    <footer className={styles.foot}>
      {row.state === 'running' && (
        <span className={styles.badge}>
          <LoaderCircle size={12} aria-hidden /> running
        </span>
      )}
      {row.state === 'stale' && (
        <Tip text="The figures are of earlier settings. Run again to measure the present ones.">
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the tooltip must be reachable by keyboard */}
          <span className={styles.badge} tabIndex={0}>
            stale
          </span>
        </Tip>
      )}
      {verdict && row.state !== 'running' && <VerdictBadge verdict={verdict} />}
      {parity && (
        <button type="button" className={styles.badge} onClick={() => showDetails(row.id)}>
          <TriangleAlert size={12} aria-hidden /> {parity.label} differs
        </button>
      )}
      {warnings + unknown > 0 && (
        <button
          type="button"
          className={styles.badge}
          title={plural(warnings + unknown, 'warning')}
          onClick={() => showDetails(row.id)}
        >
          <TriangleAlert size={12} aria-label="warnings" /> {warnings + unknown}
        </button>
      )}
      {fired > 0 && (
        <button
          type="button"
          className={styles.badge}
          title={`${plural(fired, 'change')} to the graph`}
          aria-label={`${plural(fired, 'change')} to the graph: show which`}
          onClick={() => showDetails(row.id)}
        >
          <Diff size={12} aria-hidden /> {fired}
        </button>
      )}
    </footer>
  );
}
