/** What must be said beside a row's figures so that nobody takes them for what they are not. */
import type { TargetMeasurement, VariantResult } from '../study/results.ts';
import type { Target } from '../study/schema.ts';
import { packedWeightsNotes } from './packed-weights-note.ts';

/** Operators named before "and others". */
const NAMED_OPERATORS = 5;

const homeOf: Readonly<Record<Target['provider'], RegExp>> = {
  wasm: /^CPU/,
  cpu: /^CPU/,
  webgpu: /^(WebGpu|Js)/,
  webnn: /^WebNN/,
};

/**
 * @param measurement undefined where nothing was measured
 * @param original the original's measurement on the same target, for what is compared with it
 * @param twin the same file on the same target with its packed weights held the other way, where that was measured
 * @returns plain sentences, most important first
 */
export function rowNotes(
  variant: VariantResult,
  measurement: TargetMeasurement | undefined,
  original: TargetMeasurement | undefined,
  twin?: TargetMeasurement,
): string[] {
  const provider = measurement?.target.provider;
  const warnings = (variant.facts?.advisories ?? [])
    .filter(({ level, providers }) => level === 'warning' && (!providers || !provider || providers.includes(provider)))
    .map(({ message }) => message);
  if (!measurement) return warnings;
  return [
    ...parityNote(measurement),
    ...placementNotes(measurement),
    ...optimizerNote(measurement),
    ...turnsNote(measurement, original),
    ...packedWeightsNotes(variant, measurement, original, twin),
    ...warnings,
  ];
}

function parityNote({ parity }: TargetMeasurement): string[] {
  if (!parity || parity.verdict === 'match') return [];
  const error = `largest error ${parity.maxAbsError.toPrecision(2)}, ${(parity.maxRelativeToPeak * 100).toPrecision(2)} % of the largest output`;
  return [
    parity.verdict === 'drift'
      ? `Slightly other numbers than ${parity.reference} from the same file: ${error}.`
      : `Other numbers than ${parity.reference} from the same file: ${error}.`,
  ];
}

/** A figure of a GPU whose nodes ran on the CPU must say so. Copies are the runtime's own nodes and not counted. */
function placementNotes({ placement, target }: TargetMeasurement): string[] {
  if (!placement) return [];
  let all = 0;
  const elsewhere = new Map<string, number>();
  for (const { provider, opTypes } of placement.providers)
    for (const [opType, count] of Object.entries(opTypes)) {
      if (opType.startsWith('Memcpy')) continue;
      all += count;
      if (!homeOf[target.provider].test(provider)) elsewhere.set(opType, (elsewhere.get(opType) ?? 0) + count);
    }
  const moved = [...elsewhere.values()].reduce((sum, count) => sum + count, 0);
  if (moved === 0) return [];
  const named = [...elsewhere].sort((a, b) => b[1] - a[1]).map(([opType, count]) => `${opType} x ${count}`);
  const list = named.slice(0, NAMED_OPERATORS).join(', ') + (named.length > NAMED_OPERATORS ? ', and others' : '');
  const copies =
    placement.copies > 0
      ? `, with ${placement.copies} ${placement.copies === 1 ? 'copy' : 'copies'} between devices`
      : '';
  return [`${moved} of ${all} nodes ran on the CPU (${list})${copies}.`];
}

/** From this much agreement of the original with itself on, on the same provider, rounding may be the reason. */
const REPEATS = 0.999;

/**
 * Agreement is with what the original computed once. A model with random operators computes something else each time, and
 * then "no worse than the original" says next to nothing.
 * @param original the original's own measurement, in a study that compares with its outputs
 */
export function repeatNote(original: TargetMeasurement | undefined): string[] {
  const own = original?.evaluation?.metrics[0];
  const isReference = original?.target.provider === 'wasm' || original?.target.provider === 'cpu';
  if (!own || !isReference || own.value >= REPEATS) return [];
  return [
    `The original does not repeat itself: run again on the same inputs, it agrees with its own outputs to ${own.value.toFixed(3)} only, as models with random operators do. Verdicts from agreement mean little here.`,
  ];
}

function optimizerNote({ optimizers }: TargetMeasurement): string[] {
  const unknown = optimizers?.unknownDisabled ?? [];
  return unknown.length > 0
    ? [`Switched off without effect, since the runtime has no optimizer of this name: ${unknown.join(', ')}.`]
    : [];
}

function turnsNote({ latency }: TargetMeasurement, original: TargetMeasurement | undefined): string[] {
  if (!latency || !original?.latency || latency.turnsBeganAt === original.latency.turnsBeganAt) return [];
  return ['Timed apart from the original, not in turns with it: differences below 10 % are called noise.'];
}
