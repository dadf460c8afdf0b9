/** The sender's figures by the variants on the screen. */

import { targetLabel } from '../core/study/run.ts';
import type { Gate, Study, Target } from '../core/study/schema.ts';
import type { SharedFigures, SharedMeasurement, SharedMetric } from '../core/study/shared-figures.ts';
import { measuredKey, studyKeys, targetKey } from './measured.ts';
import { memoize } from './memoize.ts';
import type { Sender } from './sender-slice.ts';
import type { StudioState } from './store.ts';

export interface SenderCell {
  /** As it ran there: "WASM, 8 threads". */
  readonly label: string;
  readonly target: Target;
  readonly measurement: SharedMeasurement;
}

export interface SenderRow {
  readonly fileBytes: number;
  /** By `targetKey`. */
  readonly byTarget: Readonly<Record<string, SenderCell>>;
}

export interface SenderView {
  readonly device: string;
  readonly runtime: string;
  /** ISO 8601, the day. */
  readonly measuredOn: string;
  readonly metric: SharedMetric | null;
  /** The gate that the sender's verdicts are of. */
  readonly gate: Gate;
  /** By the variant's id: those whose settings are still just what the sender measured. */
  readonly rows: Readonly<Record<string, SenderRow>>;
}

const view = memoize((sender: Sender | null, history: StudioState['history']): SenderView | null => {
  if (!sender || !history) return null;
  const { study, figures } = sender;
  const byKey = new Map(
    study.variants.flatMap((recipe, index) => {
      const row = senderRow(study, figures, index);
      return row ? [[measuredKey(recipe, study.task, study.plan), row]] : [];
    }),
  );
  const rows = studyKeys(history.present).flatMap(({ id, key }) => {
    const row = byKey.get(key);
    return row ? [[id, row] as const] : [];
  });
  const { device, runtime, measuredOn, metric } = figures;
  return { device, runtime, measuredOn, metric, gate: study.gate, rows: Object.fromEntries(rows) };
});

/** @returns the same object while nothing that it depends on has changed; null when there is nothing of a sender's */
export function selectSender({ sender, history }: StudioState): SenderView | null {
  return view(sender, history);
}

function senderRow({ targets }: Study, { variants }: SharedFigures, index: number): SenderRow | null {
  const variant = variants[index];
  if (!variant) return null;
  const cells = targets.flatMap((target, at) => {
    const measurement = variant.measurements[at];
    if (!measurement) return [];
    // Threads of the CPU only: on a GPU they say nothing of it.
    const threads = target.provider === 'wasm' || target.provider === 'cpu' ? measurement.threads : 0;
    return [[targetKey(target), { label: targetLabel({ ...target, threads }), target, measurement }] as const];
  });
  return { fileBytes: variant.fileBytes, byTarget: Object.fromEntries(cells) };
}
