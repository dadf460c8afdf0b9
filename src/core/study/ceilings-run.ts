/** The microbenchmark behind the roofline: about two seconds of matrix products and additions through the runtime. */
import type { JobContext } from '../base/progress.ts';
import { float32Tensor } from '../eval/host-tensors.ts';
import type { Feeds } from '../eval/types.ts';
import type { Model } from '../ir/types.ts';
import { modelToBytes } from '../onnx/write.ts';
import {
  ADD_NODE,
  additionModel,
  arrayLengths,
  PRODUCT_NODE,
  type ProductSize,
  productModel,
  productSizes,
  scattered,
} from '../profile/ceiling-models.ts';
import type { BandwidthPoint, Ceilings, ComputePoint } from '../profile/ceilings.ts';
import type { ProfileNode } from '../profile/types.ts';
import { runtimeSettingsSchema } from '../recipe/schema.ts';
import type { InferPort, OpenedSession } from './ports.ts';
import { orCancelled, targetLabel } from './run.ts';
import type { Target } from './schema.ts';

export interface CeilingsRequest<Handle> {
  readonly target: Target;
  openInfer(target: Target): Promise<InferPort<Handle>>;
  /** A model in one piece, as this host's places take it. */
  toHandle(model: Uint8Array): Handle;
  /** ISO 8601. */
  wallClock(): string;
  readonly job: JobContext;
}

const WARMUP_RUNS = 2;
const RUNS = 5;
/** A size that would take longer a run is not tried: the ones before say enough. */
const LONGEST_US = 120_000;

/** @throws StudioError runtime/*, job/cancelled */
export async function measureCeilings<Handle>(request: CeilingsRequest<Handle>): Promise<Ceilings> {
  const { target, job } = request;
  const measuredAt = request.wallClock();
  const port = await orCancelled(job, request.openInfer(target));
  try {
    const bench = new Bench(request, port);
    const float32 = await bench.products('float32');
    // GPUs run these on the processor here, whose rate is not the GPU's.
    const int8 = target.provider === 'webgpu' || target.provider === 'webnn' ? [] : await bench.products('int8');
    const bandwidth = await bench.additions();
    const smallest = await bench.run(additionModel(1), scalarFeed, ADD_NODE, 'the smallest node');
    const { engine, threads } = bench.opened!;
    return {
      measuredAt,
      engine: { ...engine },
      threads,
      clock: smallest.onGpu ? 'gpu' : 'thread',
      float32,
      int8,
      bandwidth,
      overheadUs: smallest.medianUs,
    };
  } finally {
    port.dispose();
  }
}

const scalarFeed: Feeds = new Map([['s', float32Tensor([1], Float32Array.of(0.5))]]);

class Bench<Handle> {
  opened: OpenedSession | undefined;
  readonly #request: CeilingsRequest<Handle>;
  readonly #port: InferPort<Handle>;
  #done = 0;

  constructor(request: CeilingsRequest<Handle>, port: InferPort<Handle>) {
    this.#request = request;
    this.#port = port;
  }

  async products(type: 'float32' | 'int8'): Promise<ComputePoint[]> {
    const points: ComputePoint[] = [];
    for (const size of productSizes) {
      const last = points.at(-1);
      if (last && (last.us * operations(size)) / operations(last) > LONGEST_US) break;
      const stage = `${type} products of ${size.m} × ${size.k} × ${size.n}`;
      const { medianUs: us } = await this.run(productModel(size, type), productFeed(size, type), PRODUCT_NODE, stage);
      points.push({ ...size, us, gigaOpsPerSecond: operations(size) / us / 1000 });
    }
    return points;
  }

  async additions(): Promise<BandwidthPoint[]> {
    const points: BandwidthPoint[] = [];
    for (const length of arrayLengths) {
      const arrayBytes = 4 * length;
      const last = points.at(-1);
      if (last && (last.us * arrayBytes) / last.arrayBytes > LONGEST_US) break;
      const stage = `additions of ${Math.round(arrayBytes / 1000)} kB`;
      const { medianUs: us } = await this.run(additionModel(length), scalarFeed, ADD_NODE, stage);
      points.push({ arrayBytes, us, gigaBytesPerSecond: (3 * arrayBytes) / us / 1000 });
    }
    return points;
  }

  /** @returns the node of this name, timed at least a microsecond: the clock counts whole ones */
  async run(model: Model, feeds: Feeds, node: string, stage: string): Promise<ProfileNode> {
    const { target, job, toHandle } = this.#request;
    job.onProgress({ stage: `${targetLabel(target)}: ${stage}`, done: this.#done, total: null, unit: 'steps' });
    this.#done += 1;
    const settings = { ...runtimeSettingsSchema.parse({}), graphOptimizationLevel: 'disabled' as const };
    const options = { target, settings, inspect: false, profile: true };
    this.opened = await orCancelled(job, this.#port.open(toHandle(await modelToBytes(model)), options, job));
    await orCancelled(job, this.#port.time(feeds, WARMUP_RUNS + RUNS));
    const inputShapes = Object.fromEntries([...feeds].map(([name, { dims }]) => [name, [...dims]]));
    const profile = await orCancelled(job, this.#port.profile({ inputShapes, warmupRuns: WARMUP_RUNS }, job));
    const found = profile.nodes.find(({ fileNodes }) => fileNodes.includes(node));
    if (!found) throw new Error(`the profile has no node ${node}`);
    return { ...found, medianUs: Math.max(1, found.medianUs) };
  }
}

const operations = ({ m, k, n }: ProductSize) => 2 * m * k * n;

function productFeed({ m, k }: ProductSize, type: 'float32' | 'int8'): Feeds {
  const dtype = type === 'float32' ? 'float32' : 'uint8';
  return new Map([['x', { dtype, dims: [m, k], data: scattered(m * k, type) }]]);
}
