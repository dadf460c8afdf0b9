/** What a weight's values are like, read slab by slab so that a large one never lies in memory whole. */
import { throwIfCancelled } from '../base/cancel.ts';
import { StudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import { byteLengthOf, type DType, dtypeInfo } from '../ir/dtype.ts';
import { elementCount, floatsOf, readTensorSlab, toTypedArray } from '../ir/tensor.ts';
import type { Tensor } from '../ir/types.ts';

export interface WeightStatistics {
  readonly elements: number;
  /** Of finite elements; null where there are none. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Of the whole population. */
  readonly standardDeviation: number | null;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
  /** Counts in equal bins from min to max; empty where all are the same. */
  readonly histogram: readonly number[];
}

const SLAB_ELEMENTS = 1 << 20;
const BINS = 48;

/** @returns whether a dtype's elements are numbers that can be counted */
export function hasNumbers(dtype: DType): boolean {
  return dtypeInfo[dtype].bits > 0 && !dtype.startsWith('complex');
}

/**
 * Two passes over the values: moments, then the histogram between what the first found.
 * 64-bit types are rounded to float32.
 * @throws StudioError job/cancelled, file/*
 */
export async function weightStatistics(tensor: Tensor, job: JobContext): Promise<WeightStatistics> {
  const elements = elementCount(tensor.dims);
  if (!hasNumbers(tensor.dtype))
    throw new StudioError('internal/unexpected', { message: `${tensor.dtype} elements are no numbers` });
  let [zeros, nans, infinities, finite] = [0, 0, 0, 0];
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  // Around the first value, so that a large mean does not swallow the deviation.
  let origin: number | undefined;
  let [sum, squares] = [0, 0];
  await eachSlab(tensor, job, 0, (values) => {
    for (const value of values) {
      if (value === 0) zeros += 1;
      if (!Number.isFinite(value)) {
        if (Number.isNaN(value)) nans += 1;
        else infinities += 1;
        continue;
      }
      origin ??= value;
      finite += 1;
      sum += value - origin;
      squares += (value - origin) ** 2;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  });
  const base = { elements, zeros, nans, infinities };
  if (finite === 0 || origin === undefined)
    return { ...base, min: null, max: null, mean: null, standardDeviation: null, histogram: [] };
  const shifted = sum / finite;
  const variance = Math.max(0, squares / finite - shifted * shifted);
  const histogram = new Array<number>(min < max ? BINS : 0).fill(0);
  if (min < max) {
    const scale = BINS / (max - min);
    await eachSlab(tensor, job, 1, (values) => {
      for (const value of values)
        if (Number.isFinite(value)) histogram[Math.min(BINS - 1, Math.floor((value - min) * scale))]! += 1;
    });
  }
  return { ...base, min, max, mean: origin + shifted, standardDeviation: Math.sqrt(variance), histogram };
}

async function eachSlab(
  tensor: Tensor,
  job: JobContext,
  pass: number,
  visit: (values: Float32Array) => void,
): Promise<void> {
  const elements = elementCount(tensor.dims);
  for (let start = 0; start < elements; start += SLAB_ELEMENTS) {
    const count = Math.min(SLAB_ELEMENTS, elements - start);
    visit(await readFloats(tensor, start, count));
    const bytes = byteLengthOf(tensor.dtype, elements);
    job.onProgress({
      stage: 'reading a weight',
      done: (pass * bytes + byteLengthOf(tensor.dtype, start + count)) / 2,
      total: bytes,
      unit: 'bytes',
    });
    await job.yield();
    throwIfCancelled(job.signal);
  }
}

/** @param start a multiple of 8, so that packed types begin at a byte */
async function readFloats(tensor: Tensor, start: number, count: number): Promise<Float32Array> {
  const { dtype, name } = tensor;
  const bytes = await readTensorSlab(tensor, byteLengthOf(dtype, start), byteLengthOf(dtype, count));
  return floatsOf(dtype, bytes, count, name);
}

/** Elements as text, in C order: numbers as short as tells them apart, 64-bit integers exact, strings as they are. */
export async function weightValues(tensor: Tensor, start: number, count: number): Promise<string[]> {
  const { dtype, data } = tensor;
  const elements = elementCount(tensor.dims);
  const from = Math.max(0, Math.min(start, elements));
  const wanted = Math.min(count, elements - from);
  if (wanted <= 0) return [];
  if (data.kind === 'strings') {
    const decoder = new TextDecoder();
    return data.values.slice(from, from + wanted).map((value) => decoder.decode(value));
  }
  if (!hasNumbers(dtype)) return [];
  const aligned = from - (from % 8);
  const read = wanted + from - aligned;
  if (dtype === 'int64' || dtype === 'uint64' || dtype === 'float64') {
    const bytes = await readTensorSlab(tensor, byteLengthOf(dtype, aligned), byteLengthOf(dtype, read));
    return Array.from(toTypedArray(dtype, bytes), String).slice(from - aligned);
  }
  const values = await readFloats(tensor, aligned, read);
  return Array.from(values.subarray(from - aligned), shortest);
}

/** The shortest text that is the same float32. */
function shortest(value: number): string {
  for (let digits = 1; digits <= 8; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return `${Number(text)}`;
  }
  return `${Number(value.toPrecision(9))}`;
}
