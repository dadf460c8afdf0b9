import { useEffect, useRef, useState } from 'react';

const DURATION_MS = 450;

/**
 * Numbers on their way from one measured state to the next. What was not measured before or is not measured now jumps:
 * a bar that grows out of nothing would tell of a state that never was. Who wants less motion gets none.
 */
export function useTween(wanted: readonly (number | null)[]): readonly (number | null)[] {
  const [shown, setShown] = useState(wanted);
  const now = useRef(wanted);
  const key = JSON.stringify(wanted);
  useEffect(() => {
    const target = JSON.parse(key) as (number | null)[];
    const start = now.current;
    const set = (next: readonly (number | null)[]) => {
      now.current = next;
      setShown(next);
    };
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const isMeasured = start.some((value, index) => value !== null && target[index] != null && value !== target[index]);
    if (still || !isMeasured) {
      set(target);
      return;
    }
    const began = performance.now();
    let frame = requestAnimationFrame(function step(time) {
      const share = Math.min(Math.max((time - began) / DURATION_MS, 0), 1);
      const eased = 1 - (1 - share) ** 3;
      set(
        share === 1
          ? target
          : target.map((to, index) => {
              const from = start[index];
              return from == null || to === null ? to : from + (to - from) * eased;
            }),
      );
      if (share < 1) frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [key]);
  return shown.length === wanted.length ? shown : wanted;
}
