import type { JsonObject } from '../json.ts';
import { calibErrors } from './calib.ts';
import type { ErrorEntry } from './family.ts';
import { fileErrors } from './file.ts';
import { hubErrors } from './hub.ts';
import { internalErrors } from './internal.ts';
import { jobErrors } from './job.ts';
import { modelErrors } from './model.ts';
import { passErrors } from './pass.ts';
import { projectErrors } from './project.ts';
import { recipeErrors } from './recipe.ts';
import { runtimeErrors } from './runtime.ts';
import { storageErrors } from './storage.ts';
import { taskErrors } from './task.ts';
import { workerErrors } from './worker.ts';

/** Every error that Whittle can raise on purpose: one table, one file a family. */
export const errorTable = {
  ...fileErrors,
  ...hubErrors,
  ...modelErrors,
  ...recipeErrors,
  ...passErrors,
  ...taskErrors,
  ...calibErrors,
  ...runtimeErrors,
  ...workerErrors,
  ...jobErrors,
  ...storageErrors,
  ...projectErrors,
  ...internalErrors,
};

export type ErrorCode = keyof typeof errorTable;

/**
 * The one error class. `code` is stable and tested for; `data` are the facts (JSON, so that it survives workers and
 * reports); the message is made from both. Advice is looked up by code, never stored.
 */
export class StudioError extends Error {
  override readonly name = 'StudioError';
  readonly code: ErrorCode;
  readonly data: JsonObject;

  constructor(code: ErrorCode, data: JsonObject = {}, cause?: unknown) {
    const entry: ErrorEntry = errorTable[code];
    super(entry.message(data), cause === undefined ? undefined : { cause });
    this.code = code;
    this.data = data;
  }

  get advice(): string {
    return errorTable[this.code].advice;
  }
}

/** The JSON form of an error, for worker messages and reports. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly data: JsonObject;
  readonly message: string;
  readonly advice: string;
  readonly cause?: string;
}

export function toErrorRecord(error: unknown): ErrorRecord {
  const studioError = asStudioError(error);
  const { cause } = studioError;
  return {
    code: studioError.code,
    data: studioError.data,
    message: studioError.message,
    advice: studioError.advice,
    ...(cause === undefined ? {} : { cause: cause instanceof Error ? cause.message : String(cause) }),
  };
}

export function fromErrorRecord(record: ErrorRecord): StudioError {
  const known = record.code in errorTable;
  return known
    ? new StudioError(record.code, record.data, record.cause)
    : new StudioError('internal/unexpected', { message: record.message }, record.cause);
}

/** Anything thrown becomes a StudioError; what nobody mapped is `internal/unexpected` with the original as its cause. */
export function asStudioError(error: unknown): StudioError {
  if (error instanceof StudioError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StudioError('internal/unexpected', { message }, error);
}
