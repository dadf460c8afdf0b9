import type { StandaloneSvg } from './standalone-svg.ts';

/** Twice the CSS pixels: sharp on a slide. */
const SCALE = 2;

/** @throws Error when the browser does not draw the picture, or gives no PNG of it */
export async function pngOf({ text, width, height }: StandaloneSvg): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }));
  try {
    const image = new Image(width, height);
    image.src = address;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = width * SCALE;
    canvas.height = height * SCALE;
    const context = canvas.getContext('2d');
    if (!context) throw new Error('the browser gave no canvas to draw the chart on');
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise<Blob>((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no PNG of the chart')))),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}
