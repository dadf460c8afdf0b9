/** The memory plan of a model as text: the peak, and the tensors that make it. */
import { liveAt, type MemoryBuffer, type MemoryTimeline } from '../core/analysis/memory-plan.ts';
import { formatBytes, formatTable } from './format.ts';

/** @param top rows shown; 0: all */
export function memoryText(name: string, timeline: MemoryTimeline, top: number): string {
  const { peakBytes, peakStep, steps, weightBytes, unknownValues, unknownExamples, dims } = timeline;
  const peak = steps[peakStep];
  const assumed = dims.filter(({ isAssumed }) => isAssumed).map(({ symbol, value }) => `${symbol}=${value}`);
  const lines = [
    `${name}: predicted from shapes, without the runtime's own memory`,
    peak
      ? `  peak ${formatBytes(peakBytes)} of activations at node ${peakStep + 1} of ${steps.length}, ${peak.op} ${peak.node}; ${formatBytes(weightBytes)} of weights beside them`
      : '  no nodes',
  ];
  if (dims.length > 0) lines.push(`  sizes: ${dims.map(({ symbol, value }) => `${symbol}=${value}`).join(', ')}`);
  if (assumed.length > 0) lines.push(`  assumed, give them with --dim: ${assumed.join(', ')}`);
  if (unknownValues > 0)
    lines.push(
      `  too low: ${unknownValues} values of unknown size are not counted (${unknownExamples.join(', ')}${unknownValues > unknownExamples.length ? ', ...' : ''})`,
    );
  const alive = peak ? liveAt(timeline, peakStep) : [];
  const shown = top > 0 ? alive.slice(0, top) : alive;
  const rows = shown.map((buffer) => [
    `  ${buffer.value}`,
    formatBytes(buffer.bytes),
    peakBytes > 0 ? `${((100 * buffer.bytes) / peakBytes).toFixed(1)} %` : '',
    producerText(timeline, buffer),
    lifetimeText(buffer),
    buffer.shared.map(({ value, how }) => `${value} (${how === 'view' ? 'view' : 'in place'})`).join(', '),
  ]);
  if (rows.length > 0)
    lines.push(formatTable([['  alive at the peak', 'bytes', 'share', 'made by', 'nodes', 'shared with'], ...rows]));
  if (alive.length > shown.length) lines.push(`  ${alive.length - shown.length} more (--top 0 shows all).`);
  return lines.join('\n');
}

function producerText({ steps }: MemoryTimeline, { kind, from }: MemoryBuffer): string {
  return kind === 'input' ? 'input' : (steps[from]?.op ?? '');
}

/** Counted from 1, as "node 3 of 120" is. */
function lifetimeText({ from, to }: MemoryBuffer): string {
  return `${Math.max(from, 0) + 1} to ${to + 1}`;
}
