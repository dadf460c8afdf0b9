/** The waterfall's bars and words. */
import type { LedgerStep } from '../../core/study/results.ts';
import type { Effect, StepEffect, StepLatency, TimedFile } from '../../core/study/step-latency.ts';
import { formatDelta, formatMicroseconds, formatMs } from '../format.ts';

export interface Bar {
  readonly key: string;
  readonly title: string;
  /** null for the original and the whole. */
  readonly step: StepEffect | null;
  /** Milliseconds between which the bar stands; null: not measured. */
  readonly span: readonly [number, number] | null;
  readonly file: TimedFile;
  readonly text: string;
  readonly tone: 'whole' | 'faster' | 'slower' | 'noise';
}

/** "−1.2 ms", and whether that is more than noise. */
export function effectText({ deltaMs, difference }: Effect): string {
  if (deltaMs === null) return 'not known';
  const text = `${deltaMs < 0 ? '−' : '+'}${formatMicroseconds(Math.abs(deltaMs) * 1000)}`;
  return difference === 'within noise' ? `${text}, inside the noise` : text;
}

/** From the original through every step to the whole recipe. */
export function barsOf({ files, steps, total }: StepLatency, name: string): Bar[] {
  const whole = (key: string, title: string, file: TimedFile): Bar => {
    const { latency } = file;
    const text = latency ? formatMs(latency.medianMs) : 'failed';
    return { key, title, step: null, span: latency && [0, latency.medianMs], file, text, tone: 'whole' };
  };
  const middle = steps.map((step): Bar => {
    const { cumulated } = step;
    const [own, other] = [files[cumulated.file]!, files[cumulated.baseline]!];
    const { difference } = cumulated;
    return {
      key: step.step,
      title: step.title,
      step,
      span: own.latency && other.latency && [other.latency.medianMs, own.latency.medianMs],
      file: own,
      text: own.latency ? effectText(cumulated) : 'failed',
      tone: difference === 'faster' || difference === 'slower' ? difference : 'noise',
    };
  });
  const last = total ? [whole(' all', name, files[total.file]!)] : [];
  return [whole(' original', 'Original', files[0]!), ...middle, ...last];
}

/** The chart in a sentence or two. */
export function waterfallSummary({ files, steps, total }: StepLatency): string {
  if (!total) return 'No step changed anything.';
  const { latency } = files[total.file]!;
  const whole =
    latency === null || total.baselineMs === null
      ? 'The whole recipe did not run.'
      : `All steps together: ${formatMs(total.baselineMs)} to ${formatMs(latency.medianMs)} (${formatDelta(latency.medianMs / total.baselineMs - 1)}${total.difference === 'within noise' ? ', inside the noise' : ''}).`;
  const clear = steps.filter(({ cumulated: { difference } }) => difference === 'faster' || difference === 'slower');
  const most = [...clear].sort((a, b) => (a.cumulated.deltaMs ?? 0) - (b.cumulated.deltaMs ?? 0))[0];
  const best =
    most && (most.cumulated.deltaMs ?? 0) < 0
      ? `${most.title} bought most, ${effectText(most.cumulated)}.`
      : 'No single step is faster beyond the noise.';
  const noise = steps.filter(({ cumulated }) => cumulated.difference === 'within noise').length;
  return `${whole} ${best} ${noise} of ${steps.length} steps changed nothing beyond the noise.`;
}

/** Where a step fired first, as the graph can show it. */
export function firstNodeOf(step: LedgerStep | undefined): string | null {
  const entries = step?.entries ?? [];
  for (const { to } of entries) if (to[0]) return to[0];
  return entries[0]?.from[0] ?? null;
}
