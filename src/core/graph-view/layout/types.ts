/** What goes into and comes out of the layout. Plain arrays of numbers: they cross a worker's border as they are. */

/** One value on one level: from the box that makes it to the boxes that read it. They share a trunk. */
export interface Flow {
  readonly source: number;
  /** Distinct. */
  readonly targets: readonly number[];
}

export interface LayoutRequest {
  /** Sizes of boxes; of containers the least size (their title). */
  readonly width: Float32Array;
  readonly height: Float32Array;
  /** The container that a box is in, or -1. Containers come before what they hold. */
  readonly parent: Int32Array;
  readonly isContainer: Uint8Array;
  /** By edge; between boxes that are no containers. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** By edge: edges with the same number carry the same thing from the same box and share a trunk. */
  readonly trunk: Int32Array;
}

export interface LayoutResult {
  /** Upper left corners, from (0, 0) on. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** As asked for; of containers what they need. */
  readonly width: Float32Array;
  readonly height: Float32Array;
  readonly totalWidth: number;
  readonly totalHeight: number;
  /**
   * Pieces of edges, four numbers each: x1, y1, x2, y2, from above to below; those with x1 = x2 are straight, others are
   * drawn as curves that begin and end vertically. `parent` is the piece before on the way from the source, or -1.
   */
  readonly pieces: Float32Array;
  readonly pieceParent: Int32Array;
  /** By piece: the trunk that it belongs to; -1: not to be drawn. */
  readonly pieceTrunk: Int32Array;
  /** By edge: its last piece; -1 for an edge that is not drawn (it closes a cycle, or is one of very many long ones). */
  readonly lastPiece: Int32Array;
}

/** Distances, in pixels at scale 1. */
export const spacing = {
  /** Between boxes of a row. */
  column: 28,
  /** Between a long edge and its neighbours in a row. */
  edge: 12,
  row: 44,
  /** Around what a container holds. */
  padding: 16,
  /** Above it, for the title. */
  title: 30,
} as const;
