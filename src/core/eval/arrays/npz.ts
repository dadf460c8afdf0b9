/** NumPy's .npz archives: ZIP files (stored or deflated) whose members are .npy files named after their keys. */
import { unzipSync } from 'fflate';
import { badArray, type NamedArray } from './named-array.ts';
import { readNpy } from './npy.ts';

/** Uncompressed size of all members together; a small archive can claim any size. */
const MAX_BYTES = 2 ** 31;

export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

/**
 * @returns members in the order of the archive, named by their keys
 * @throws StudioError task/bad-array
 */
export function readNpz(bytes: Uint8Array, name: string): NamedArray[] {
  return Object.entries(unzip(bytes, name)).map(([member, data]) => ({
    name: member.replace(/\.npy$/, ''),
    tensor: readNpy(data, `${name}: ${member}`),
  }));
}

function unzip(bytes: Uint8Array, name: string): Record<string, Uint8Array> {
  let total = 0;
  try {
    return unzipSync(bytes, {
      filter: ({ name: member, originalSize }) => {
        total += originalSize;
        if (total > MAX_BYTES) throw badArray(name, `its members take more than ${MAX_BYTES} bytes`);
        return member.endsWith('.npy');
      },
    });
  } catch (error) {
    if (error instanceof Error && error.name === 'StudioError') throw error;
    throw badArray(name, 'the archive is damaged', error);
  }
}
