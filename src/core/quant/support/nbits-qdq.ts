/**
 * The portable form of a blockwise quantized weight: codes [K, N] as int4, uint4, int8 or uint8 behind a
 * DequantizeLinear with `block_size` along K (ONNX opset 21), read by a plain MatMul. Standard operators only, so that
 * any runtime takes it; onnxruntime's optimizer makes MatMulNBits of the pair on CPUs.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import { attrInt } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { byteLengthOf, type DType, dtypeInfo } from '../../ir/dtype.ts';
import { bytesOf, readTensorBytes, readTensorSlab, toTypedArray } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { Advisory, StepContext } from '../../step/define.ts';
import { replaceLinear } from './linear-rewrite.ts';
import type { LinearSite } from './linear-sites.ts';
import type { NBitsMatrix } from './nbits-store.ts';
import { needOpset } from './need-opset.ts';
import { codeAt, zeroPointRowBytes } from './pack-nbits.ts';
import { nodeLabel } from './patterns.ts';
import type { Scope } from './scopes.ts';

/** DequantizeLinear has blocks, and int4 and uint4, from this version on; WebGPU lacks kernels for later ones. */
export const QDQ_OPSET = 21;

/** What runtimes make of the pair, measured with onnxruntime 1.30 where it is onnxruntime's. */
export const qdqAdvice: readonly Advisory[] = [
  {
    level: 'warning',
    code: 'quant/int8-activations',
    message:
      'onnxruntime on native CPUs turns DequantizeLinear + MatMul into MatMulNBits at accuracy level 4 when it loads the model: activations are quantized to 8 bits there (relative error about 3e-3). The session option session.qdq_matmulnbits_accuracy_level = 1 keeps float32.',
    providers: ['cpu'],
  },
  {
    level: 'warning',
    code: 'quant/slow-on-wasm',
    message:
      'WASM unpacks the weights in every run: expect a small file and a slower run than the original, unless the runtime setting "Packed weights" expands them when the model loads.',
    providers: ['wasm'],
  },
  {
    level: 'info',
    code: 'quant/not-fused-on-webgpu',
    message:
      'WebGPU does not fuse DequantizeLinear with MatMul: it writes the whole weight in float32 in every run. MatMulNBits is the faster form there.',
    providers: ['webgpu'],
  },
];

/** @throws StudioError pass/refused when the model cannot be raised to the opset that has blocks */
export async function prepareQdq(ctx: StepContext, stepTitle: string): Promise<void> {
  await needOpset(ctx, stepTitle, QDQ_OPSET, 'DequantizeLinear with blocks');
}

/** A blockwise weight as DequantizeLinear takes it, blocks along axis 0. */
export interface QdqMatrix {
  /** int4, uint4, int8 or uint8 [K, N]. Weights of 2 and 3 bits use part of the range of 4. */
  readonly codes: Tensor;
  /** [ceil(K / block), N], float32 or float16. */
  readonly scales: Tensor;
  /** As the codes, [ceil(K / block), N]; absent when all are 0, which is what symmetric weights have. */
  readonly zeroPoints: Tensor | undefined;
  readonly blockSize: number;
}

/** Bytes of codes to collect before they are handed on, and bytes of packed weights to read at once. */
const defaultLimits = { collectBytes: 48 << 20, readBytes: 8 << 20 };
/** Columns that are turned together: a cache line of the result holds the codes of so many. */
const TILE_COLUMNS = 128;

/**
 * Turns [N, blocks, blob] into [K, N]. In memory are `collectBytes` of the result and `readBytes` of the source: a
 * larger weight is read several times over.
 * @throws StudioError pass/refused when zero points are no integers
 */
export async function toQdqMatrix(
  ctx: StepContext,
  matrix: NBitsMatrix,
  name: string,
  limits = defaultLimits,
): Promise<QdqMatrix> {
  const { K, N, bits, blockSize, zeroPoints } = matrix;
  if (zeroPoints && zeroPoints.dtype !== 'uint8')
    throw new StudioError('pass/refused', {
      step: 'The form DequantizeLinear',
      reason: `weight "${name}" has zero points between the integers, which only MatMulNBits takes`,
    });
  const isByte = bits === 8;
  const dtype: DType = zeroPoints ? (isByte ? 'uint8' : 'uint4') : isByte ? 'int8' : 'int4';
  const blocks = Math.ceil(K / blockSize);
  const data = await ctx.store.put(byteLengthOf(dtype, K * N), turnedCodes(ctx, matrix, limits));
  const scaleData = await transposed(matrix.scales, N, blocks);
  const zeroPointData = zeroPoints && turnedZeroPoints(await readTensorBytes(zeroPoints), N, blocks, bits);
  return {
    codes: { name: `${name}_quantized`, dtype, dims: [K, N], data },
    scales: {
      name: `${name}_scale`,
      dtype: matrix.scales.dtype,
      dims: [blocks, N],
      data: await ctx.store.put(scaleData.byteLength, [scaleData]),
    },
    zeroPoints: zeroPointData && {
      name: `${name}_zero_point`,
      dtype,
      dims: [blocks, N],
      data: await ctx.store.put(zeroPointData.byteLength, [zeroPointData]),
    },
    blockSize,
  };
}

/** The codes in the order of the result, a range of K at a time that ends between two bytes. */
async function* turnedCodes(
  ctx: StepContext,
  matrix: NBitsMatrix,
  { collectBytes, readBytes }: typeof defaultLimits,
): AsyncGenerator<Uint8Array> {
  const { K, N, bits, blockSize } = matrix;
  const sourceRowBytes = Math.ceil(K / blockSize) * ((blockSize * bits) / 8);
  const bytesPerElement = bits === 8 ? 1 : 0.5;
  const blocksAtOnce = Math.max(1, Math.floor(collectBytes / (blockSize * N * bytesPerElement)));
  const columnsAtOnce = Math.max(1, Math.floor(readBytes / sourceRowBytes / 2)) * 2;
  for (let firstRow = 0; firstRow < K; firstRow += blocksAtOnce * blockSize) {
    const rows = Math.min(blocksAtOnce * blockSize, K - firstRow);
    const out = new Uint8Array(Math.ceil(rows * N * bytesPerElement));
    for (let column = 0; column < N; column += columnsAtOnce) {
      throwIfCancelled(ctx.signal);
      await ctx.yield();
      const columns = Math.min(columnsAtOnce, N - column);
      const packed = await readTensorSlab(matrix.packed, column * sourceRowBytes, columns * sourceRowBytes);
      turn(out, packed, { N, bits, firstRow, rows, column, columns, sourceRowBytes, signed: !matrix.zeroPoints });
    }
    yield out;
  }
}

interface Turn {
  readonly N: number;
  readonly bits: NBitsMatrix['bits'];
  readonly firstRow: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
  /** Bytes of one packed column. */
  readonly sourceRowBytes: number;
  /** Codes count from -2^(bits-1) instead of 0. */
  readonly signed: boolean;
}

/** Columns of `packed` become columns of `out`, which holds `rows` rows of N codes each. */
function turn(out: Uint8Array, packed: Uint8Array, part: Turn): void {
  for (let from = 0; from < part.columns; from += TILE_COLUMNS) {
    const to = Math.min(part.columns, from + TILE_COLUMNS);
    if (part.bits === 8) turnBytes(out, packed, part, from, to);
    else if (part.bits === 4 && part.N % 2 === 0 && part.column % 2 === 0 && (to - from) % 2 === 0)
      turnNibblePairs(out, packed, part, from, to);
    else turnCodes(out, packed, part, from, to);
  }
}

function turnBytes(out: Uint8Array, packed: Uint8Array, part: Turn, from: number, to: number): void {
  const { N, firstRow, rows, column, sourceRowBytes } = part;
  const flip = part.signed ? 0x80 : 0;
  for (let row = 0; row < rows; row += 1) {
    const at = row * N + column;
    let source = from * sourceRowBytes + firstRow + row;
    for (let c = from; c < to; c += 1, source += sourceRowBytes) out[at + c] = packed[source]! ^ flip;
  }
}

/** Two rows of two columns at a time: two bytes of the source, each two rows of a column, make two of the result. */
function turnNibblePairs(out: Uint8Array, packed: Uint8Array, part: Turn, from: number, to: number): void {
  const { N, firstRow, rows, column, sourceRowBytes } = part;
  const flip = part.signed ? 0x88 : 0;
  const outRowBytes = N / 2;
  for (let row = 0; row < rows; row += 2) {
    const hasSecond = row + 1 < rows;
    let at = row * outRowBytes + (column + from) / 2;
    let source = from * sourceRowBytes + (firstRow + row) / 2;
    for (let c = from; c < to; c += 2, at += 1, source += 2 * sourceRowBytes) {
      const left = packed[source]!;
      const right = packed[source + sourceRowBytes]!;
      out[at] = ((left & 15) | ((right & 15) << 4)) ^ flip;
      if (hasSecond) out[at + outRowBytes] = ((left >> 4) | (right & 0xf0)) ^ flip;
    }
  }
}

/** Any number of bits below 8 and of columns; the bytes of `out` that are written must hold zeros. */
function turnCodes(out: Uint8Array, packed: Uint8Array, part: Turn, from: number, to: number): void {
  const { N, bits, firstRow, rows, column, sourceRowBytes } = part;
  const offset = part.signed ? 2 ** (bits - 1) : 0;
  const perColumn = (sourceRowBytes * 8) / bits;
  for (let row = 0; row < rows; row += 1)
    for (let c = from; c < to; c += 1) {
      const code = codeAt(packed, c * perColumn + firstRow + row, bits as 2 | 4) - offset;
      const at = row * N + column + c;
      out[at >> 1] = out[at >> 1]! | ((code & 15) << ((at & 1) * 4));
    }
}

/** Zero points [N, blocks], each row from a byte of its own, as [blocks, N] in the codes' type. */
function turnedZeroPoints(packed: Uint8Array, N: number, blocks: number, bits: NBitsMatrix['bits']): Uint8Array {
  const rowBytes = zeroPointRowBytes(blocks, bits);
  const out = new Uint8Array(byteLengthOf(bits === 8 ? 'uint8' : 'uint4', blocks * N));
  for (let n = 0; n < N; n += 1) {
    const row = packed.subarray(n * rowBytes, (n + 1) * rowBytes);
    for (let block = 0; block < blocks; block += 1) {
      const code = codeAt(row, block, bits);
      const at = block * N + n;
      if (bits === 8) out[at] = code;
      else out[at >> 1] = out[at >> 1]! | (code << ((at & 1) * 4));
    }
  }
  return out;
}

/** A [rows, columns] matrix of numbers, turned. */
async function transposed(tensor: Tensor, rows: number, columns: number): Promise<Uint8Array> {
  const source = toTypedArray(tensor.dtype, await readTensorBytes(tensor)) as Float32Array | Uint16Array;
  const out = dtypeInfo[tensor.dtype].bits === 16 ? new Uint16Array(rows * columns) : new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1) out[column * rows + row] = source[row * columns + column]!;
  return bytesOf(out);
}

/** The expanded weight [K, N], as a value of the graph that holds the codes. */
export interface StoredQdq {
  readonly matrix: QdqMatrix;
  readonly weight: string;
}

/** Adds the tensors and the DequantizeLinear, which all readers of the weight share. */
export function storeQdq(scope: Scope, matrix: QdqMatrix): StoredQdq {
  const { editor } = scope;
  const { codes, scales, zeroPoints, blockSize } = matrix;
  const inputs = [codes, scales, ...(zeroPoints ? [zeroPoints] : [])].map((tensor) => editor.addInitializer(tensor));
  const weight = editor.freshName(`${inputs[0]}_dequantized`);
  editor.addNode(
    makeNode({
      opType: 'DequantizeLinear',
      name: editor.freshName(`${inputs[0]}_DequantizeLinear`),
      inputs,
      outputs: [weight],
      attributes: { axis: attrInt(0), block_size: attrInt(blockSize) },
    }),
  );
  return { matrix, weight };
}

/** @returns labels of the new nodes */
export function replaceWithQdqMatMul(site: LinearSite, stored: StoredQdq): readonly string[] {
  const { editor } = site.scope;
  return replaceLinear(site, (activation, output): Node[] => [
    makeNode({
      opType: 'MatMul',
      name: editor.freshName(`${nodeLabel(site.node)}_dequantized`),
      inputs: [activation, stored.weight],
      outputs: [output],
    }),
  ]);
}
