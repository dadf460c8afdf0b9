// The drawn path, put on a raster here and read by a decoder that nobody of us wrote.
import jsQR from 'jsqr';
import { expect, test } from 'vitest';
import { MAX_QR_BYTES, qrPath } from '../../../src/ui/share/qr-path.ts';

const PIXELS = 3;
const QUIET = 4;

function read(text: string): string | undefined {
  const { size, path } = qrPath(text)!;
  const side = (size + 2 * QUIET) * PIXELS;
  const rgba = new Uint8ClampedArray(side * side * 4).fill(255);
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g))
    for (let row = 0; row < PIXELS; row++)
      for (let column = 0; column < Number(width) * PIXELS; column++) {
        const at = ((Number(y) + QUIET) * PIXELS + row) * side + (Number(x) + QUIET) * PIXELS + column;
        rgba.fill(0, at * 4, at * 4 + 3);
      }
  return jsQR(rgba, side, side)?.data;
}

const link = (length: number) => {
  const start = 'https://example.org/#w1.';
  return start + Array.from({ length: length - start.length }, (_, at) => 'aZ3_-kQ9'[(at * at + 3 * at) % 8]).join('');
};

test.each([40, 400, 900, 1004, 1091, 1092, 1757, 2000, MAX_QR_BYTES])(
  'a link of %i characters is read back',
  (length) => {
    const text = link(length);
    expect(text).toHaveLength(length);
    expect(read(text)).toBe(text);
  },
);

test('one character more than a QR code holds', () => {
  expect(qrPath(link(MAX_QR_BYTES + 1))).toBeNull();
});
