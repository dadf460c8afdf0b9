import { type PointerEvent, useLayoutEffect, useMemo, useRef } from 'react';
import type { Camera, Size } from './camera.ts';
import styles from './graph.module.css';
import type { Ink } from './ink.ts';
import type { BoxPaint, Scene } from './scene.ts';

interface MinimapProps {
  readonly scene: Scene;
  readonly paints: readonly (BoxPaint | undefined)[];
  readonly camera: Camera;
  readonly view: Size;
  readonly ink: Ink;
  readonly onLook: (camera: Camera) => void;
}

const WIDTH = 80;
const HEIGHT = 140;
/** With its margin: what it covers of the picture. */
export const MINIMAP_WIDTH = WIDTH + 16;

/** The whole in a corner; pressing there looks there. For the mouse only: keys and the list reach everything too. */
export function Minimap({ scene, paints, camera, view, ink, onLook }: MinimapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { totalWidth, totalHeight } = scene.layout;
  // Graphs are tall; each direction has its own scale, so that both are used.
  const scaleX = WIDTH / Math.max(1, totalWidth);
  const scaleY = HEIGHT / Math.max(1, totalHeight);
  const isWhole =
    camera.x <= 0 &&
    camera.y <= 0 &&
    camera.x + view.width / camera.scale >= totalWidth &&
    camera.y + view.height / camera.scale >= totalHeight;
  const picture = useMemo(() => drawOverview(scene, paints, ink, scaleX, scaleY), [scene, paints, ink, scaleX, scaleY]);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const ratio = devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(picture, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.strokeStyle = ink.accent;
    context.lineWidth = 1.5;
    const width = Math.max(4, (view.width / camera.scale) * scaleX);
    const height = Math.max(4, (view.height / camera.scale) * scaleY);
    context.strokeRect(camera.x * scaleX, camera.y * scaleY, width, height);
  }, [picture, camera, view, ink, scaleX, scaleY]);
  const lookThere = (event: PointerEvent<HTMLCanvasElement>) => {
    if (event.buttons !== 1) return;
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
    const { left, top } = event.currentTarget.getBoundingClientRect();
    const { scale } = camera;
    onLook({
      scale,
      x: (event.clientX - left) / scaleX - view.width / 2 / scale,
      y: (event.clientY - top) / scaleY - view.height / 2 / scale,
    });
  };
  if (isWhole) return null;
  return (
    <canvas
      ref={canvas}
      className={styles.minimap}
      aria-hidden
      width={WIDTH * devicePixelRatio}
      height={HEIGHT * devicePixelRatio}
      style={{ width: WIDTH, height: HEIGHT }}
      onPointerDown={lookThere}
      onPointerMove={lookThere}
    />
  );
}

function drawOverview(
  scene: Scene,
  paints: MinimapProps['paints'],
  ink: Ink,
  scaleX: number,
  scaleY: number,
): HTMLCanvasElement {
  const picture = document.createElement('canvas');
  picture.width = WIDTH * devicePixelRatio;
  picture.height = HEIGHT * devicePixelRatio;
  const context = picture.getContext('2d');
  if (!context) return picture;
  context.fillStyle = ink.raised;
  context.fillRect(0, 0, picture.width, picture.height);
  context.scale(devicePixelRatio * scaleX, devicePixelRatio * scaleY);
  const { x, y, width, height } = scene.layout;
  for (const [box, { kind }] of scene.graph.boxes.entries()) {
    if (kind === 'container') continue;
    context.fillStyle = paints[box]?.fill ?? ink.edge;
    // At least half a pixel, or long graphs would be empty.
    context.fillRect(x[box]!, y[box]!, Math.max(width[box]!, 0.5 / scaleX), Math.max(height[box]!, 0.5 / scaleY));
  }
  return picture;
}
