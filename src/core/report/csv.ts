/**
 * A report as CSV: one row a variant and target, numbers without units, units in the column names. Rows of a link's sender
 * come last; `measured_by` and `device` say whose a row is.
 */
import { describeDevice } from '../study/device.ts';
import type { Report } from '../study/results.ts';
import { csvText } from './csv-text.ts';
import { type ReportRow, reportRows } from './rows.ts';
import { type SenderRow, senderRows } from './sender.ts';

type Cell = string | number | null;

const columns = [
  ...['variant', 'provider', 'threads', 'file_bytes', 'file_ratio', 'median_ms', 'p5_ms', 'p95_ms', 'runs'],
  ...['latency_ratio', 'latency_difference', 'wasm_heap_peak_bytes', 'gpu_buffer_peak_bytes', 'process_peak_bytes'],
  ...['weight_bytes', 'predicted_peak_activation_bytes', 'verdict', 'reason', 'error'],
];
const NO_METRIC: readonly Cell[] = [null, null, null, null, null];

export function reportCsv(report: Report): string {
  const head = [
    ...columns,
    ...report.task.metrics.flatMap(({ id }) => [id, `${id}_low`, `${id}_high`, `${id}_n`, `${id}_difference`]),
    ...['measured_by', 'device'],
  ];
  const device = describeDevice(report.environment);
  const rows = [
    ...reportRows(report).map((row) => [...own(report, row), 'here', device]),
    ...senderRows(report).map((row) => [...sent(report, row), 'sender', report.sender?.device ?? null]),
  ];
  return csvText(
    head,
    rows.map((row) => row.map((value) => value ?? '')),
  );
}

function own(report: Report, row: ReportRow): Cell[] {
  return [
    ...[row.variant, row.target.provider, row.threads, row.fileBytes, row.fileRatio],
    ...[row.medianMs, row.p5Ms, row.p95Ms, row.runs, row.latencyRatio, row.latencyDifference],
    ...[row.wasmHeapPeakBytes, row.gpuBufferPeakBytes, row.processPeakBytes],
    ...[row.weightBytes, row.predictedPeakActivationBytes, row.verdict?.verdict ?? null, row.verdict?.reason ?? null],
    row.error,
    ...report.task.metrics.flatMap(({ id }) => {
      const cell = row.metrics.find((metric) => metric.id === id);
      return cell
        ? [cell.value, cell.interval?.[0] ?? null, cell.interval?.[1] ?? null, cell.n, cell.difference]
        : NO_METRIC;
    }),
  ];
}

function sent({ task, sender }: Report, { variant, target, fileBytes, measurement }: SenderRow): Cell[] {
  const { latency, heapPeakBytes, gpuBufferPeakBytes, metric, verdict } = measurement;
  const inBrowser = target.provider !== 'cpu';
  return [
    ...[variant, target.provider, target.threads, fileBytes, null],
    ...[latency?.medianMs ?? null, latency?.p5Ms ?? null, latency?.p95Ms ?? null, latency?.runs ?? 0, null, null],
    ...[inBrowser ? heapPeakBytes : null, gpuBufferPeakBytes, inBrowser ? null : heapPeakBytes],
    ...[null, null, verdict, null, null],
    ...task.metrics.flatMap(({ id }) =>
      metric && sender?.metric?.id === id
        ? [metric.value, metric.interval?.[0] ?? null, metric.interval?.[1] ?? null, metric.n, null]
        : NO_METRIC,
    ),
  ];
}
