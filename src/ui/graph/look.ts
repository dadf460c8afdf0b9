/** How a scene is looked at, and what is left out from afar. */
import type { Ink } from './ink.ts';
import type { BoxPaint } from './scene.ts';

export interface Look {
  readonly ink: Ink;
  /** By box. */
  readonly paints: readonly (BoxPaint | undefined)[];
  /** Selected box, or -1. */
  readonly selected: number;
  /** Under the pointer, or -1. */
  readonly hovered: number;
  /** Boxes that a search found. */
  readonly found: ReadonlySet<number>;
}

/** Below these scales details are left out. */
export const LEVEL = {
  chips: 0.5,
  lines: 0.38,
  titles: 0.2,
  curves: 0.2,
  edges: 0.03,
  borders: 0.08,
  labels: 0.55,
  arrows: 0.35,
} as const;

const HAIRLINE = 0.8;

/** Lines stay visible when one looks from far away. */
export const lineWidth = (scale: number, width: number): number => Math.max(width, HAIRLINE / scale);
