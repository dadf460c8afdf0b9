/** A report as CSV: one row a variant and target, numbers without units, units in the column names. */
import type { Report } from '../study/results.ts';
import { csvText } from './csv-text.ts';
import { reportRows } from './rows.ts';

const columns = [
  ...['variant', 'provider', 'threads', 'file_bytes', 'file_ratio', 'median_ms', 'p5_ms', 'p95_ms', 'runs'],
  ...['latency_ratio', 'latency_difference', 'wasm_heap_peak_bytes', 'gpu_buffer_peak_bytes', 'process_peak_bytes'],
  ...['weight_bytes', 'predicted_peak_activation_bytes', 'verdict', 'reason', 'error'],
];

export function reportCsv(report: Report): string {
  const metrics = report.task.metrics;
  const head = [
    ...columns,
    ...metrics.flatMap(({ id }) => [id, `${id}_low`, `${id}_high`, `${id}_n`, `${id}_difference`]),
  ];
  const rows = reportRows(report).map((row) => [
    ...[row.variant, row.target.provider, row.target.threads, row.fileBytes, row.fileRatio],
    ...[row.medianMs, row.p5Ms, row.p95Ms, row.runs, row.latencyRatio, row.latencyDifference],
    ...[row.wasmHeapPeakBytes, row.gpuBufferPeakBytes, row.processPeakBytes],
    ...[row.weightBytes, row.predictedPeakActivationBytes, row.verdict?.verdict ?? null, row.verdict?.reason ?? null],
    row.error,
    ...metrics.flatMap(({ id }) => {
      const cell = row.metrics.find((metric) => metric.id === id);
      return cell
        ? [cell.value, cell.interval?.[0] ?? null, cell.interval?.[1] ?? null, cell.n, cell.difference]
        : [null, null, null, null, null];
    }),
  ]);
  return csvText(
    head,
    rows.map((row) => row.map((value) => value ?? '')),
  );
}
