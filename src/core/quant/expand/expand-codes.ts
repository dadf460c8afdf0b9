/** Packed weights in floating point again, by the definitions of the operators that would unpack them. */
import { throwIfCancelled } from '../../base/cancel.ts';
import type { JobContext } from '../../base/progress.ts';
import { intAttr } from '../../ir/attributes.ts';
import { elementCount, readTensorBytes, readTensorFloats } from '../../ir/tensor.ts';
import { codebooks, quantTypeOf } from '../support/codebook.ts';
import { zeroPointRowBytes } from '../support/pack-nbits.ts';
import type { PackedWeight } from './packed-weights.ts';

type Job = Pick<JobContext, 'signal' | 'yield'>;

/** Elements between two looks at the clock. */
const SLAB_ELEMENTS = 4 << 20;

/** @returns `weight.dims` elements, row-major */
export function expandWeight(job: Job, weight: PackedWeight): Promise<Float32Array> {
  switch (weight.kind) {
    case 'MatMulNBits':
      return expandBlocks(job, weight, intAttr(weight.node, 'bits', 4) as Bits, true);
    case 'GatherBlockQuantized':
      return weight.codes.dtype === 'uint8'
        ? expandBlocks(job, weight, intAttr(weight.node, 'bits', 4) as Bits, false)
        : expandTyped(job, weight, 1, intAttr(weight.node, 'block_size', 0));
    case 'MatMulBnb4':
      return expandCodebook(job, weight);
    case 'DequantizeLinear': {
      const axis = intAttr(weight.node, 'axis', 1);
      const rank = weight.dims.length;
      return expandTyped(job, weight, axis < 0 ? axis + rank : axis, intAttr(weight.node, 'block_size', 0));
    }
  }
}

type Bits = 2 | 4 | 8;

async function breathe(job: Job): Promise<void> {
  throwIfCancelled(job.signal);
  await job.yield();
}

/**
 * Rows of codes in blocks, from the low bits on; zero points are packed by rows, or numbers one by one.
 * @param turned the rows are the columns of the result: MatMulNBits keeps its weight by outputs
 */
async function expandBlocks(
  job: Job,
  { codes, scales, zeroPoints, dims, node }: PackedWeight,
  bits: Bits,
  turned: boolean,
): Promise<Float32Array> {
  const [columns, rows] = turned ? [dims[0]!, dims[1]!] : [dims[1]!, dims[0]!];
  const blockSize = intAttr(node, 'block_size', 0);
  const blocks = Math.ceil(columns / blockSize);
  const packed = await readTensorBytes(codes);
  const rowBytes = packed.length / rows;
  const scale = await readTensorFloats(scales);
  const zero = await zeroPointReader({ zeroPoints, blocks, bits });
  const out = new Float32Array(rows * columns);
  const mask = 2 ** bits - 1;
  const perByte = 8 / bits;
  const rowsAtOnce = Math.max(1, Math.floor(SLAB_ELEMENTS / columns));
  for (let from = 0; from < rows; from += rowsAtOnce) {
    await breathe(job);
    const to = Math.min(rows, from + rowsAtOnce);
    for (let block = 0; block < blocks; block += 1) {
      const end = Math.min(columns, (block + 1) * blockSize);
      for (let row = from; row < to; row += 1) {
        const s = scale[row * blocks + block]!;
        const z = zero(row, block);
        const start = row * rowBytes * perByte;
        for (let column = block * blockSize; column < end; column += 1) {
          const at = start + column;
          const code = (packed[Math.floor(at / perByte)]! >> ((at % perByte) * bits)) & mask;
          out[turned ? column * rows + row : row * columns + column] = (code - z) * s;
        }
      }
    }
  }
  return out;
}

async function zeroPointReader({
  zeroPoints,
  blocks,
  bits,
}: {
  zeroPoints: PackedWeight['zeroPoints'];
  blocks: number;
  bits: Bits;
}): Promise<(row: number, block: number) => number> {
  const middle = 2 ** (bits - 1);
  if (!zeroPoints) return () => middle;
  if (zeroPoints.dtype !== 'uint8') {
    const values = await readTensorFloats(zeroPoints);
    return (row, block) => values[row * blocks + block]!;
  }
  const bytes = await readTensorBytes(zeroPoints);
  const rowBytes = zeroPointRowBytes(blocks, bits);
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  return (row, block) => (bytes[row * rowBytes + Math.floor(block / perByte)]! >> ((block % perByte) * bits)) & mask;
}

/** Blocks of the flattened [N, K], the first of two codes in the high half of a byte. */
async function expandCodebook(job: Job, { codes, scales, dims, node }: PackedWeight): Promise<Float32Array> {
  const [K, N] = dims as [number, number];
  const packed = await readTensorBytes(codes);
  const absmax = await readTensorFloats(scales);
  const blockSize = intAttr(node, 'block_size', 0);
  const codebook = codebooks[intAttr(node, 'quant_type', 0) === quantTypeOf.nf4 ? 'nf4' : 'fp4'];
  const out = new Float32Array(K * N);
  for (let n = 0, i = 0; n < N; n += 1) {
    if (n % Math.max(1, Math.floor(SLAB_ELEMENTS / K)) === 0) await breathe(job);
    for (let k = 0; k < K; k += 1, i += 1) {
      const byte = packed[i >> 1]!;
      out[k * N + n] = codebook[(i & 1) === 0 ? byte >> 4 : byte & 15]! * absmax[Math.floor(i / blockSize)]!;
    }
  }
  return out;
}

/** DequantizeLinear: per tensor, along an axis, or in blocks along it where `blockSize` is not 0. */
async function expandTyped(
  job: Job,
  { codes, scales, zeroPoints, dims }: PackedWeight,
  axis: number,
  blockSize: number,
): Promise<Float32Array> {
  const [q, s] = [await readTensorFloats(codes), await readTensorFloats(scales)];
  const z = zeroPoints && (await readTensorFloats(zeroPoints));
  const out = new Float32Array(q.length);
  const isPerTensor = s.length === 1 && blockSize === 0;
  const inner = isPerTensor ? 1 : elementCount(dims.slice(axis + 1));
  const along = isPerTensor ? 1 : dims[axis]!;
  const steps = isPerTensor ? 1 : blockSize === 0 ? along : Math.ceil(along / blockSize);
  for (let i = 0; i < q.length; i += 1) {
    if (i % SLAB_ELEMENTS === 0) await breathe(job);
    let at = 0;
    if (!isPerTensor) {
      const position = Math.floor(i / inner) % along;
      // Without blocks the scales are a vector along the axis.
      if (blockSize === 0) at = position;
      else {
        const outer = Math.floor(i / (inner * along));
        at = (outer * steps + Math.floor(position / blockSize)) * inner + (i % inner);
      }
    }
    out[i] = (q[i]! - (z ? z[at]! : 0)) * s[at]!;
  }
  return out;
}
