/** Words and bands of the memory chart. */
import { liveAt, type MemoryBuffer, type MemoryTimeline } from '../../core/analysis/memory-plan.ts';
import { formatBytes, formatCount } from '../format.ts';

export interface Band {
  readonly buffer: MemoryBuffer;
  readonly colour: string;
}

/** Okabe and Ito's, as the theme has them. */
const COLOURS = ['var(--series-heap)', 'var(--series-activations)', 'var(--series-process)', 'var(--series-gpu)'];

/** The largest tensors at the peak: drawn as bands of their own. */
export function topOfPeak(timeline: MemoryTimeline): readonly Band[] {
  const largest = liveAt(timeline, timeline.peakStep).filter(({ bytes }) => bytes > 0);
  return COLOURS.slice(0, largest.length).map((colour, index) => ({ buffer: largest[index]!, colour }));
}

export function memorySummary(timeline: MemoryTimeline): string {
  const { steps, peakStep, peakBytes, weightBytes } = timeline;
  const peak = steps[peakStep];
  if (!peak) return 'The model has no nodes.';
  const [first, second] = liveAt(timeline, peakStep);
  const makers = [first, second].flatMap((one) => (one ? [`${one.value} (${formatBytes(one.bytes)})`] : []));
  return `Predicted peak: ${formatBytes(peakBytes)} of activations at node ${formatCount(peakStep + 1)} of ${formatCount(steps.length)}, ${peak.op} ${peak.node}, mostly ${makers.join(' and ')}; ${formatBytes(weightBytes)} of weights beside them.`;
}

export function memoryNotes({ dims, unknownValues, unknownExamples }: MemoryTimeline): string[] {
  const assumed = dims.filter(({ isAssumed }) => isAssumed);
  return [
    ...(assumed.length > 0
      ? [
          `Sizes that the task does not give were taken as usual: ${assumed.map(({ symbol, value }) => `${symbol} = ${value}`).join(', ')}.`,
        ]
      : []),
    ...(unknownValues > 0
      ? [
          `${formatCount(unknownValues)} values of unknown size are not counted, so these figures are too low: ${unknownExamples.join(', ')}${unknownValues > unknownExamples.length ? ', …' : ''}.`,
        ]
      : []),
  ];
}

export function producerText({ steps }: MemoryTimeline, { kind, from, value }: MemoryBuffer): string {
  if (kind === 'input') return 'input of the model';
  if (kind === 'subgraph') return `inside ${value}`;
  const step = steps[from];
  return `${step?.op ?? ''}${kind === 'output' ? ', output of the model' : ''}`;
}

/** Counted from 1. */
export function lifetimeText({ from, to }: MemoryBuffer): string {
  return `${formatCount(Math.max(from, 0) + 1)} to ${formatCount(to + 1)}`;
}

const SHOWN = 3;

export function sharedText({ shared }: MemoryBuffer): string {
  const texts = shared.slice(0, SHOWN).map(({ value, how }) => `${value} (${how === 'view' ? 'view' : 'in place'})`);
  const rest = shared.length - texts.length;
  return `${texts.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
