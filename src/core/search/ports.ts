/** What a search needs from its host beyond what a study needs. */
import type { JobContext } from '../base/progress.ts';
import type { CandidateSettings } from '../precision/candidates.ts';
import type { CandidateId, SensitivityResult } from '../precision/results.ts';
import type { StudyHost } from '../study/ports.ts';

export interface SensitivityOptions {
  readonly candidates: readonly CandidateId[];
  readonly settings?: Partial<CandidateSettings>;
  readonly maxSamples?: number;
  readonly resume?: SensitivityResult;
}

export interface SearchHost<Handle> extends StudyHost<Handle> {
  /**
   * Of the model after the steps that lose nothing, on the task's calibration inputs.
   * @param onPartial gets what is known so far, from time to time
   */
  sensitivity(
    options: SensitivityOptions,
    job: JobContext,
    onPartial: (partial: SensitivityResult) => void,
  ): Promise<SensitivityResult>;
}
