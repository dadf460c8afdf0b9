/** Inflates a gzip stream; other bytes pass through. Servers may have inflated `.bin` files on the way already. */
import { gunzipSync } from 'fflate';
import { StudioError } from '../../base/errors/index.ts';

/** @throws StudioError task/data-missing when the stream is damaged */
export function gunzipIfNeeded(bytes: Uint8Array, task: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new StudioError('task/data-missing', { task, reason: 'its compressed data is damaged' }, error);
  }
}
