/**
 * A report of a run changes cards, charts and the table at once, and React draws a store's change in one task. What is
 * heavy to draw follows a value a little later instead, one part a frame, so that keys and clicks are answered between.
 */
import { useEffect, useState } from 'react';
import { flushSync } from 'react-dom';

const waiting = new Set<() => void>();
let scheduled = false;

/** Calls it in a task of its own, after those that wait already. @returns takes it back */
export function takeTurn(draw: () => void): () => void {
  waiting.add(draw);
  schedule();
  return () => void waiting.delete(draw);
}

function schedule(): void {
  if (scheduled || waiting.size === 0) return;
  scheduled = true;
  // A frame later than the next: what waits for its size (charts do) is drawn between. Hidden pages have no frames.
  if (document.hidden) setTimeout(next);
  else requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(next)));
}

function next(): void {
  scheduled = false;
  const [draw] = waiting;
  if (!draw) return;
  waiting.delete(draw);
  // Left to React, the drawing would be put off and joined with that of the next turn.
  flushSync(draw);
  schedule();
}

/** Follows a value: the component draws with the newest one when it is its turn. */
export function useInTurn<T>(value: T): T {
  const [shown, setShown] = useState(value);
  useEffect(() => {
    if (Object.is(shown, value)) return undefined;
    return takeTurn(() => setShown(() => value));
  }, [shown, value]);
  return shown;
}

/** False at first, true from its turn on: for what is heavy to draw the first time. */
export function useTurnToDraw(): boolean {
  const [due, setDue] = useState(false);
  useEffect(() => takeTurn(() => setDue(true)), []);
  return due;
}
