/**
 * The portable form of a table: codes [rows, columns] behind a DequantizeLinear with blocks along its rows (ONNX opset
 * 21). Gather and a tied output layer read the one expanded table.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { attrInt, attrInts } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { byteLengthOf, type DType } from '../../ir/dtype.ts';
import { readTensorBytes, readTensorSlab } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import type { NBitsMatrix } from './nbits-store.ts';
import { codeAt, zeroPointRowBytes } from './pack-nbits.ts';
import type { Scope } from './scopes.ts';

/** A matrix of outputs N = rows and inputs K = columns, as DequantizeLinear with block axis 1 takes it. */
export interface QdqTable {
  /** int4, uint4, int8 or uint8 [rows, columns]. */
  readonly codes: Tensor;
  /** [rows, ceil(columns / block)]. */
  readonly scales: Tensor;
  /** As the codes, [rows, ceil(columns / block)]; absent for symmetric codes. */
  readonly zeroPoints: Tensor | undefined;
  readonly blockSize: number;
}

const READ_BYTES = 8 << 20;

export async function toQdqTable(ctx: StepContext, matrix: NBitsMatrix, name: string): Promise<QdqTable> {
  const { N: rows, K: columns, bits, blockSize, scales, zeroPoints } = matrix;
  const isByte = bits === 8;
  const dtype: DType = zeroPoints ? (isByte ? 'uint8' : 'uint4') : isByte ? 'int8' : 'int4';
  const blocks = Math.ceil(columns / blockSize);
  return {
    codes: {
      name: `${name}_quantized`,
      dtype,
      dims: [rows, columns],
      data: await ctx.store.put(byteLengthOf(dtype, rows * columns), codeRows(ctx, matrix)),
    },
    scales: { ...scales, name: `${name}_scale` },
    zeroPoints: zeroPoints && {
      name: `${name}_zero_point`,
      dtype,
      dims: [rows, blocks],
      data: {
        kind: 'bytes',
        bytes: repack(await readTensorBytes(zeroPoints), {
          rows,
          columns: blocks,
          bits,
          sourceRowBytes: zeroPointRowBytes(blocks, bits),
          offset: 0,
        }),
      },
    },
    blockSize,
  };
}

async function* codeRows(ctx: StepContext, matrix: NBitsMatrix): AsyncGenerator<Uint8Array> {
  const { N: rows, K: columns, bits, blockSize, packed, zeroPoints } = matrix;
  const sourceRowBytes = Math.ceil(columns / blockSize) * ((blockSize * bits) / 8);
  // An even number of rows ends between two bytes whatever the columns.
  const atOnce = Math.max(1, Math.floor(READ_BYTES / sourceRowBytes / 2)) * 2;
  for (let row = 0; row < rows; row += atOnce) {
    throwIfCancelled(ctx.signal);
    await ctx.yield();
    const count = Math.min(atOnce, rows - row);
    const slab = await readTensorSlab(packed, row * sourceRowBytes, count * sourceRowBytes);
    yield repack(slab, { rows: count, columns, bits, sourceRowBytes, offset: zeroPoints ? 0 : 2 ** (bits - 1) });
  }
}

interface Rows {
  readonly rows: number;
  readonly columns: number;
  readonly bits: NBitsMatrix['bits'];
  readonly sourceRowBytes: number;
  /** What is taken off each code. */
  readonly offset: number;
}

/** Rows that begin at a byte each, without the padding and in 4 or 8 bits a code. */
function repack(source: Uint8Array, { rows, columns, bits, sourceRowBytes, offset }: Rows): Uint8Array {
  const isByte = bits === 8;
  const out = new Uint8Array(byteLengthOf(isByte ? 'uint8' : 'uint4', rows * columns));
  let at = 0;
  for (let row = 0; row < rows; row += 1) {
    const from = source.subarray(row * sourceRowBytes, (row + 1) * sourceRowBytes);
    for (let column = 0; column < columns; column += 1, at += 1) {
      const code = codeAt(from, column, bits) - offset;
      if (isByte) out[at] = code;
      else out[at >> 1] = out[at >> 1]! | ((code & 15) << ((at & 1) * 4));
    }
  }
  return out;
}

/** The expanded table as a value of the graph that holds the codes, and its transpose, each made once. */
export class StoredTable {
  readonly rows: string;
  #columns: string | undefined;

  constructor(
    readonly scope: Scope,
    { codes, scales, zeroPoints, blockSize }: QdqTable,
  ) {
    const { editor } = scope;
    const inputs = [codes, scales, ...(zeroPoints ? [zeroPoints] : [])].map((tensor) => editor.addInitializer(tensor));
    this.rows = editor.freshName(`${inputs[0]}_dequantized`);
    editor.addNode(
      makeNode({
        opType: 'DequantizeLinear',
        name: editor.freshName(`${inputs[0]}_DequantizeLinear`),
        inputs,
        outputs: [this.rows],
        attributes: { axis: attrInt(1), block_size: attrInt(blockSize) },
      }),
    );
  }

  /** [columns, rows], for a product. */
  transposed(): string {
    if (this.#columns !== undefined) return this.#columns;
    const { editor } = this.scope;
    const output = editor.freshName(`${this.rows}_transposed`);
    editor.addNode(
      makeNode({
        opType: 'Transpose',
        name: editor.freshName(`${output}_Transpose`),
        inputs: [this.rows],
        outputs: [output],
        attributes: { perm: attrInts([1, 0]) },
      }),
    );
    this.#columns = output;
    return output;
  }
}
