/**
 * A head that an earlier step has quantized, whose weight was the embedding's table: its codes can serve the embedding
 * too, so that what was tied stays tied. MatMulNBits keeps them by output, which is by row of the table.
 */
import { intAttr } from '../../ir/attributes.ts';
import { floatsOf, readTensorBytes, readTensorSlab } from '../../ir/tensor.ts';
import type { Model, Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain, opName } from '../../ir/walk.ts';
import { type EmbeddingTable, tiedHeads } from './embedding-sites.ts';
import { findLinearSites } from './linear-sites.ts';
import { codeAt, zeroPointRowBytes } from './pack-nbits.ts';
import { definingScope, openScopes, type Scope } from './scopes.ts';

/** The constants of a MatMulNBits node; names are values of `scope`. */
export interface SharedCodes {
  readonly scope: Scope;
  readonly bits: 2 | 4 | 8;
  readonly blockSize: number;
  /** uint8 [rows, blocks, blob]. */
  readonly packed: string;
  /** [rows, blocks]. */
  readonly scales: string;
  /** uint8, packed by rows; undefined for symmetric codes. */
  readonly zeroPoints: string | undefined;
}

/** Finds for each table the codes of a head that read it before it was quantized. */
export class TiedCodes {
  readonly #original: ReturnType<typeof findLinearSites>['sites'];

  constructor(
    original: Model,
    readonly scopes: readonly Scope[],
  ) {
    this.#original = findLinearSites(openScopes(original)).sites;
  }

  /** @returns undefined when the table has no such head, or its codes stand for other numbers than the table */
  async codesFor(table: EmbeddingTable): Promise<SharedCodes | undefined> {
    for (const { output } of tiedHeads(table, this.#original))
      for (const scope of this.scopes) {
        const node = productBehind(scope, output);
        const codes = node && sharedCodes(scope, node, table);
        if (codes && (await standsFor(codes, table))) return codes;
      }
    return undefined;
  }
}

/** What follows a product that was a Gemm: a factor, a bias. */
const AFTER_PRODUCT = new Set(['Add', 'Mul']);

function productBehind(scope: Scope, output: string): Node | undefined {
  let node = scope.editor.producerOf(output);
  for (let hop = 0; node && hop < 3; hop += 1) {
    if (opName(node) === 'com.microsoft.MatMulNBits') return node;
    if (!isDefaultDomain(node.domain) || !AFTER_PRODUCT.has(node.opType)) return undefined;
    node = scope.editor.producerOf(node.inputs[0]!);
  }
  return undefined;
}

function sharedCodes(scope: Scope, node: Node, { rows, columns }: EmbeddingTable): SharedCodes | undefined {
  const bits = intAttr(node, 'bits', 4);
  const blockSize = intAttr(node, 'block_size', 0);
  const [, packed, scales, zeroPoints, order] = node.inputs as [string, string, string, string?, string?];
  if (intAttr(node, 'N', 0) !== rows || intAttr(node, 'K', 0) !== columns || order) return undefined;
  if (bits !== 2 && bits !== 4 && bits !== 8) return undefined;
  const home = definingScope(scope, packed);
  const tensors = [packed, scales, ...(zeroPoints ? [zeroPoints] : [])].map((name) => home?.editor.constantOf(name));
  if (!home || tensors.some((tensor) => tensor === undefined)) return undefined;
  // Zero points in floating point are another operator's.
  if (tensors[2] && tensors[2].dtype !== 'uint8') return undefined;
  return { scope: home, bits, blockSize, packed, scales, zeroPoints: zeroPoints || undefined };
}

/** Twice what rounding to nearest loses on normally distributed weights, as a share of the row's length. */
const TOLERANCE = { 2: 0.8, 4: 0.25, 8: 0.02 } as const;
const SAMPLED_ROWS = 16;

/** A head whose columns were scaled (AWQ without folding) is no table of embeddings any more: rows are compared. */
async function standsFor(codes: SharedCodes, table: EmbeddingTable): Promise<boolean> {
  const { rows, columns, source } = table;
  const { tensor } = source;
  const [packed, scales, zeroPoints] = [codes.packed, codes.scales, codes.zeroPoints].map((name) =>
    name === undefined ? undefined : codes.scope.editor.constantOf(name),
  ) as [Tensor, Tensor, Tensor | undefined];
  const { bits, blockSize } = codes;
  const blocks = Math.ceil(columns / blockSize);
  const rowBytes = blocks * ((blockSize * bits) / 8);
  const zeroRow = zeroPointRowBytes(blocks, bits);
  const scaleBytes = scales.dtype === 'float16' ? 2 : 4;
  const zeros = zeroPoints && (await readTensorBytes(zeroPoints));
  const elementBytes = tensor.dtype === 'float16' ? 2 : 4;
  let error = 0;
  let energy = 0;
  const step = Math.max(1, Math.floor(rows / SAMPLED_ROWS));
  for (let row = 0; row < rows; row += step) {
    const at = row * columns * elementBytes;
    const expected = floatsOf(tensor.dtype, await readTensorSlab(tensor, at, columns * elementBytes), columns);
    const code = await readTensorSlab(packed, row * rowBytes, rowBytes);
    const scaleSlab = await readTensorSlab(scales, row * blocks * scaleBytes, blocks * scaleBytes);
    const scale = floatsOf(scales.dtype, scaleSlab, blocks);
    const zeroBytes = zeros?.subarray(row * zeroRow, (row + 1) * zeroRow);
    for (let k = 0; k < columns; k += 1) {
      const block = Math.floor(k / blockSize);
      const zero = zeroBytes ? codeAt(zeroBytes, block, bits) : 2 ** (bits - 1);
      error += ((codeAt(code, k, bits) - zero) * scale[block]! - expected[k]!) ** 2;
      energy += expected[k]! ** 2;
    }
  }
  return error <= TOLERANCE[bits] ** 2 * energy;
}
