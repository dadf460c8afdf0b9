import type { StudioError } from './errors/index.ts';

/** Bad input is a value; a broken invariant throws. */
export type Result<T, E = StudioError> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

export const ok = <T>(value: T): Result<T, never> => ({ ok: true, value });
export const err = <E>(error: E): Result<never, E> => ({ ok: false, error });
