// Grey images as { width, height, pixels: Float32Array 0..255 }, the degradations of a scan, and the files they go to.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** @typedef {{ width: number, height: number, pixels: Float32Array }} GreyImage */

/**
 * Draws in the page and returns grey levels.
 * @param {import('playwright-core').Page} page
 * @param {readonly object[]} jobs each { width, height, background, spans: [{ text, font, x, y, angle, grey }] };
 *   x, y: where the left end of the baseline is
 * @returns {Promise<GreyImage[]>}
 */
export async function drawText(page, jobs) {
  const images = [];
  for (const job of jobs) {
    const base64 = await page.evaluate(({ width, height, background, spans }) => {
      const canvas = new OffscreenCanvas(width, height);
      const context = canvas.getContext('2d', { willReadFrequently: true });
      const level = (grey) => `rgb(${grey} ${grey} ${grey})`;
      context.fillStyle = level(background);
      context.fillRect(0, 0, width, height);
      for (const span of spans) {
        context.save();
        context.translate(span.x, span.y);
        context.rotate(span.angle);
        context.font = span.font;
        context.fillStyle = level(span.grey);
        context.fillText(span.text, 0, 0);
        context.restore();
      }
      const rgba = context.getImageData(0, 0, width, height).data;
      let binary = '';
      for (let i = 0; i < rgba.length; i += 4)
        binary += String.fromCharCode(Math.round((rgba[i] + rgba[i + 1] + rgba[i + 2]) / 3));
      return btoa(binary);
    }, job);
    images.push({ width: job.width, height: job.height, pixels: Float32Array.from(Buffer.from(base64, 'base64')) });
  }
  return images;
}

/** Width, ascent and descent in px of each { text, font }. @param {import('playwright-core').Page} page */
export const measureText = (page, jobs) =>
  page.evaluate((list) => {
    const context = new OffscreenCanvas(8, 8).getContext('2d');
    return list.map(({ text, font }) => {
      context.font = font;
      const m = context.measureText(text);
      return {
        width: m.width,
        left: m.actualBoundingBoxLeft,
        right: m.actualBoundingBoxRight,
        ascent: m.actualBoundingBoxAscent,
        descent: m.actualBoundingBoxDescent,
        fontAscent: m.fontBoundingBoxAscent,
        fontDescent: m.fontBoundingBoxDescent,
      };
    });
  }, jobs);

/** Gaussian blur, edges repeated. @param {GreyImage} image @param {number} sigma px; 0 changes nothing */
export function blur(image, sigma) {
  if (sigma <= 0) return image;
  const radius = Math.ceil(3 * sigma);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)));
  const total = kernel.reduce((a, b) => a + b);
  const { width, height } = image;
  const along = (source, stepX, stepY) => {
    const out = new Float32Array(source.length);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let k = -radius; k <= radius; k++) {
          const sx = Math.min(width - 1, Math.max(0, x + k * stepX));
          const sy = Math.min(height - 1, Math.max(0, y + k * stepY));
          sum += kernel[k + radius] * source[sy * width + sx];
        }
        out[y * width + x] = sum / total;
      }
    return out;
  };
  return { width, height, pixels: along(along(image.pixels, 1, 0), 0, 1) };
}

/** Adds independent noise of standard deviation `sigma` grey levels. */
export function addNoise(image, rng, sigma) {
  return { ...image, pixels: image.pixels.map((value) => value + sigma * rng.normal()) };
}

/** Grey levels rounded to multiples of 255 / (levels - 1): what the files hold, so that they stay small. */
export function quantizeGrey(image, levels) {
  const step = 255 / (levels - 1);
  return Uint8Array.from(image.pixels, (value) =>
    Math.round(Math.round(Math.min(255, Math.max(0, value)) / step) * step),
  );
}

/**
 * Writes `<name>.json` (labels) and `<name>.bin` (gzip of the pixels of all images, one after the other, row by row).
 * @param {string} directory
 * @param {string} name
 * @param {readonly { image: GreyImage, label: object }[]} samples
 * @param {number} levels grey levels that are kept
 * @returns {number} bytes written
 */
export function writeImages(directory, name, samples, levels) {
  mkdirSync(directory, { recursive: true });
  const pixels = Buffer.concat(samples.map(({ image }) => quantizeGrey(image, levels)));
  const packed = gzipSync(pixels, { level: 9 });
  // The operating system in the gzip header differs between machines; the file must not.
  packed[9] = 255;
  const images = samples.map(({ image, label }) => ({ width: image.width, height: image.height, ...label }));
  const json = `${JSON.stringify({ images }).replaceAll('},{"width"', '},\n{"width"')}\n`;
  writeFileSync(join(directory, `${name}.bin`), packed);
  writeFileSync(join(directory, `${name}.json`), json);
  return packed.length + json.length;
}
