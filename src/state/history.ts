/** Undo and redo over an immutable value. */

export const HISTORY_LIMIT = 100;

export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
  /** Edits with the same tag within `COALESCE_MS` become one undo step (typing a number, dragging a slider). */
  readonly lastTag: string | null;
  readonly lastAt: number;
}

export const COALESCE_MS = 800;

export function startHistory<T>(present: T): History<T> {
  return { past: [], present, future: [], lastTag: null, lastAt: 0 };
}

/**
 * @param tag edits that belong together carry the same tag; null never coalesces
 * @param now milliseconds, monotonic
 */
export function pushHistory<T>(history: History<T>, next: T, tag: string | null, now: number): History<T> {
  if (Object.is(next, history.present)) return history;
  const coalesce = tag !== null && tag === history.lastTag && now - history.lastAt < COALESCE_MS;
  const past = coalesce ? history.past : [...history.past, history.present].slice(-HISTORY_LIMIT);
  return { past, present: next, future: [], lastTag: tag, lastAt: now };
}

/** Changes the present without an undo step: selection of a view, or a value filled in by the program. */
export function amendHistory<T>(history: History<T>, next: T): History<T> {
  return { ...history, present: next };
}

export function undo<T>(history: History<T>): History<T> {
  const previous = history.past.at(-1);
  if (previous === undefined) return history;
  return {
    past: history.past.slice(0, -1),
    present: previous,
    future: [history.present, ...history.future],
    lastTag: null,
    lastAt: 0,
  };
}

export function redo<T>(history: History<T>): History<T> {
  const [next, ...future] = history.future;
  if (next === undefined) return history;
  return { past: [...history.past, history.present], present: next, future, lastTag: null, lastAt: 0 };
}
