import type { MetricDefinition } from '../../core/eval/types.ts';
import { primaryCell, type TargetCell, type VariantRow } from '../../state/rows.ts';
import type { SenderView } from '../../state/sender.ts';
import { Tip } from '../components/Tip.tsx';
import { formatBytes, formatMetric, formatMs, formatMsNumber, formatSpread, plural } from '../format.ts';
import { CardFoot, showDetails } from './CardFoot.tsx';
import { Delta } from './Delta.tsx';
import { latencyDelta, metricDelta, sizeDelta } from './deltas.ts';
import { SenderFigures } from './SenderFigures.tsx';
import styles from './variants.module.css';

interface BodyProps {
  readonly row: VariantRow;
  readonly baseline: VariantRow;
  readonly metric: MetricDefinition | undefined;
}

/** The figures of a card: size, latency a target, the task's metric; or why there are none. */
export function CardBody({ row, baseline, metric, sender }: BodyProps & { readonly sender: SenderView | null }) {
  const theirs = sender?.rows[row.id];
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
        !error && (
          <p className={styles.empty}>
            {row.state === 'running' ? 'Building …' : theirs ? 'Not run here yet' : 'Not run yet'}
          </p>
        )
      )}
      {error && (
        <CardError row={row} message={error.message} where={row.error ? null : measuredError && whereOf(row)} />
      )}
      {sender && theirs && <SenderFigures row={theirs} metric={sender.metric} />}
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
        <span className={styles.spread}>{metric.short}</span>{' '}
        <span className={styles.number}>{formatMetric(value.value, metric)}</span>{' '}
        {value.interval && (
          <span className={`${styles.spread} ${styles.number}`}>
            {formatSpread(value.value, value.interval, metric)}
          </span>
        )}
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
