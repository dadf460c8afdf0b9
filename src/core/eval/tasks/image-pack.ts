/**
 * Grey images with labels, as the scripts in scripts/samples write them: `<name>.json` lists the images, `<name>.bin`
 * (gzip) holds their pixels one after the other, uint8, row by row.
 */
import { StudioError } from '../../base/errors/index.ts';
import { gunzipIfNeeded } from '../arrays/unpack.ts';
import type { TaskFiles } from '../types.ts';
import { parseJson } from './parse-json.ts';

export interface GreyImage {
  readonly width: number;
  readonly height: number;
  /** width x height, 0 black to 255 white. */
  readonly pixels: Uint8Array;
}

export type Labelled<Label> = GreyImage & { readonly label: Label };

/**
 * @param task for messages
 * @throws StudioError task/data-missing
 */
export async function loadImagePack<Label>(
  files: TaskFiles,
  name: string,
  task: string,
): Promise<readonly Labelled<Label>[]> {
  const [text, packed] = await Promise.all([files(`${name}.json`), files(`${name}.bin`)]);
  const { images } = parseJson(text, task) as { images: ({ width: number; height: number } & Label)[] };
  const pixels = gunzipIfNeeded(packed, task);
  let offset = 0;
  const loaded = images.map((entry) => {
    const { width, height } = entry;
    const image = { width, height, pixels: pixels.subarray(offset, offset + width * height), label: entry };
    offset += width * height;
    return image;
  });
  if (offset !== pixels.length)
    throw new StudioError('task/data-missing', {
      task,
      reason: `${name}.bin holds ${pixels.length} pixels, ${name}.json lists ${offset}`,
    });
  return loaded;
}

/**
 * Bilinear resize with half-pixel centres and repeated edges, without a low-pass filter (as cv2.resize INTER_LINEAR).
 * @returns outHeight x outWidth values on the 0..255 scale
 */
export function resizeBilinear(image: GreyImage, outWidth: number, outHeight: number): Float32Array {
  const { width, height, pixels } = image;
  const out = new Float32Array(outWidth * outHeight);
  const columns = axisWeights(width, outWidth);
  const rows = axisWeights(height, outHeight);
  for (let y = 0; y < outHeight; y++) {
    const top = rows.low[y]! * width;
    const bottom = rows.high[y]! * width;
    const v = rows.weight[y]!;
    for (let x = 0; x < outWidth; x++) {
      const left = columns.low[x]!;
      const right = columns.high[x]!;
      const u = columns.weight[x]!;
      const upper = pixels[top + left]! * (1 - u) + pixels[top + right]! * u;
      const lower = pixels[bottom + left]! * (1 - u) + pixels[bottom + right]! * u;
      out[y * outWidth + x] = upper * (1 - v) + lower * v;
    }
  }
  return out;
}

function axisWeights(from: number, to: number) {
  const low = new Int32Array(to);
  const high = new Int32Array(to);
  const weight = new Float32Array(to);
  for (let i = 0; i < to; i++) {
    const at = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    low[i] = Math.floor(at);
    high[i] = Math.min(from - 1, low[i]! + 1);
    weight[i] = at - low[i]!;
  }
  return { low, high, weight };
}
