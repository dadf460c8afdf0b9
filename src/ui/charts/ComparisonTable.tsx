import { Fragment, memo } from 'react';
import type { MetricDefinition } from '../../core/eval/types.ts';
import { measuredTargetName } from '../../core/report/rows.ts';
import type { Comparison, TargetCell, VariantRow } from '../../state/rows.ts';
import { selectSender } from '../../state/sender.ts';
import { useStudio } from '../../state/use-studio.ts';
import { formatBytes, formatInterval, formatMetric, formatMs, formatMsNumber, plural } from '../format.ts';
import { latencyDelta, metricDelta, sizeDelta } from '../variants/deltas.ts';
import { verdictWord } from '../variants/VerdictBadge.tsx';
import styles from './charts.module.css';
import { SenderTableRow } from './SenderTableRow.tsx';

/** The charts as figures: same order, same words, every number with its unit, spread and count. */
export function ComparisonTable({ comparison }: { readonly comparison: Comparison }) {
  const { rows, targets } = comparison;
  const hasGpu = targets.some(({ provider }) => provider === 'webgpu');
  const sender = useStudio(selectSender);
  const theirs = sender?.metric;
  // Before anything is measured here, only the sender's metric is known.
  const metrics =
    theirs && !comparison.metrics.some(({ id }) => id === theirs.id)
      ? [...comparison.metrics, theirs]
      : comparison.metrics;
  if (rows.length === 0) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className={styles.tableWrap} aria-label="Comparison table" tabIndex={0}>
      <table className={styles.table}>
        <caption>
          All figures. Differences are against the original on the same target. Activations are predicted from the
          graph; heap, GPU buffers, latency and accuracy are measured.
          {sender && ` Rows named Sender’s were measured on ${sender.device}; all others here.`}
        </caption>
        <thead>
          <tr>
            <th scope="col">Variant</th>
            <th scope="col">Target</th>
            <th scope="col">File</th>
            <th scope="col">Weights</th>
            <th scope="col">
              Activations<span className={styles.sub}>predicted</span>
            </th>
            <th scope="col">
              Heap peak<span className={styles.sub}>measured</span>
            </th>
            {hasGpu && (
              <th scope="col">
                GPU buffers<span className={styles.sub}>measured</span>
              </th>
            )}
            <th scope="col">
              Latency<span className={styles.sub}>median, p5–p95, n</span>
            </th>
            <th scope="col">
              Start<span className={styles.sub}>create, first run</span>
            </th>
            {metrics.map((metric) => (
              <th scope="col" key={metric.id} title={metric.title}>
                {metric.short}
                <span className={styles.sub}>
                  {metric.direction === 'higher-is-better' ? 'higher is better' : 'lower is better'}
                </span>
              </th>
            ))}
            <th scope="col" className={styles.reason}>
              Gate
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.flatMap((row) =>
            row.cells.map((cell, index) => (
              <Fragment key={`${row.id}/${cell.key}`}>
                <Row
                  row={row}
                  cell={cell}
                  first={index === 0}
                  baseline={row.isBaseline ? undefined : rows[0]?.cells.find(({ key }) => key === cell.key)}
                  hasGpu={hasGpu}
                  metrics={metrics}
                />
                {sender && (
                  <SenderTableRow
                    row={row}
                    cell={cell}
                    first={index === 0}
                    view={sender}
                    metrics={metrics}
                    targets={targets}
                  />
                )}
              </Fragment>
            )),
          )}
        </tbody>
      </table>
    </section>
  );
}

interface RowProps {
  readonly row: VariantRow;
  readonly cell: TargetCell;
  /** The first target of its variant carries the facts of the file. */
  readonly first: boolean;
  /** On the same target; absent for itself. */
  readonly baseline: TargetCell | undefined;
  /** There is a column of GPU buffers. */
  readonly hasGpu: boolean;
  readonly metrics: readonly MetricDefinition[];
}

const Row = memo(function Row({ row, cell, first, baseline, hasGpu, metrics }: RowProps) {
  const { facts } = row;
  const measurement = cell.measurement;
  const memory = measurement?.memory;
  const heap = memory?.wasmHeapPeakBytes ?? memory?.processPeakBytes ?? null;
  return (
    <tr className={row.state === 'stale' ? styles.stale : undefined}>
      <th scope="row" title={row.name}>
        {row.isBaseline ? '' : `${row.letter} `}
        {row.name}
        {row.state === 'stale' && <span className={styles.sub}>stale: settings changed</span>}
      </th>
      <td>{measurement ? measuredTargetName(measurement) : cell.label}</td>
      <td>
        {first && facts ? formatBytes(facts.fileBytes) : ''}
        {first && <Sub text={sizeDelta(row)?.text} />}
      </td>
      <td>{first && facts ? formatBytes(facts.weightBytes) : ''}</td>
      <td>{first && facts ? bytesOr(facts.predictedPeakActivationBytes, 'unknown') : ''}</td>
      <td>{bytesOr(heap, '–')}</td>
      {hasGpu && <td>{bytesOr(memory?.gpuBufferPeakBytes ?? null, '–')}</td>}
      <LatencyCell cell={cell} />
      <td>
        {measurement?.createMs != null ? formatMs(measurement.createMs) : '–'}
        <Sub text={measurement?.firstRunMs != null ? `first ${formatMs(measurement.firstRunMs)}` : undefined} />
      </td>
      {metrics.map((metric) => (
        <MetricTableCell key={metric.id} metric={metric} cell={cell} baseline={baseline} />
      ))}
      <td className={styles.reason}>
        {row.error?.message ?? measurement?.error?.message ?? (
          <>
            {cell.verdict ? verdictWord(cell.verdict.verdict) : '–'}
            {cell.verdict && !row.isBaseline && <Sub text={cell.verdict.reason} />}
          </>
        )}
      </td>
    </tr>
  );
});

function LatencyCell({ cell }: { readonly cell: TargetCell }) {
  const latency = cell.measurement?.latency;
  if (!latency) return <td>–</td>;
  return (
    <td>
      {formatMs(latency.medianMs)}
      <Sub text={`${formatMsNumber(latency.p5Ms)}–${formatMsNumber(latency.p95Ms)}, ${plural(latency.runs, 'run')}`} />
      <Sub text={latencyDelta(cell)?.text} />
    </td>
  );
}

interface MetricTableCellProps {
  readonly metric: MetricDefinition;
  readonly cell: TargetCell;
  readonly baseline: TargetCell | undefined;
}

function MetricTableCell({ metric, cell, baseline }: MetricTableCellProps) {
  const find = (from: TargetCell | undefined) =>
    from?.measurement?.evaluation?.metrics.find((found) => found.metric === metric.id);
  const value = find(cell);
  if (!value) return <td>–</td>;
  return (
    <td>
      {formatMetric(value.value, metric)}
      {value.interval && <Sub text={formatInterval(value.interval, metric)} />}
      <Sub text={`n ${value.n}`} />
      <Sub text={metricDelta(value, find(baseline), metric)?.text} />
    </td>
  );
}

function Sub({ text }: { readonly text: string | undefined }) {
  return text ? <span className={styles.sub}>{text}</span> : null;
}

function bytesOr(bytes: number | null, otherwise: string): string {
  return bytes === null ? otherwise : formatBytes(bytes);
}
