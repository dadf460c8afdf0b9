import type { JsonObject } from '../json.ts';

/** One row of the error table. */
export interface ErrorEntry {
  /** States the facts in one sentence, from the error's data. No advice, no blame. */
  readonly message: (data: JsonObject) => string;
  /** What the user can do about it; shown below the message. */
  readonly advice: string;
}

export type ErrorFamily = Readonly<Record<string, ErrorEntry>>;
