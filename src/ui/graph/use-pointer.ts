/** Mouse, touch and wheel on a canvas: one finger or the left button pans, two fingers or Ctrl and the wheel zoom. */
import { type RefObject, useEffect, useRef } from 'react';

interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PointerActions {
  pan(dx: number, dy: number): void;
  zoom(factor: number, point: Point): void;
  click(point: Point): void;
  doubleClick(point: Point): void;
  /** null: the pointer has left. */
  hover(point: Point | null): void;
}

/** A press that moves less than this is a click. */
const CLICK_PIXELS = 5;
const DOUBLE_CLICK_MS = 400;
/** One notch of a wheel is about 100. */
const WHEEL_ZOOM = 0.0022;

export function usePointer(element: RefObject<HTMLElement | null>, actions: PointerActions): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const target = element.current!;
    const pressed = new Map<number, Point>();
    let moved = 0;
    let lastClick: { readonly at: number; readonly point: Point } | null = null;
    const pointOf = (event: MouseEvent): Point => {
      const { left, top } = target.getBoundingClientRect();
      return { x: event.clientX - left, y: event.clientY - top };
    };
    const onDown = (event: PointerEvent) => {
      // Controls on top of the canvas have their own presses.
      if (event.button > 0 || !(event.target instanceof HTMLCanvasElement) || event.target.parentElement !== target)
        return;
      target.setPointerCapture(event.pointerId);
      if (pressed.size === 0) moved = 0;
      pressed.set(event.pointerId, pointOf(event));
    };
    const onMove = (event: PointerEvent) => {
      const point = pointOf(event);
      const before = pressed.get(event.pointerId);
      if (!before) {
        if (event.pointerType === 'mouse') latest.current.hover(point);
        return;
      }
      const others = [...pressed].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
      pressed.set(event.pointerId, point);
      moved += Math.hypot(point.x - before.x, point.y - before.y);
      if (moved < CLICK_PIXELS) return;
      const [other] = others;
      if (!other) {
        latest.current.pan(point.x - before.x, point.y - before.y);
        return;
      }
      const spread = Math.hypot(point.x - other.x, point.y - other.y);
      const spreadBefore = Math.hypot(before.x - other.x, before.y - other.y);
      latest.current.pan((point.x - before.x) / 2, (point.y - before.y) / 2);
      if (spreadBefore > 1)
        latest.current.zoom(spread / spreadBefore, { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
    };
    const onUp = (event: PointerEvent) => {
      if (!pressed.delete(event.pointerId) || pressed.size > 0 || moved >= CLICK_PIXELS) return;
      if (event.type === 'pointercancel') return;
      const point = pointOf(event);
      const isDouble =
        lastClick !== null &&
        event.timeStamp - lastClick.at < DOUBLE_CLICK_MS &&
        Math.hypot(point.x - lastClick.point.x, point.y - lastClick.point.y) < 2 * CLICK_PIXELS;
      lastClick = isDouble ? null : { at: event.timeStamp, point };
      if (isDouble) latest.current.doubleClick(point);
      else latest.current.click(point);
    };
    const onLeave = () => latest.current.hover(null);
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      // Lines and pages as some mice send them.
      const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? target.clientHeight : 1;
      const dx = event.deltaX * unit;
      const dy = event.deltaY * unit;
      if (event.ctrlKey || event.metaKey) latest.current.zoom(Math.exp(-dy * WHEEL_ZOOM), pointOf(event));
      else if (event.shiftKey && dx === 0) latest.current.pan(-dy, 0);
      else latest.current.pan(-dx, -dy);
    };
    target.addEventListener('pointerdown', onDown);
    target.addEventListener('pointermove', onMove);
    target.addEventListener('pointerup', onUp);
    target.addEventListener('pointercancel', onUp);
    target.addEventListener('pointerleave', onLeave);
    target.addEventListener('wheel', onWheel, { passive: false });
    return () => {
      target.removeEventListener('pointerdown', onDown);
      target.removeEventListener('pointermove', onMove);
      target.removeEventListener('pointerup', onUp);
      target.removeEventListener('pointercancel', onUp);
      target.removeEventListener('pointerleave', onLeave);
      target.removeEventListener('wheel', onWheel);
    };
  }, [element]);
}
