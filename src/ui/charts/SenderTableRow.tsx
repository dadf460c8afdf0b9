import type { MetricDefinition } from '../../core/eval/types.ts';
import type { Comparison, TargetCell, VariantRow } from '../../state/rows.ts';
import type { SenderView } from '../../state/sender.ts';
import { formatBytes, formatDelta, formatInterval, formatMetric, formatMs, formatMsNumber, plural } from '../format.ts';
import { gateText } from '../header/GateEditor.tsx';
import { formatDay } from '../share/day.ts';
import { verdictWord } from '../variants/VerdictBadge.tsx';
import styles from './charts.module.css';

interface SenderTableRowProps {
  readonly row: VariantRow;
  readonly cell: TargetCell;
  readonly first: boolean;
  readonly view: SenderView;
  readonly metrics: readonly MetricDefinition[];
  readonly targets: Comparison['targets'];
}

/** Under a row of own figures, the sender's: marked in its head, and compared with those here where both are there. */
export function SenderTableRow({ row, cell, first, view, metrics, targets }: SenderTableRowProps) {
  const theirs = view.rows[row.id];
  const there = theirs?.byTarget[cell.key];
  if (!theirs || !there) return null;
  const { latency, heapPeakBytes, gpuBufferPeakBytes, metric, verdict } = there.measurement;
  const own = row.state === 'fresh' || row.state === 'running' ? row : null;
  const ownMs = own ? cell.measurement?.latency?.medianMs : undefined;
  return (
    <tr className={styles.sender} data-sender>
      <th scope="row">
        Sender’s {row.name}
        <span className={styles.sub} title={view.device}>
          on {view.device}
        </span>
        <span className={styles.sub}>{formatDay(view.measuredOn)}</span>
      </th>
      <td>{there.label}</td>
      <td>
        {first && formatBytes(theirs.fileBytes)}
        {first && own?.facts && (
          <span className={styles.sub}>
            {sameSize(own.facts.fileBytes, theirs.fileBytes) ? 'same here' : 'not the same here'}
          </span>
        )}
      </td>
      <td />
      <td />
      <td>{heapPeakBytes === null ? '–' : formatBytes(heapPeakBytes)}</td>
      {targets.some(({ provider }) => provider === 'webgpu') && (
        <td>{gpuBufferPeakBytes === null ? '–' : formatBytes(gpuBufferPeakBytes)}</td>
      )}
      <td>
        {latency ? formatMs(latency.medianMs) : '–'}
        {latency && (
          <span className={styles.sub}>
            {formatMsNumber(latency.p5Ms)}–{formatMsNumber(latency.p95Ms)}, {plural(latency.runs, 'run')}
          </span>
        )}
        {latency && latency.medianMs > 0 && ownMs !== undefined && (
          <span className={styles.sub}>here {formatDelta(ownMs / latency.medianMs - 1)}</span>
        )}
      </td>
      <td />
      {metrics.map((definition) => (
        <td key={definition.id}>
          {metric && definition.id === view.metric?.id ? (
            <>
              {formatMetric(metric.value, definition)}
              {metric.interval && <span className={styles.sub}>{formatInterval(metric.interval, definition)}</span>}
              <span className={styles.sub}>n {metric.n}</span>
            </>
          ) : (
            '–'
          )}
        </td>
      ))}
      <td className={styles.reason}>
        {verdict ? verdictWord(verdict) : '–'}
        {verdict && !row.isBaseline && (
          <span className={styles.sub}>
            There, by the gate of the link: {gateText(view.gate, view.metric?.format)}.
          </span>
        )}
      </td>
    </tr>
  );
}

/** The link carries four digits of a size. */
function sameSize(here: number, there: number): boolean {
  return Number(here.toPrecision(4)) === there;
}
