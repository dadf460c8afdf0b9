/**
 * The picture of a graph: pan, zoom, choose, walk by keys. It draws what it is given (a scene and how each box looks) and
 * knows nothing of models, so the graph view and the diff share it. What it shows must also be on the page as text.
 */
import { type KeyboardEvent, type Ref, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from 'react';
import {
  type Camera,
  firstCamera,
  fitCamera,
  keepInSight,
  minScale,
  panBy,
  type Size,
  showBox,
  zoomAt,
} from './camera.ts';
import { drawScene } from './draw.ts';
import styles from './graph.module.css';
import { useInk } from './ink.ts';
import { MINIMAP_WIDTH, Minimap } from './Minimap.tsx';
import type { BoxPaint, Scene } from './scene.ts';
import { usePointer } from './use-pointer.ts';
import { type Direction, walk } from './walk.ts';

export interface GraphCanvasHandle {
  fit(): void;
  zoom(factor: number): void;
  /** Brings a box into sight. */
  show(box: number): void;
  focus(): void;
  camera(): Camera;
  /** Looks elsewhere, for tests that measure and for views that move together. */
  look(camera: Camera): void;
}

export interface GraphCanvasProps {
  readonly scene: Scene;
  /** By box; boxes without one look ordinary. */
  readonly paints: readonly (BoxPaint | undefined)[];
  /** A box, or -1. */
  readonly selected: number;
  readonly found?: ReadonlySet<number>;
  /** What the picture is of, for those who do not see it. */
  readonly label: string;
  /**
   * The box of a scene that keeps its place on the screen when the scene changes (what was opened or closed); -1: none,
   * then one looks at the beginning.
   * Give another `key` to begin anew.
   */
  readonly anchorOf?: (scene: Scene) => number;
  readonly onSelect: (box: number) => void;
  /** Double click or Enter: open, close, enter. */
  readonly onOpen: (box: number) => void;
  readonly onMove?: (camera: Camera) => void;
  readonly ref?: Ref<GraphCanvasHandle>;
}

const NOTHING: ReadonlySet<number> = new Set();
const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  ArrowLeft: 'left',
  ArrowRight: 'right',
};
const ZOOM_STEP = 1.3;

export function GraphCanvas(props: GraphCanvasProps) {
  const { scene, paints, selected, found = NOTHING, label, anchorOf, onSelect, onOpen, onMove, ref } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useElementSize(frame);
  const camera = useRef<Camera>({ x: 0, y: 0, scale: 1 });
  const [hovered, setHovered] = useState(-1);
  const [shown, setShown] = useState<Camera>(camera.current);
  const ink = useInk();
  const content = { width: scene.layout.totalWidth, height: scene.layout.totalHeight };
  const latest = useRef({ scene, paints, selected, found, hovered, ink, size, content });
  latest.current = { scene, paints, selected, found, hovered, ink, size, content };
  const pending = useRef(0);

  const draw = () => {
    pending.current = 0;
    const now = latest.current;
    const context = canvas.current?.getContext('2d', { alpha: false });
    if (!context || now.size.width === 0) return;
    drawScene(context, now.scene, camera.current, now.size, devicePixelRatio, now);
    setShown(camera.current);
  };
  const redraw = () => {
    if (pending.current === 0) pending.current = requestAnimationFrame(draw);
  };
  const look = (next: Camera) => {
    camera.current = keepInSight(next, latest.current.content, latest.current.size);
    onMove?.(camera.current);
    redraw();
  };
  const zoom = (factor: number, point = { x: size.width / 2, y: size.height / 2 }) =>
    look(zoomAt(camera.current, point, factor, minScale(content, size)));

  const show = (box: number) => {
    const { scene: current, size: view } = latest.current;
    const { x, y, width, height } = current.layout;
    if (box < 0 || box >= x.length) return;
    const place = { x: x[box]!, y: y[box]!, width: width[box]!, height: height[box]! };
    look(showBox(camera.current, place, { ...view, width: view.width - MINIMAP_WIDTH }));
  };

  useLayoutEffect(() => {
    const element = canvas.current!;
    element.width = Math.round(size.width * devicePixelRatio);
    element.height = Math.round(size.height * devicePixelRatio);
  }, [size]);
  useSceneChange(scene, size, anchorOf, camera, content);
  // biome-ignore lint/correctness/useExhaustiveDependencies: these are what a picture depends on; `draw` reads the latest
  useLayoutEffect(draw, [scene, paints, selected, found, hovered, ink, size]);
  // A panel that opens beside the picture must not cover what it is about.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a change of size moves the picture
  useEffect(() => show(latest.current.selected), [size]);
  useEffect(() => () => cancelAnimationFrame(pending.current), []);
  useImperativeHandle(ref, () => ({
    fit: () => look(fitCamera(content, size)),
    zoom: (factor) => zoom(factor),
    show,
    focus: () => frame.current?.focus(),
    camera: () => camera.current,
    look,
  }));
  const boxAt = (point: { x: number; y: number }) =>
    scene.index.at(
      camera.current.x + point.x / camera.current.scale,
      camera.current.y + point.y / camera.current.scale,
    );
  usePointer(frame, {
    pan: (dx, dy) => look(panBy(camera.current, dx, dy)),
    zoom,
    click: (point) => onSelect(boxAt(point)),
    doubleClick: (point) => {
      const box = boxAt(point);
      if (box >= 0) onOpen(box);
    },
    hover: (point) => setHovered(point ? boxAt(point) : -1),
  });

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== frame.current) return;
    const direction = ARROWS[event.key];
    if (direction) {
      if (event.shiftKey) {
        const step = size.height / 3;
        const [dx, dy] = { up: [0, step], down: [0, -step], left: [step, 0], right: [-step, 0] }[direction] as [
          number,
          number,
        ];
        look(panBy(camera.current, dx, dy));
      } else onSelect(walk(scene, selected, direction));
    } else if (event.key === 'Enter' && selected >= 0) onOpen(selected);
    else if (event.key === 'Escape' && selected >= 0) onSelect(-1);
    else if (event.key === '+' || event.key === '=') zoom(ZOOM_STEP);
    else if (event.key === '-') zoom(1 / ZOOM_STEP);
    else if (event.key === '0') look(fitCamera(content, size));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      ref={frame}
      className={styles.canvas}
      role="application"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes the keyboard
      tabIndex={0}
      data-boxes={scene.graph.boxes.length}
      data-hovered={hovered >= 0 || undefined}
      onKeyDown={onKeyDown}
    >
      <canvas ref={canvas} aria-hidden />
      <Minimap scene={scene} paints={paints} camera={shown} view={size} ink={ink} onLook={look} />
    </div>
  );
}

/** After a change the eye finds its way again: what was opened stays in place. */
function useSceneChange(
  scene: Scene,
  size: Size,
  anchorOf: GraphCanvasProps['anchorOf'],
  camera: { current: Camera },
  content: Size,
): void {
  const last = useRef<Scene | null>(null);
  useLayoutEffect(() => {
    const before = last.current;
    if (size.width === 0 || before === scene) return;
    last.current = scene;
    const from = before ? (anchorOf?.(before) ?? -1) : -1;
    const to = anchorOf?.(scene) ?? -1;
    if (!before || from < 0 || to < 0)
      camera.current = firstCamera(content, size, middleOf(scene, Math.max(0, walk(scene, -1, 'down'))));
    else {
      const { x, y, scale } = camera.current;
      const dx = middleOf(scene, to) - middleOf(before, from);
      const dy = scene.layout.y[to]! - before.layout.y[from]!;
      camera.current = { scale, x: x + dx, y: y + dy };
    }
    camera.current = keepInSight(camera.current, content, size);
  });
}

const middleOf = ({ layout }: Scene, box: number): number => (layout.x[box] ?? 0) + (layout.width[box] ?? 0) / 2;

function useElementSize(element: { current: HTMLElement | null }): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const observed = element.current!;
    const read = () => {
      const { clientWidth: width, clientHeight: height } = observed;
      setSize((before) => (before.width === width && before.height === height ? before : { width, height }));
    };
    read();
    const observer = new ResizeObserver(read);
    observer.observe(observed);
    return () => observer.disconnect();
  }, [element]);
  return size;
}
