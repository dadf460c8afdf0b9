import { encode } from 'uqr';

/** ISO/IEC 18004: bytes in the largest symbol (version 40) at the lowest level of error correction. */
export const MAX_QR_BYTES = 2953;

export interface QrPath {
  /** Modules a side, without the quiet zone. */
  readonly size: number;
  /** All dark modules as one path: a unit a module, the first at 0, 0. */
  readonly path: string;
}

/**
 * jsQR, by which many pages scan, has a wrong place for an alignment pattern of this version (74 where ISO/IEC 18004
 * has 78) and cannot read it at the lowest level. Four modules more a side, and everything reads it.
 */
const MISREAD_VERSION = 23;

/** @returns null when the text is too long for any QR code */
export function qrPath(text: string): QrPath | null {
  if (new TextEncoder().encode(text).length > MAX_QR_BYTES) return null;
  const options = { ecc: 'L', boostEcc: true, border: 0 } as const;
  const smallest = encode(text, options);
  const { size, data } =
    smallest.version === MISREAD_VERSION ? encode(text, { ...options, minVersion: MISREAD_VERSION + 1 }) : smallest;
  return {
    size,
    path: data
      .map((row, y) =>
        runs(row)
          .map(([from, length]) => bar(from, y, length))
          .join(''),
      )
      .join(''),
  };
}

const bar = (x: number, y: number, length: number) => `M${x} ${y}h${length}v1h-${length}z`;

/** Neighbours as one bar, so that no hair lines show between them. */
function runs(row: readonly boolean[]): [from: number, length: number][] {
  const found: [number, number][] = [];
  for (const [x, dark] of row.entries()) {
    const last = found.at(-1);
    if (!dark) continue;
    if (last && last[0] + last[1] === x) last[1]++;
    else found.push([x, 1]);
  }
  return found;
}
