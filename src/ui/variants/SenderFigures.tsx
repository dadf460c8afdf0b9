import type { SenderCell, SenderRow, SenderView } from '../../state/sender.ts';
import { formatBytes, formatMetric, formatMs, formatSpread } from '../format.ts';
import { verdictWord } from './VerdictBadge.tsx';
import styles from './variants.module.css';

interface SenderFiguresProps {
  readonly row: SenderRow;
  readonly metric: SenderView['metric'];
}

/** What the sender of the link measured for a card, in short and without the looks of own figures; the rest is in the table. */
export function SenderFigures({ row, metric }: SenderFiguresProps) {
  const cells = Object.entries(row.byTarget);
  return (
    <div className={styles.sender}>
      <div className={styles.senderHead}>
        <strong>Sender’s</strong> <span>{formatBytes(row.fileBytes)}</span>
      </div>
      {cells.map(([key, cell]) => (
        <Latency key={key} cell={cell} labelled={cells.length > 1} />
      ))}
      <Judged cells={cells.map(([, cell]) => cell)} metric={metric} />
    </div>
  );
}

function Latency({ cell, labelled }: { readonly cell: SenderCell; readonly labelled: boolean }) {
  const { latency } = cell.measurement;
  if (!latency) return null;
  return (
    <div>
      {formatMs(latency.medianMs)}
      {labelled && ` ${cell.label}`}
    </div>
  );
}

/** Metric and verdict of the first target that was evaluated, as on the rest of the card. */
function Judged({ cells, metric }: { readonly cells: readonly SenderCell[]; readonly metric: SenderView['metric'] }) {
  const judged = cells.find(({ measurement }) => measurement.metric)?.measurement;
  const verdict = judged?.verdict ?? cells[0]?.measurement.verdict;
  const value = judged?.metric;
  return (
    <div>
      {metric && value && (
        <>
          {metric.short} {formatMetric(value.value, metric)}
          {value.interval && ` ${formatSpread(value.value, value.interval, metric)}`}
        </>
      )}
      {verdict && verdict !== 'baseline' && (
        <>
          {metric && value && ', '}
          {verdictWord(verdict).toLowerCase()}
        </>
      )}
    </div>
  );
}
