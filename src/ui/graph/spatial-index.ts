/** Which boxes and pieces of edges a part of the picture shows. Graphs are tall, so everything is filed by height. */
import type { LayoutResult } from '../../core/graph-view/layout/types.ts';

export interface Rect {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const BAND = 400;
/** What reaches over more bands than this is looked at each time. */
const MAX_BANDS = 6;

class Bands {
  readonly #bands: number[][] = [];
  readonly #tall: number[] = [];

  add(item: number, top: number, bottom: number): void {
    const first = Math.max(0, Math.floor(top / BAND));
    const last = Math.max(first, Math.floor(bottom / BAND));
    if (last - first > MAX_BANDS) {
      this.#tall.push(item);
      return;
    }
    for (let band = first; band <= last; band += 1) {
      this.#bands[band] ??= [];
      this.#bands[band]!.push(item);
    }
  }

  /** May name an item more than once; `visit` is told whether the item lies in the band that is asked first. */
  each(top: number, bottom: number, startOf: (item: number) => number, visit: (item: number) => void): void {
    for (const item of this.#tall) visit(item);
    const first = Math.max(0, Math.floor(top / BAND));
    const last = Math.min(this.#bands.length - 1, Math.floor(bottom / BAND));
    for (let band = first; band <= last; band += 1)
      // Each once: in the first of its bands that is asked for.
      for (const item of this.#bands[band] ?? [])
        if (band === Math.max(first, Math.floor(startOf(item) / BAND))) visit(item);
  }
}

export class SpatialIndex {
  readonly #layout: LayoutResult;
  readonly #boxes = new Bands();
  readonly #pieces = new Bands();
  readonly #containers: number[] = [];

  constructor(layout: LayoutResult, isContainer: Uint8Array) {
    this.#layout = layout;
    const { x, y, height, pieces, pieceTrunk } = layout;
    for (let box = 0; box < x.length; box += 1) {
      if (isContainer[box] === 1) this.#containers.push(box);
      else this.#boxes.add(box, y[box]!, y[box]! + height[box]!);
    }
    for (let piece = 0; piece < pieceTrunk.length; piece += 1)
      if (pieceTrunk[piece]! >= 0) this.#pieces.add(piece, pieces[4 * piece + 1]!, pieces[4 * piece + 3]!);
  }

  /** Containers from the outside in. */
  containersIn(rect: Rect): number[] {
    return this.#containers.filter((box) => this.#meets(box, rect));
  }

  boxesIn(rect: Rect): number[] {
    const found: number[] = [];
    const { y } = this.#layout;
    const start = (box: number) => Math.max(0, y[box]!);
    this.#boxes.each(rect.top, rect.bottom, start, (box) => {
      if (this.#meets(box, rect)) found.push(box);
    });
    return found;
  }

  eachPiece(rect: Rect, visit: (piece: number) => void): void {
    const { pieces } = this.#layout;
    const start = (piece: number) => Math.max(0, pieces[4 * piece + 1]!);
    this.#pieces.each(rect.top, rect.bottom, start, (piece) => {
      const x1 = pieces[4 * piece]!;
      const x2 = pieces[4 * piece + 2]!;
      const isBeside = Math.max(x1, x2) < rect.left || Math.min(x1, x2) > rect.right;
      if (!isBeside && pieces[4 * piece + 1]! <= rect.bottom && pieces[4 * piece + 3]! >= rect.top) visit(piece);
    });
  }

  /** The innermost box at a point, or -1. */
  at(x: number, y: number): number {
    const point = { left: x, right: x, top: y, bottom: y };
    return this.boxesIn(point)[0] ?? this.containersIn(point).at(-1) ?? -1;
  }

  #meets(box: number, { left, top, right, bottom }: Rect): boolean {
    const { x, y, width, height } = this.#layout;
    return x[box]! <= right && x[box]! + width[box]! >= left && y[box]! <= bottom && y[box]! + height[box]! >= top;
  }
}
