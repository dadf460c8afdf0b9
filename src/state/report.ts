/** The Report of what is on the screen: the present variants with the figures that belong to their present settings. */
import type { Report, VariantResult } from '../core/study/results.ts';
import { studyKeys } from './measured.ts';
import { memoize } from './memoize.ts';
import { type Comparison, selectComparison } from './rows.ts';
import type { StudioState } from './store.ts';

/** @returns null before the first run; the same object while nothing that it depends on has changed */
export function currentReport(state: StudioState): Report | null {
  const { report, history, model, measured } = state;
  return report && history && model ? build(report, history, measured, selectComparison(state)) : null;
}

const build = memoize(
  (
    report: Report,
    history: NonNullable<StudioState['history']>,
    measured: StudioState['measured'],
    { rows }: Comparison,
  ): Report => {
    const { study } = history.present;
    const variants = studyKeys(history.present).map(({ key, recipe }, index): VariantResult => {
      const entry = measured[key];
      if (!entry) return { recipe, facts: null, error: null, measurements: [] };
      const measurements = (rows[index]?.cells ?? []).flatMap(({ measurement, verdict }) =>
        measurement ? [{ ...measurement, verdict }] : [],
      );
      return { recipe, facts: entry.facts, error: entry.error, measurements };
    });
    return { ...report, task: { ...report.task, ref: study.task }, gate: study.gate, variants };
  },
);
