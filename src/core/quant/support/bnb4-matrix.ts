/**
 * A weight in the form of com.microsoft.MatMulBnb4 (onnxruntime 1.30): [N, K] flattened, cut into blocks without regard
 * to rows, each divided by its largest magnitude and stored as 4-bit entries of a codebook, the first of each pair in
 * the high half of a byte. Checked against the kernel: layout, tables and short last blocks.
 */
import { bytesOf } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { notFinite } from './bad-weight.ts';
import { type CodebookName, codebooks, NearestEntry } from './codebook.ts';
import { outputRows, type StoredProductWeight } from './output-rows.ts';

/** What onnxruntime's kernels take. */
export const bnb4BlockSizes = [16, 32, 64, 128, 256] as const;

export interface Bnb4Request extends StoredProductWeight {
  /** Base of the new tensors' names. */
  readonly name: string;
  readonly codebook: CodebookName;
  readonly blockSize: number;
  /** For tests: bytes of the source to have in memory. */
  readonly rowBytes?: number;
}

export interface Bnb4Matrix {
  readonly K: number;
  readonly N: number;
  readonly codebook: CodebookName;
  readonly blockSize: number;
  /** uint8 [ceil(K * N / 2)]. */
  readonly packed: Tensor;
  /** Largest magnitude of each block, [ceil(K * N / block)]. */
  readonly absmax: Float32Array;
}

/** @throws StudioError pass/bad-weight when the weight has NaN or infinite elements */
export async function quantizeToCodebook(ctx: StepContext, request: Bnb4Request): Promise<Bnb4Matrix> {
  const { K, N, codebook, blockSize, name } = request;
  const encoder = new BlockEncoder(K * N, request);
  const byteLength = Math.ceil((K * N) / 2);
  const data = await ctx.store.put(byteLength, encodeRows(ctx, request, encoder));
  const packed: Tensor = { name: `${name}_${codebook.toUpperCase()}`, dtype: 'uint8', dims: [byteLength], data };
  return { K, N, codebook, blockSize, packed, absmax: encoder.absmax };
}

async function* encodeRows(ctx: StepContext, request: Bnb4Request, encoder: BlockEncoder): AsyncGenerator<Uint8Array> {
  for await (const { values } of outputRows(ctx, request, request.rowBytes)) yield encoder.push(values);
  yield encoder.end();
}

/** Takes the flattened weight in pieces of any length; blocks that are cut by a piece's end wait for the next. */
class BlockEncoder {
  readonly absmax: Float32Array;
  readonly #nearest: NearestEntry;
  readonly #tensor: string;
  readonly #waiting: Float32Array;
  #waitingCount = 0;
  #block = 0;

  constructor(count: number, { codebook, blockSize, tensor }: Bnb4Request) {
    this.absmax = new Float32Array(Math.ceil(count / blockSize));
    this.#nearest = new NearestEntry(codebooks[codebook]);
    this.#tensor = tensor.name;
    this.#waiting = new Float32Array(blockSize);
  }

  push(values: Float32Array): Uint8Array {
    const size = this.#waiting.length;
    const whole = Math.floor((this.#waitingCount + values.length) / size);
    const out = new Uint8Array((whole * size) / 2);
    let from = 0;
    for (let block = 0; block < whole; block += 1) {
      const at = (block * size) / 2;
      if (block === 0 && this.#waitingCount > 0) {
        from = size - this.#waitingCount;
        this.#waiting.set(values.subarray(0, from), this.#waitingCount);
        this.#waitingCount = 0;
        this.#encode(this.#waiting, 0, size, out, at);
      } else {
        this.#encode(values, from, from + size, out, at);
        from += size;
      }
    }
    this.#waiting.set(values.subarray(from), this.#waitingCount);
    this.#waitingCount += values.length - from;
    return out;
  }

  /** The last block, which may be short. */
  end(): Uint8Array {
    const count = this.#waitingCount;
    const out = new Uint8Array(Math.ceil(count / 2));
    if (count > 0) this.#encode(this.#waiting, 0, count, out, 0);
    return out;
  }

  #encode(values: Float32Array, from: number, to: number, out: Uint8Array, at: number): void {
    let largest = 0;
    let poison = 0;
    for (let i = from; i < to; i += 1) {
      const value = values[i]!;
      largest = Math.max(largest, Math.abs(value));
      poison += value * 0;
    }
    if (poison !== 0) throw notFinite(this.#tensor);
    const reciprocal = Math.fround(1 / largest);
    // A block so small that its reciprocal overflows is zero for every purpose.
    const isZero = !Number.isFinite(reciprocal);
    this.absmax[this.#block++] = isZero ? 0 : largest;
    const factor = isZero ? 0 : reciprocal;
    const nearest = this.#nearest;
    for (let i = from, byte = at; i < to; i += 2, byte += 1) {
      const high = nearest.codeOf(Math.max(-1, Math.min(1, values[i]! * factor)));
      const low = i + 1 < to ? nearest.codeOf(Math.max(-1, Math.min(1, values[i + 1]! * factor))) : 0;
      out[byte] = (high << 4) | low;
    }
  }
}

export function absmaxTensor({ absmax, packed }: Bnb4Matrix): Tensor {
  return {
    name: `${packed.name}_absmax`,
    dtype: 'float32',
    dims: [absmax.length],
    data: { kind: 'bytes', bytes: bytesOf(absmax) },
  };
}
