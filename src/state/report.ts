/** The Report of what is on the screen: the present variants with the figures that belong to their present settings. */
import type { Report, VariantResult } from '../core/study/results.ts';
import { studyKeys } from './measured.ts';
import { selectComparison } from './rows.ts';
import type { StudioState } from './store.ts';

/** @returns null before the first run */
export function currentReport(state: StudioState): Report | null {
  const { report, history, model } = state;
  if (!report || !history || !model) return null;
  const { study } = history.present;
  const { rows } = selectComparison(state);
  const variants = studyKeys(history.present).map(({ key, recipe }, index): VariantResult => {
    const entry = state.measured[key];
    if (!entry) return { recipe, facts: null, error: null, measurements: [] };
    const measurements = (rows[index]?.cells ?? []).flatMap(({ measurement, verdict }) =>
      measurement ? [{ ...measurement, verdict }] : [],
    );
    return { recipe, facts: entry.facts, error: entry.error, measurements };
  });
  return { ...report, task: { ...report.task, ref: study.task }, gate: study.gate, variants };
}
