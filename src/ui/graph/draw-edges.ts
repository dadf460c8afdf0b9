/** Draws edges, those of the selected box, and what is written beside them. */
import { LEVEL, type Look, lineWidth } from './look.ts';
import type { Scene } from './scene.ts';
import type { Rect } from './spatial-index.ts';

function tracePiece(context: CanvasRenderingContext2D, pieces: Float32Array, piece: number, curved: boolean): void {
  const x1 = pieces[4 * piece]!;
  const y1 = pieces[4 * piece + 1]!;
  const x2 = pieces[4 * piece + 2]!;
  const y2 = pieces[4 * piece + 3]!;
  context.moveTo(x1, y1);
  if (!curved || Math.abs(x1 - x2) < 0.5) context.lineTo(x2, y2);
  else {
    const bend = (y2 - y1) / 2;
    context.bezierCurveTo(x1, y1 + bend, x2, y2 - bend, x2, y2);
  }
}

const MIN_EDGE_PIXELS = 6;

export function drawEdges(
  context: CanvasRenderingContext2D,
  scene: Scene,
  rect: Rect,
  scale: number,
  { ink }: Look,
): void {
  const { pieces } = scene.layout;
  const curved = scale >= LEVEL.curves;
  const arrows = scale >= LEVEL.arrows;
  const ends: number[] = [];
  // From very far only long edges are more than dots.
  const least = scale < LEVEL.edges ? MIN_EDGE_PIXELS / scale : 0;
  context.beginPath();
  scene.index.eachPiece(rect, (piece) => {
    if (least > 0 && pieces[4 * piece + 3]! - pieces[4 * piece + 1]! < least) return;
    tracePiece(context, pieces, piece, curved);
    if (arrows && scene.isEnd[piece] === 1) ends.push(piece);
  });
  context.strokeStyle = ink.edge;
  context.lineWidth = lineWidth(scale, 1.1);
  context.stroke();
  context.fillStyle = ink.edge;
  context.beginPath();
  for (const piece of ends) traceArrow(context, pieces[4 * piece + 2]!, pieces[4 * piece + 3]!, 4);
  context.fill();
}

function traceArrow(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.moveTo(x, y);
  context.lineTo(x - size, y - 1.7 * size);
  context.lineTo(x + size, y - 1.7 * size);
  context.closePath();
}

/** The edges of the selected box; those that are not drawn otherwise are dashed lines. */
export function drawHighlight(
  context: CanvasRenderingContext2D,
  scene: Scene,
  scale: number,
  { ink, selected }: Look,
): void {
  const { layout, edgesInto, edgesOutOf, graph } = scene;
  const edges = [...edgesInto[selected]!, ...edgesOutOf[selected]!];
  if (edges.length > MAX_HIGHLIGHTED) edges.length = MAX_HIGHLIGHTED;
  const traced = new Set<number>();
  const hidden: number[] = [];
  context.strokeStyle = ink.accent;
  context.fillStyle = ink.accent;
  context.lineWidth = lineWidth(scale, 2.4);
  context.beginPath();
  for (const edge of edges) {
    const last = layout.lastPiece[edge]!;
    if (last < 0) hidden.push(edge);
    for (let piece = last; piece >= 0 && !traced.has(piece); piece = layout.pieceParent[piece]!) {
      traced.add(piece);
      tracePiece(context, layout.pieces, piece, true);
    }
  }
  context.stroke();
  context.beginPath();
  for (const edge of edges) {
    const last = layout.lastPiece[edge]!;
    if (last >= 0) traceArrow(context, layout.pieces[4 * last + 2]!, layout.pieces[4 * last + 3]!, 5);
  }
  context.fill();
  context.setLineDash([6, 5]);
  context.beginPath();
  const { x, y, width, height } = layout;
  for (const edge of hidden) {
    const { from, to } = graph.edges[edge]!;
    context.moveTo(x[from]! + width[from]! / 2, y[from]! + height[from]!);
    context.lineTo(x[to]! + width[to]! / 2, y[to]!);
  }
  context.stroke();
  context.setLineDash([]);
}

const MAX_HIGHLIGHTED = 2000;

/** Shapes where a value leaves its node. */
export function drawLabels(context: CanvasRenderingContext2D, scene: Scene, rect: Rect, { ink }: Look): void {
  const { pieces } = scene.layout;
  context.font = `10.5px ${ink.mono}`;
  context.lineWidth = 3;
  context.strokeStyle = ink.surface;
  context.fillStyle = ink.muted;
  scene.index.eachPiece(rect, (piece) => {
    const label = scene.pieceLabel.get(piece);
    if (!label) return;
    const at = 4 * piece + (label.atEnd ? 2 : 0);
    const x = pieces[at]! + 6;
    const y = pieces[at + 1]! + (label.atEnd ? -6 : 13);
    // A rim in the background's colour keeps it legible over lines.
    context.strokeText(label.text, x, y);
    context.fillText(label.text, x, y);
  });
}
