/** What was measured, by what it was measured for, and the run in progress. */
import type { ErrorRecord } from '../core/base/errors/index.ts';
import type { Progress } from '../core/base/progress.ts';
import type { Report } from '../core/study/results.ts';
import { noAnalysis } from './analysis-slice.ts';
import { type MeasuredVariant, mergeReport } from './measured.ts';
import type { SliceCreator } from './store.ts';
import type { StudyDraft } from './study-slice.ts';

/** What a job is about: the status line, announcements and panels go by it. */
export type JobKind = 'run' | 'lens' | 'sensitivity' | 'search' | 'profile' | 'ceilings' | 'steps';

export interface RunningJob {
  readonly kind: JobKind;
  readonly startedAt: number;
  readonly progress: Progress | null;
  readonly ids: readonly string[];
  /** ISO 8601; set when everything is measured anew, whatever is known. */
  readonly freshSince: string | null;
}

export interface RunSlice {
  job: RunningJob | null;
  runError: ErrorRecord | null;
  /** The last report as the engine gave it: environment, task and metric definitions are read from it. */
  report: Report | null;
  /** Everything measured for this model, by `measuredKey`. */
  measured: Readonly<Record<string, MeasuredVariant>>;
  /** The key that each variant was last measured under: what a card shows, greyed, once its settings have changed. */
  lastMeasuredKey: Readonly<Record<string, string>>;

  /** The last thing that ended, in a sentence, for assistive technology; runs are summed up from their figures. */
  said: string;

  startJob(ids: readonly string[], fresh?: boolean, kind?: JobKind): void;
  jobProgress(progress: Progress): void;
  /** Takes a (partial) report of a run of `used`. */
  takeReport(report: Report, used: StudyDraft): void;
  endJob(error: ErrorRecord | null, said?: string): void;
  forgetResults(): void;
}

export const createRunSlice: SliceCreator<RunSlice> = (set) => ({
  job: null,
  runError: null,
  report: null,
  measured: {},
  lastMeasuredKey: {},
  said: '',

  startJob(ids, fresh = false, kind = 'run') {
    const freshSince = fresh ? new Date().toISOString() : null;
    set({ job: { kind, startedAt: performance.now(), progress: null, ids, freshSince }, runError: null, said: '' });
  },
  jobProgress(progress) {
    set((state) => (state.job ? { job: { ...state.job, progress } } : {}));
  },
  takeReport(report, used) {
    set((state) => {
      const merged = mergeReport(state, report, used);
      return { report, ...merged };
    });
  },
  endJob(error, said = '') {
    set({ job: null, runError: error, said: error?.message ?? said });
  },
  forgetResults() {
    set({
      report: null,
      measured: {},
      lastMeasuredKey: {},
      runError: null,
      nodeFigures: {},
      selectedNode: null,
      ...noAnalysis,
      profiles: {},
      profileError: null,
      stepLatencies: {},
      stepError: null,
      sender: null,
    });
  },
});
