/** A `.npy` file (format 1.0 of numpy.lib.format) of float32 values that differ, C order. */
export function npyFloat32(shape: readonly number[]): Uint8Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  // Magic, version and length take 10 bytes; the data start at a multiple of 64.
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + padded.length + 4 * count);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, padded.length & 0xff, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), 10);
  const values = Float32Array.from({ length: count }, (_, index) => Math.sin(index * 1.7));
  bytes.set(new Uint8Array(values.buffer), 10 + padded.length);
  return bytes;
}
