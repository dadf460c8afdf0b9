/** Where the arrow keys lead from a box. */
import type { Scene } from './scene.ts';

export type Direction = 'up' | 'down' | 'left' | 'right';

/** @returns the box to go to; the same one where there is none. -1 starts at the first box. */
export function walk(scene: Scene, from: number, direction: Direction): number {
  if (from < 0) return firstBox(scene);
  if (direction === 'left' || direction === 'right') return beside(scene, from, direction);
  const ends =
    direction === 'down'
      ? scene.edgesOutOf[from]!.map((edge) => scene.graph.edges[edge]!.to)
      : scene.edgesInto[from]!.map((edge) => scene.graph.edges[edge]!.from);
  const nearest = closest(scene, from, ends);
  if (nearest >= 0) return nearest;
  return direction === 'down'
    ? firstInside(scene, from)
    : scene.graph.boxes[from]!.parent >= 0
      ? scene.graph.boxes[from]!.parent
      : from;
}

function firstBox({ graph, layout }: Scene): number {
  let best = -1;
  for (const [box, { kind }] of graph.boxes.entries())
    if (kind !== 'container' && (best < 0 || layout.y[box]! < layout.y[best]!)) best = box;
  return best;
}

/** Down into a container. */
function firstInside({ graph, layout }: Scene, container: number): number {
  if (graph.boxes[container]!.kind !== 'container') return container;
  let best = container;
  for (const [box, { parent }] of graph.boxes.entries())
    if (parent === container && (best === container || layout.y[box]! < layout.y[best]!)) best = box;
  return best;
}

const middle = ({ layout }: Scene, box: number) => ({
  x: layout.x[box]! + layout.width[box]! / 2,
  y: layout.y[box]! + layout.height[box]! / 2,
});

function closest(scene: Scene, from: number, boxes: readonly number[]): number {
  const start = middle(scene, from);
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const box of boxes) {
    const { x, y } = middle(scene, box);
    // The next row first, then straight on.
    const distance = Math.abs(y - start.y) + Math.abs(x - start.x) / 4;
    if (distance < least) {
      least = distance;
      best = box;
    }
  }
  return best;
}

/** Others that read the same value or feed the same node, else what stands beside it. */
function beside(scene: Scene, from: number, direction: 'left' | 'right'): number {
  const { graph, layout, edgesInto, edgesOutOf } = scene;
  const siblings = new Set<number>();
  for (const edge of edgesInto[from]!)
    for (const other of edgesOutOf[graph.edges[edge]!.from]!) siblings.add(graph.edges[other]!.to);
  for (const edge of edgesOutOf[from]!)
    for (const other of edgesInto[graph.edges[edge]!.to]!) siblings.add(graph.edges[other]!.from);
  const top = layout.y[from]!;
  const bottom = top + layout.height[from]!;
  for (const box of scene.index.boxesIn({ left: -1e9, right: 1e9, top, bottom })) siblings.add(box);
  siblings.delete(from);
  const { x: start } = middle(scene, from);
  const onSide = [...siblings].filter((box) => {
    const { x } = middle(scene, box);
    return direction === 'left' ? x < start - 1 : x > start + 1;
  });
  // Those of the same row come first: `closest` weighs height more than width.
  const found = closest(scene, from, onSide);
  return found < 0 ? from : found;
}
