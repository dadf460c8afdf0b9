/** Draws a scene: only what is in sight, and the less of it the farther away. */
import type { Camera, Size } from './camera.ts';
import { drawEdges, drawHighlight, drawLabels } from './draw-edges.ts';
import type { Ink } from './ink.ts';
import { LEVEL, type Look, lineWidth } from './look.ts';
import { type BoxPaint, type BoxText, type Scene, shortName, text } from './scene.ts';
import type { Rect } from './spatial-index.ts';

export function drawScene(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  view: Size,
  pixelRatio: number,
  look: Look,
): void {
  const { scale } = camera;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = look.ink.surface;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  const zoom = scale * pixelRatio;
  context.setTransform(zoom, 0, 0, zoom, -camera.x * zoom, -camera.y * zoom);
  const rect: Rect = {
    left: camera.x - 8,
    top: camera.y - 8,
    right: camera.x + view.width / scale + 8,
    bottom: camera.y + view.height / scale + 8,
  };
  for (const box of scene.index.containersIn(rect)) drawContainer(context, scene, box, scale, look);
  drawEdges(context, scene, rect, scale, look);
  if (look.selected >= 0) drawHighlight(context, scene, scale, look);
  const boxes = scene.index.boxesIn(rect);
  if (scale < LEVEL.titles) drawFarBoxes(context, scene, boxes, scale, look);
  else for (const box of boxes) drawBox(context, scene, box, scale, look);
  if (scale >= LEVEL.labels) drawLabels(context, scene, rect, look);
}

function drawContainer(context: CanvasRenderingContext2D, scene: Scene, box: number, scale: number, look: Look): void {
  const { x, y, width, height } = scene.layout;
  const { ink } = look;
  const paint = look.paints[box];
  context.beginPath();
  context.roundRect(x[box]!, y[box]!, width[box]!, height[box]!, 8);
  context.fillStyle = depthOf(scene, box) % 2 === 0 ? ink.background : ink.surface;
  context.fill();
  const isSelected = box === look.selected;
  context.strokeStyle = isSelected ? ink.accent : look.found.has(box) ? ink.warn : (paint?.border ?? ink.line);
  context.lineWidth = lineWidth(scale, isSelected ? 2.5 : 1.2);
  context.stroke();
  if (scale < LEVEL.titles) return;
  const { title, mark, name } = scene.texts[box]!;
  context.fillStyle = ink.text;
  context.font = `600 ${text.title}px ${ink.font}`;
  const room = width[box]! - 2 * text.pad;
  const heading = mark === '' ? title : `${title}  ${mark}`;
  context.fillText(`−  ${heading}`, x[box]! + text.pad, y[box]! + 19, room);
  if (scale < LEVEL.lines || room < 260) return;
  context.font = `${text.line}px ${ink.font}`;
  context.fillStyle = ink.muted;
  context.textAlign = 'right';
  context.fillText(name, x[box]! + width[box]! - text.pad, y[box]! + 19);
  context.textAlign = 'left';
}

function depthOf({ graph }: Scene, box: number): number {
  let depth = 0;
  for (let at = graph.boxes[box]!.parent; at >= 0; at = graph.boxes[at]!.parent) depth += 1;
  return depth;
}

/** Thousands of small rectangles: one path for each colour. */
function drawFarBoxes(
  context: CanvasRenderingContext2D,
  scene: Scene,
  boxes: readonly number[],
  scale: number,
  look: Look,
): void {
  const { x, y, width, height } = scene.layout;
  const byFill = new Map<string, number[]>();
  const taken = new Set<number>();
  for (const box of boxes) {
    if (scale < LEVEL.edges) {
      // What falls onto the same half pixel as another box cannot be seen.
      const spot = Math.floor(2 * y[box]! * scale) * 8192 + Math.floor(2 * x[box]! * scale);
      if (taken.has(spot) && box !== look.selected && !look.found.has(box)) continue;
      taken.add(spot);
    }
    const paint = look.paints[box];
    const isMarked = box === look.selected || look.found.has(box);
    const fill = isMarked
      ? box === look.selected
        ? look.ink.accent
        : look.ink.warn
      : (paint?.fill ?? fillOf(scene.texts[box]!, look.ink));
    const list = byFill.get(fill);
    if (list) list.push(box);
    else byFill.set(fill, [box]);
  }
  for (const [fill, list] of byFill) {
    context.fillStyle = fill;
    context.beginPath();
    for (const box of list) context.rect(x[box]!, y[box]!, width[box]!, height[box]!);
    context.fill();
    if (scale < LEVEL.borders) continue;
    context.strokeStyle = look.ink.edge;
    context.lineWidth = lineWidth(scale, 1);
    context.stroke();
  }
}

const fillOf = ({ kind }: BoxText, ink: Ink): string =>
  kind === 'input' || kind === 'output' ? ink.accentSoft : kind === 'group' ? ink.raised : ink.surface;

function drawBox(context: CanvasRenderingContext2D, scene: Scene, box: number, scale: number, look: Look): void {
  const { x, y, width, height } = scene.layout;
  const { ink } = look;
  const paint = look.paints[box];
  const content = scene.texts[box]!;
  const [left, top, across, down] = [x[box]!, y[box]!, width[box]!, height[box]!];
  const isGroup = content.kind === 'group';
  context.globalAlpha = paint?.faded ? 0.45 : 1;
  if (isGroup) {
    // A sheet behind says that there is more inside.
    context.beginPath();
    context.roundRect(left + 4, top + 4, across, down, 7);
    context.fillStyle = ink.raised;
    context.fill();
    context.strokeStyle = ink.edge;
    context.lineWidth = lineWidth(scale, 1);
    context.stroke();
  }
  context.beginPath();
  context.roundRect(left, top, across, down, content.kind === 'op' || isGroup ? 6 : Math.min(14, down / 2));
  context.fillStyle = paint?.fill ?? fillOf(content, ink);
  context.fill();
  const isSelected = box === look.selected;
  context.strokeStyle = isSelected
    ? ink.accent
    : look.found.has(box)
      ? ink.warn
      : (paint?.border ?? (box === look.hovered ? ink.text : ink.edge));
  context.lineWidth = lineWidth(scale, isSelected ? 3 : look.found.has(box) || paint?.border ? 2.2 : 1.1);
  if (paint?.dashed) context.setLineDash([5, 4]);
  context.stroke();
  context.setLineDash([]);
  if (isSelected) {
    // A second line around it stands out on every fill.
    context.beginPath();
    context.roundRect(left - 5, top - 5, across + 10, down + 10, 10);
    context.lineWidth = lineWidth(scale, 2);
    context.stroke();
  }
  drawTexts(context, content, paint, { left, top, across }, scale, ink);
  context.globalAlpha = 1;
}

function drawTexts(
  context: CanvasRenderingContext2D,
  { kind, title, name, detail, chips, mark }: BoxText,
  paint: BoxPaint | undefined,
  { left, top, across }: { left: number; top: number; across: number },
  scale: number,
  ink: Ink,
): void {
  const room = across - 2 * text.pad;
  const strong = paint?.ink ?? ink.text;
  const weak = paint?.ink ?? ink.muted;
  context.fillStyle = strong;
  context.font = `600 ${text.title}px ${ink.font}`;
  const heading = kind === 'group' ? `+  ${title}` : title;
  const note = paint?.badge ?? mark;
  const noteRoom = note === '' ? 0 : Math.min(room * 0.55, note.length * 6.6 + 6);
  context.fillText(heading, left + text.pad, top + 18, room - noteRoom);
  if (note !== '') {
    context.font = `${paint?.badge ? 600 : 400} ${text.line}px ${ink.font}`;
    context.textAlign = 'right';
    context.fillText(note, left + across - text.pad, top + 18, noteRoom);
    context.textAlign = 'left';
  }
  if (scale < LEVEL.lines) return;
  context.font = `${text.line}px ${ink.font}`;
  context.fillStyle = weak;
  let line = top + 32;
  for (const content of [shortName(name), detail]) {
    if (content === '') continue;
    context.fillText(content, left + text.pad, line, room);
    line += 14;
  }
  if (scale >= LEVEL.chips && chips.length > 0)
    drawChips(context, chips, left + text.pad, line - 8, room, { strong, weak }, ink);
}

function drawChips(
  context: CanvasRenderingContext2D,
  chips: readonly string[],
  left: number,
  top: number,
  room: number,
  colours: { readonly strong: string; readonly weak: string },
  ink: Ink,
): void {
  context.font = `10px ${ink.mono}`;
  context.lineWidth = 0.8;
  context.strokeStyle = colours.weak;
  context.fillStyle = colours.strong;
  let x = left;
  for (const chip of chips) {
    const width = Math.min(left + room - x, chip.length * 6.05 + 8);
    if (width < 18) break;
    context.beginPath();
    context.roundRect(x, top, width, 15, 3);
    context.stroke();
    context.fillText(chip, x + 4, top + 11, width - 8);
    x += width + 5;
  }
}
