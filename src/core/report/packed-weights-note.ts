/** Which of the two ways to hold packed weights suits a target, said from what was measured there. */
import { compareLatency } from '../study/latency.ts';
import type { TargetMeasurement, VariantResult } from '../study/results.ts';
import { plainMegabytes } from './format.ts';

/**
 * @param twin the same file on the same target with the other setting, where that was measured too
 * @returns one sentence or two; nothing where no weights are packed or nothing is known yet
 */
export function packedWeightsNotes(
  { facts, recipe }: VariantResult,
  measurement: TargetMeasurement,
  original: TargetMeasurement | undefined,
  twin: TargetMeasurement | undefined,
): string[] {
  const packed = facts?.packedWeights;
  if (!packed || !measurement.latency) return [];
  const isExpanded = recipe.runtime.weightsAtLoad === 'dequantize';
  const memory = `${plainMegabytes(packed.expandedBytes)} of weights in memory instead of ${plainMegabytes(packed.storedBytes)} (predicted)`;
  if (twin?.latency) {
    const difference = compareLatency(measurement.latency, twin.latency);
    const [here, there] = [measurement.latency, twin.latency].map(({ medianMs }) => milliseconds(medianMs));
    const other = isExpanded ? 'as stored' : 'expanded when the model loads';
    const judged =
      difference === 'within noise'
        ? `no difference in latency, so as stored, the smaller in memory, suits this target`
        : `${(difference === 'faster') === isExpanded ? 'expanded' : 'as stored'} suits this target`;
    const heaps = heapNote(measurement, twin);
    return [
      `Packed weights, measured both ways: ${here} here, ${there} ${other}${heaps}; ${judged}. Expanded: ${memory}.`,
    ];
  }
  if (isExpanded) return [`Packed weights are expanded when the model loads: ${memory}.`];
  if (!original?.latency) return [];
  const difference = compareLatency(measurement.latency, original.latency);
  if (difference === 'slower')
    return [
      `Unpacking the weights in every run costs time here: ${milliseconds(measurement.latency.medianMs)} against the original's ${milliseconds(original.latency.medianMs)}. The runtime setting "Packed weights: expanded when the model loads" gives about the original's speed from the same file, for ${memory}.`,
    ];
  return difference === 'faster'
    ? ['Packed weights are faster than the original here: as stored suits this target.']
    : [];
}

function heapNote({ memory: here }: TargetMeasurement, { memory: there }: TargetMeasurement): string {
  const [own, other] = [here?.wasmHeapPeakBytes, there?.wasmHeapPeakBytes];
  return own && other ? ` (heap ${plainMegabytes(own)} and ${plainMegabytes(other)}, measured)` : '';
}

const milliseconds = (ms: number) => `${ms.toPrecision(3)} ms`;
