/** What a device can do at most, measured by the runtime's own kernels: operations and bytes a second. */

import { z } from 'zod';

/** One matrix product: [m, k] x [k, n]; 2 operations a multiply-accumulate. */
const computePointSchema = z.object({
  m: z.number(),
  k: z.number(),
  n: z.number(),
  us: z.number().positive(),
  gigaOpsPerSecond: z.number(),
});
export type ComputePoint = z.output<typeof computePointSchema>;

/** An addition of two arrays, of `arrayBytes` each: two are read, one is written. */
const bandwidthPointSchema = z.object({
  arrayBytes: z.number(),
  us: z.number().positive(),
  gigaBytesPerSecond: z.number(),
});
export type BandwidthPoint = z.output<typeof bandwidthPointSchema>;

export const ceilingsSchema = z.object({
  /** ISO 8601. */
  measuredAt: z.string(),
  engine: z.object({ name: z.string(), version: z.string() }),
  threads: z.number(),
  /** How times were taken: by the thread that ran the kernels, or by the GPU's timestamps. */
  clock: z.enum(['thread', 'gpu']),
  float32: z.array(computePointSchema).min(1),
  /** 8-bit integer kernels; empty where they do not run on this device. */
  int8: z.array(computePointSchema),
  bandwidth: z.array(bandwidthPointSchema).min(1),
  /** The smallest node's time: what starting a kernel costs. Microseconds. */
  overheadUs: z.number(),
});
export type Ceilings = z.output<typeof ceilingsSchema>;

/** Peak rates in operations and bytes a microsecond. */
export interface Roof {
  readonly float32PerUs: number;
  /** Equal to `float32PerUs` where integer kernels were not measured. */
  readonly int8PerUs: number;
  /** Of the largest arrays: beyond every cache. */
  readonly bytesPerUs: number;
  /** Of the array size that was fastest: inside a cache. */
  readonly cachedBytesPerUs: number;
  readonly overheadUs: number;
  readonly isGpu: boolean;
}

/** giga per second is kilo per microsecond. */
const PER_US = 1000;

export function roofOf({ float32, int8, bandwidth, overheadUs, clock }: Ceilings): Roof {
  const peak = (points: readonly ComputePoint[]) =>
    PER_US * points.reduce((most, { gigaOpsPerSecond }) => Math.max(most, gigaOpsPerSecond), 0);
  const largest = bandwidth.reduce<BandwidthPoint | null>(
    (best, point) => (best && best.arrayBytes > point.arrayBytes ? best : point),
    null,
  );
  const fastest = bandwidth.reduce((most, { gigaBytesPerSecond }) => Math.max(most, gigaBytesPerSecond), 0);
  return {
    float32PerUs: peak(float32),
    int8PerUs: int8.length > 0 ? peak(int8) : peak(float32),
    bytesPerUs: PER_US * (largest?.gigaBytesPerSecond ?? 0),
    cachedBytesPerUs: PER_US * fastest,
    overheadUs,
    isGpu: clock === 'gpu',
  };
}
