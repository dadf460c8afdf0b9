/** The error lens as numbers for its chart, its table, its sentence and its file. */
import type { LensLayer, LensResult } from '../../core/precision/results.ts';
import { csvText } from '../../core/report/csv-text.ts';

/** From here on values are the same for every purpose; figures are cut off at 200 dB, which means bit-equal. */
export const EQUAL_DB = 200;

/** Decibels with one decimal; what is bit-equal or not finite says so. */
export function formatDb(db: number): string {
  if (db >= EQUAL_DB) return 'equal';
  if (db <= -EQUAL_DB) return 'not finite';
  return `${db < 0 ? '\u2212' : ''}${Math.abs(db).toFixed(1)}\u202fdB`;
}

/** Range of the axis in steps of 10 dB around what is not equal; equal values stand at its upper end. */
export function decibelDomain(layers: readonly LensLayer[]): [number, number] {
  const values = layers
    .flatMap(({ local, accumulated }) => [local.sqnrDb, accumulated.sqnrDb])
    .filter((db) => Math.abs(db) < EQUAL_DB);
  if (values.length === 0) return [0, 60];
  const low = Math.floor(Math.min(...values, 20) / 10) * 10;
  const high = Math.ceil(Math.max(...values) / 10) * 10;
  return [Math.max(low, -40), Math.min(Math.max(high, low + 20), 120)];
}

/** Changed layers, most error of their own first. */
export function weakestLayers({ layers }: LensResult): LensLayer[] {
  return layers
    .filter(({ changed, local }) => changed && local.sqnrDb < EQUAL_DB)
    .sort((a, b) => a.local.sqnrDb - b.local.sqnrDb);
}

/** The point in two sentences. */
export function lensSummary(result: LensResult): string {
  const weakest = weakestLayers(result);
  const [first] = weakest;
  const output = result.outputs.reduce(
    (worst, { sqnrDb }) => Math.min(worst, sqnrDb),
    result.outputs.length > 0 ? EQUAL_DB : Number.NaN,
  );
  const end = Number.isNaN(output) ? '' : ` At the output it adds up to ${formatDb(output)}.`;
  if (!first) return `No layer differs from the original’s.${end}`;
  const others = weakest.length === 1 ? '' : ` of ${weakest.length} layers that differ`;
  return `Most error comes from ${first.name} (${first.opType}): ${formatDb(first.local.sqnrDb)} by itself, the lowest${others}.${end}`;
}

export function lensCsv({ layers }: LensResult): string {
  return csvText(
    [
      'order',
      'layer',
      'op_type',
      'changed',
      'parameters',
      'local_sqnr_db',
      'local_cosine',
      'local_max_abs',
      'accumulated_sqnr_db',
      'accumulated_cosine',
      'accumulated_max_abs',
    ],
    layers.map(({ order, name, opType, changed, parameters, local, accumulated }) => [
      order,
      name,
      opType,
      String(changed),
      parameters,
      local.sqnrDb,
      local.cosine,
      local.maxAbs,
      accumulated.sqnrDb,
      accumulated.cosine,
      accumulated.maxAbs,
    ]),
  );
}
