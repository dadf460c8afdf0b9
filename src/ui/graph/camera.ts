/** Where one looks: screen = (world - origin) * scale. Pixels are CSS pixels. */

export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export const MAX_SCALE = 3;
/** A picture is never smaller than a part of this many pixels. */
const MIN_EXTENT = 60;
const MARGIN = 24;

export function minScale(content: Size, view: Size): number {
  return Math.min(0.5, wholeScale(content, view));
}

/** The whole, as long as it is more than a line. */
function wholeScale(content: Size, view: Size): number {
  const across = (view.width - 2 * MARGIN) / Math.max(1, content.width);
  return Math.max(fitScale(content, view), Math.min(across, MIN_EXTENT / Math.max(1, content.width)));
}

function fitScale(content: Size, view: Size): number {
  const across = (view.width - 2 * MARGIN) / Math.max(1, content.width);
  const down = (view.height - 2 * MARGIN) / Math.max(1, content.height);
  return Math.max(1e-4, Math.min(1.25, across, down));
}

export function fitCamera(content: Size, view: Size): Camera {
  const scale = wholeScale(content, view);
  const isWhole = content.height * scale <= view.height;
  return {
    scale,
    x: content.width / 2 - view.width / 2 / scale,
    y: isWhole ? content.height / 2 - view.height / 2 / scale : -MARGIN / scale,
  };
}

/** Texts are readable at this scale. */
const READABLE = 0.5;

/** The whole where it is readable, else its beginning. @param x where it begins */
export function firstCamera(content: Size, view: Size, x: number): Camera {
  const fit = fitCamera(content, view);
  if (fit.scale >= READABLE) return fit;
  const across = (view.width - 2 * MARGIN) / Math.max(1, content.width);
  const scale = Math.max(READABLE, Math.min(0.9, across));
  const centre = content.width * scale <= view.width ? content.width / 2 : x;
  return { scale, x: centre - view.width / 2 / scale, y: -MARGIN / scale };
}

/** Zooms about a point of the screen, which stays where it is. */
export function zoomAt(camera: Camera, point: { x: number; y: number }, factor: number, least: number): Camera {
  const scale = Math.min(MAX_SCALE, Math.max(least, camera.scale * factor));
  return {
    scale,
    x: camera.x + point.x / camera.scale - point.x / scale,
    y: camera.y + point.y / camera.scale - point.y / scale,
  };
}

export function panBy(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x - dx / camera.scale, y: camera.y - dy / camera.scale };
}

/** So that at least a corner of the picture stays in sight. */
export function keepInSight(camera: Camera, content: Size, view: Size): Camera {
  const spareX = (view.width - MIN_EXTENT) / camera.scale;
  const spareY = (view.height - MIN_EXTENT) / camera.scale;
  return {
    scale: camera.scale,
    x: Math.min(Math.max(camera.x, -spareX), content.width - MIN_EXTENT / camera.scale),
    y: Math.min(Math.max(camera.y, -spareY), content.height - MIN_EXTENT / camera.scale),
  };
}

/** Moves as little as brings a box into sight, a little away from the border; too far away it goes to the middle. */
export function showBox(
  camera: Camera,
  box: { x: number; y: number; width: number; height: number },
  view: Size,
): Camera {
  const scale = camera.scale < 0.35 ? 0.7 : camera.scale;
  const width = view.width / scale;
  const height = view.height / scale;
  const inset = Math.min(width, height) * 0.12;
  const isNear =
    scale === camera.scale &&
    box.x > camera.x - width &&
    box.x < camera.x + 2 * width &&
    box.y > camera.y - height &&
    box.y < camera.y + 2 * height;
  if (!isNear)
    return {
      scale,
      x: box.x + Math.min(box.width, width) / 2 - width / 2,
      y: box.y + Math.min(box.height, height) / 2 - height / 2,
    };
  return {
    scale,
    x: nudge(camera.x, width, box.x, box.width, inset, box.x + box.width / 2 - width / 2),
    y: nudge(camera.y, height, box.y, box.height, inset, box.y - inset),
  };
}

/** @param large where to look when the box is larger than the view */
function nudge(origin: number, extent: number, start: number, length: number, inset: number, large: number): number {
  if (length > extent - 2 * inset) return large;
  if (start < origin + inset) return start - inset;
  if (start + length > origin + extent - inset) return start + length + inset - extent;
  return origin;
}
