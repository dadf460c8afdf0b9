/** Under which conditions the figures of a slide came about, short enough for a room. */
import { describeDevice } from '../study/device.ts';
import type { Report } from '../study/results.ts';
import { sameTarget } from '../study/run.ts';
import { formatCount, plural } from './format.ts';
import type { ReportRow } from './rows.ts';

/** In order: device, target, runtime, timed runs, task and samples, date. Nothing that is not known. */
export function slideConditions(report: Report, row: ReportRow): string[] {
  const { environment, task, variants } = report;
  const measurements = variants.flatMap((variant) =>
    variant.measurements.filter(({ target }) => sameTarget(target, row.target)),
  );
  const engine = measurements.find(({ engine: { name } }) => name !== '')?.engine;
  const last = measurements
    .map(({ measuredAt }) => measuredAt)
    .sort()
    .at(-1);
  const samples = row.metrics[0]?.n ?? task.samples;
  // What a GPU is called matters to nobody whose figures are the processor's.
  const isGpu = row.target.provider === 'webgpu' || row.target.provider === 'webnn';
  const device = describeDevice(isGpu ? environment : { ...environment, webgpuAdapter: null });
  return [
    `Measured on ${device}`,
    row.targetName,
    engine ? `${engine.name} ${engine.version}` : '',
    row.runs > 0 ? `${plural(row.runs, 'timed run')}` : '',
    task.title ? `${task.title}, ${samples === 1 ? '1 sample' : `${formatCount(samples)} samples`}` : '',
    last ? dateWords(last) : '',
  ].filter((part) => part !== '');
}

/** ISO 8601 -> "27 Nov 2026", by the clock of who looks. */
function dateWords(moment: string): string {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return '';
  return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
}
