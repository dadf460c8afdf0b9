import { type RefObject, useLayoutEffect, useState } from 'react';

/** @returns the pixels (CSS) that a square may take in the element: its width, and most of the window's height */
export function useRoom(element: RefObject<HTMLElement | null>): number {
  const [room, setRoom] = useState(0);
  useLayoutEffect(() => {
    const node = element.current;
    if (!node) return;
    const measure = () => {
      const share = document.fullscreenElement === node ? 1 : 0.62;
      setRoom(Math.floor(Math.min(node.clientWidth, innerHeight * share)));
    };
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    measure();
    return () => observer.disconnect();
  }, [element]);
  return room;
}
