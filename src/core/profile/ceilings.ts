/** What a device can do at most, measured by the runtime's own kernels: operations and bytes a second. */

/** One matrix product: [m, k] x [k, n]. */
export interface ComputePoint {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly us: number;
  /** 2 operations a multiply-accumulate. */
  readonly gigaOpsPerSecond: number;
}

/** An addition of two arrays: two are read, one is written. */
export interface BandwidthPoint {
  /** Of one array. */
  readonly arrayBytes: number;
  readonly us: number;
  readonly gigaBytesPerSecond: number;
}

export interface Ceilings {
  /** ISO 8601. */
  readonly measuredAt: string;
  readonly engine: { readonly name: string; readonly version: string };
  readonly threads: number;
  /** How times were taken: by the thread that ran the kernels, or by the GPU's timestamps. */
  readonly clock: 'thread' | 'gpu';
  readonly float32: readonly ComputePoint[];
  /** 8-bit integer kernels; empty where they do not run on this device. */
  readonly int8: readonly ComputePoint[];
  readonly bandwidth: readonly BandwidthPoint[];
  /** The smallest node's time: what starting a kernel costs. Microseconds. */
  readonly overheadUs: number;
}

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
}

/** giga per second is kilo per microsecond. */
const PER_US = 1000;

export function roofOf({ float32, int8, bandwidth, overheadUs }: Ceilings): Roof {
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
  };
}
