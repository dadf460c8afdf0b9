/** Converting weights to float16, a slab at a time. */
import { throwIfCancelled } from '../../base/cancel.ts';
import { float32ToFloat16Bits } from '../../base/float16.ts';
import { bytesOf, elementCount, floatsOf, readTensorSlab } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { assemble } from './wasm/assembler.ts';
import { halfKernel, SMALLEST_HALF_BITS } from './wasm/half-kernel.ts';

/** How many finite elements did not fit and were moved to the nearest end of float16's range. */
export interface ClampCounts {
  /** Beyond +-65504. */
  readonly large: number;
  /** Nonzero and below 5.96e-8 in magnitude. */
  readonly small: number;
}

export interface HalfConverter {
  /** The result is valid until the next call. */
  convert(values: Float32Array): { readonly bits: Uint16Array; readonly clamped: ClampCounts };
}

type Kernel = (source: number, bytes: number, target: number, counts: number) => void;
/** The slab and its result stay in a core's second-level cache. */
const SLAB_ELEMENTS = 1 << 16;
const LANES = 8;

class WasmHalfConverter implements HalfConverter {
  readonly #memory = new WebAssembly.Memory({ initial: (SLAB_ELEMENTS * 6) / 65536 + 1 });
  readonly #kernel: Kernel;
  readonly #input = new Float32Array(this.#memory.buffer, 0, SLAB_ELEMENTS);
  readonly #output = new Uint16Array(this.#memory.buffer, SLAB_ELEMENTS * 4, SLAB_ELEMENTS);
  readonly #counts = new Int32Array(this.#memory.buffer, SLAB_ELEMENTS * 6, LANES);

  constructor() {
    const module = new WebAssembly.Module(assemble([halfKernel()]));
    this.#kernel = new WebAssembly.Instance(module, { host: { memory: this.#memory } }).exports.halvesOf as Kernel;
  }

  convert(values: Float32Array): { bits: Uint16Array; clamped: ClampCounts } {
    const bits = new Uint16Array(values.length);
    let large = 0;
    let small = 0;
    for (let at = 0; at < values.length; at += SLAB_ELEMENTS) {
      const part = values.subarray(at, at + SLAB_ELEMENTS);
      const padded = Math.ceil(part.length / LANES) * LANES;
      this.#input.set(part);
      this.#input.fill(0, part.length, padded);
      this.#kernel(0, padded * 4, SLAB_ELEMENTS * 4, SLAB_ELEMENTS * 6);
      bits.set(this.#output.subarray(0, part.length), at);
      for (let lane = 0; lane < 4; lane += 1) {
        large += this.#counts[lane]!;
        small += this.#counts[lane + 4]!;
      }
    }
    return { bits, clamped: { large, small } };
  }
}

/** Without WebAssembly, and for tests to compare with. */
export class PlainHalfConverter implements HalfConverter {
  convert(values: Float32Array): { bits: Uint16Array; clamped: ClampCounts } {
    const bits = new Uint16Array(values.length);
    const smallest = new Float32Array(new Int32Array([SMALLEST_HALF_BITS]).buffer)[0]!;
    let large = 0;
    let small = 0;
    for (let i = 0; i < values.length; i += 1) {
      let value = values[i]!;
      const magnitude = Math.abs(value);
      if (magnitude > 65504 && magnitude !== Number.POSITIVE_INFINITY) {
        value = Math.sign(value) * 65504;
        large += 1;
      } else if (magnitude > 0 && magnitude < smallest) {
        value = Math.sign(value) * smallest;
        small += 1;
      }
      const half = float32ToFloat16Bits(value);
      bits[i] = (half & 0x7fff) > 0x7c00 ? (half & 0x8000) | 0x7e00 : half;
    }
    return { bits, clamped: { large, small } };
  }
}

export function createHalfConverter(): HalfConverter {
  try {
    return new WasmHalfConverter();
  } catch {
    return new PlainHalfConverter();
  }
}

const READ_BYTES = 8 << 20;
const LARGEST_HALF = 65504;

export interface WeightSurvey {
  /** With a finite element beyond +-65504. */
  readonly tooLarge: ReadonlySet<Tensor>;
  /** With a NaN. */
  readonly notNumbers: ReadonlySet<Tensor>;
}

/** Looks at float32 tensors for what float16 cannot hold. Reads each once. */
export async function surveyWeights(ctx: StepContext, tensors: Iterable<Tensor>): Promise<WeightSurvey> {
  const tooLarge = new Set<Tensor>();
  const notNumbers = new Set<Tensor>();
  for (const tensor of tensors) {
    const count = elementCount(tensor.dims);
    throwIfCancelled(ctx.signal);
    for (let start = 0; start < count; start += READ_BYTES / 4) {
      if (start > 0) await ctx.yield();
      throwIfCancelled(ctx.signal);
      const length = Math.min(READ_BYTES / 4, count - start);
      const values = floatsOf('float32', await readTensorSlab(tensor, start * 4, length * 4), length, tensor.name);
      if (!isPlain(values)) {
        if (values.some((value) => Number.isFinite(value) && Math.abs(value) > LARGEST_HALF)) tooLarge.add(tensor);
        if (values.some(Number.isNaN)) notNumbers.add(tensor);
      }
    }
  }
  return { tooLarge, notNumbers };
}

/** No NaN, nothing beyond the range of float16: nearly every slab, so this is the loop that must be fast. */
function isPlain(values: Float32Array): boolean {
  let fitting = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    if (value <= LARGEST_HALF && value >= -LARGEST_HALF) fitting += 1;
  }
  return fitting === values.length;
}

/** A float32 tensor as float16 under another name. */
export async function convertTensorToHalf(
  ctx: StepContext,
  converter: HalfConverter,
  tensor: Tensor,
  name: string,
): Promise<{ tensor: Tensor; clamped: ClampCounts }> {
  const count = elementCount(tensor.dims);
  const clamped = { large: 0, small: 0 };
  async function* slabs(): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < count; start += READ_BYTES / 4) {
      throwIfCancelled(ctx.signal);
      if (start > 0) await ctx.yield();
      const length = Math.min(READ_BYTES / 4, count - start);
      const bytes = await readTensorSlab(tensor, start * 4, length * 4);
      const result = converter.convert(floatsOf('float32', bytes, length, tensor.name));
      clamped.large += result.clamped.large;
      clamped.small += result.clamped.small;
      yield bytesOf(result.bits);
    }
  }
  const data = await ctx.store.put(count * 2, slabs());
  return { tensor: { name, dtype: 'float16', dims: tensor.dims, data }, clamped };
}
