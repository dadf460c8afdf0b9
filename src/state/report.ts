/** The Report of what is on the screen: the present variants with the figures that belong to their present settings. */
import type { Report, VariantResult } from '../core/study/results.ts';
import type { ReportSender } from '../core/study/shared-figures.ts';
import { studyKeys } from './measured.ts';
import { memoize } from './memoize.ts';
import { type Comparison, selectComparison } from './rows.ts';
import { type SenderView, selectSender } from './sender.ts';
import type { StudioState } from './store.ts';

/** @returns null before the first run; the same object while nothing that it depends on has changed */
export function currentReport(state: StudioState): Report | null {
  const { report, history, model, measured } = state;
  return report && history && model
    ? build(report, history, measured, selectComparison(state), selectSender(state))
    : null;
}

const build = memoize(
  (
    report: Report,
    history: NonNullable<StudioState['history']>,
    measured: StudioState['measured'],
    { rows }: Comparison,
    view: SenderView | null,
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
    // Of a report that was dropped on the page, the figures here are the page's own.
    const { sender: _before, ...own } = report;
    const sender = view && senderOf(view, history.present.ids);
    return {
      ...own,
      task: { ...report.task, ref: study.task },
      gate: study.gate,
      variants,
      ...(sender ? { sender } : {}),
    };
  },
);

/** @returns null when no variant has the settings any more that the sender measured */
function senderOf({ rows, ...view }: SenderView, ids: readonly string[]): ReportSender | null {
  if (Object.keys(rows).length === 0) return null;
  const variants = ids.map((id) => {
    const row = rows[id];
    if (!row) return null;
    const measurements = Object.values(row.byTarget).map(({ target, measurement }) => ({ ...measurement, target }));
    return { fileBytes: row.fileBytes, measurements };
  });
  return { ...view, variants };
}
