import { encode } from 'uqr';

/** ISO/IEC 18004: bytes in the largest symbol (version 40) at the lowest level of error correction. */
export const MAX_QR_BYTES = 2953;

export interface QrPath {
  /** Modules a side, without the quiet zone. */
  readonly size: number;
  /** All dark modules as one path: a unit a module, the first at 0, 0. */
  readonly path: string;
}

/** @returns null when the text is too long for any QR code */
export function qrPath(text: string): QrPath | null {
  if (new TextEncoder().encode(text).length > MAX_QR_BYTES) return null;
  const { size, data } = encode(text, { ecc: 'L', boostEcc: true, border: 0 });
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
