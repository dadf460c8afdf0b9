/** The sender's figures in a report: rows of their own beside those of this device, and whose device is whose. */
import { describeDevice } from '../study/device.ts';
import type { Report } from '../study/results.ts';
import { sameTarget, targetLabel } from '../study/run.ts';
import type { Target } from '../study/schema.ts';
import type { ReportSender } from '../study/shared-figures.ts';
import { gateAllowance } from './decision.ts';
import { formatBytes, formatInterval, formatMetric } from './format.ts';
import type { ReportRow } from './rows.ts';

type SenderMeasurement = NonNullable<ReportSender['variants'][number]>['measurements'][number];

export interface SenderRow {
  /** "Sender’s INT8". */
  readonly label: string;
  readonly variant: string;
  readonly variantIndex: number;
  readonly target: Target;
  /** As it ran there, e.g. "WASM, 8 threads". */
  readonly targetName: string;
  readonly fileBytes: number;
  readonly measurement: SenderMeasurement;
}

/** Variants in order; empty without a sender. */
export function senderRows({ sender, variants }: Report): SenderRow[] {
  return (sender?.variants ?? []).flatMap((known, variantIndex) => {
    const variant = variants[variantIndex]?.recipe.name;
    if (!known || variant === undefined) return [];
    return known.measurements.map((measurement) => {
      const { target, threads } = measurement;
      const onCpu = target.provider === 'wasm' || target.provider === 'cpu';
      return {
        label: `Sender’s ${variant}`,
        variant,
        variantIndex,
        target,
        targetName: targetLabel({ ...target, threads: onCpu ? threads : 0 }),
        fileBytes: known.fileBytes,
        measurement,
      };
    });
  });
}

/** The sender's row of the same variant and target. */
export function senderOf(row: ReportRow, theirs: readonly SenderRow[]): SenderRow | undefined {
  return theirs.find(({ variantIndex, target }) => variantIndex === row.variantIndex && sameTarget(target, row.target));
}

/** Rows of targets that were not measured here. */
export function onlySenders(theirs: readonly SenderRow[], own: readonly ReportRow[]): SenderRow[] {
  return theirs.filter(({ target }) => !own.some((row) => sameTarget(row.target, target)));
}

/** Whose rows are whose; null without a sender. */
export function senderNote({ sender, environment }: Report): string | null {
  if (!sender) return null;
  const { device, runtime, measuredOn } = sender;
  return `Rows that begin with “Sender’s” came with the link: measured on ${device} (${runtime}, ${measuredOn}). All other figures were measured on ${describeDevice(environment)}.`;
}

/** Names and values for the conditions; empty without a sender. */
export function senderConditions(report: Report): (readonly [string, string])[] {
  const { sender } = report;
  if (!sender) return [];
  const { device, runtime, measuredOn, gate } = sender;
  const allowed = `worse by at most ${gateAllowance({ ...report, gate })}, at ${(gate.confidence * 100).toFixed(0)} % confidence`;
  return [
    ['Sender’s device', device],
    ['Sender’s runtime', runtime],
    ['Sender’s gate', allowed],
    ['Measured by the sender', measuredOn],
  ];
}

/** "31.2 MB heap"; empty where it is unknown. */
export function senderMemory({ target, measurement }: SenderRow): string {
  const { heapPeakBytes, gpuBufferPeakBytes } = measurement;
  const heap = target.provider === 'cpu' ? 'process' : 'heap';
  return [
    ...(heapPeakBytes === null ? [] : [`${formatBytes(heapPeakBytes)} ${heap}`]),
    ...(gpuBufferPeakBytes === null ? [] : [`${formatBytes(gpuBufferPeakBytes)} GPU`]),
  ].join(', ');
}

/** "97.2 % (95.1 to 98.4 %)"; empty for another metric than the one in the link. */
export function senderMetric({ task, sender }: Report, { measurement }: SenderRow, id: string): string {
  const definition = task.metrics.find((metric) => metric.id === id);
  const { metric } = measurement;
  if (!definition || !metric || sender?.metric?.id !== id) return '';
  const interval = metric.interval ? ` (${formatInterval(metric.interval, definition)})` : '';
  return `${formatMetric(metric.value, definition)}${interval}`;
}
