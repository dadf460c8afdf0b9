/** What a pool of threads makes is what one thread makes, to the bit, and errors and cancels come through it. */
import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../../../../bench/lib/bundle.mjs';
import { openNodePool } from '../../../../../src/cli/compute-pool.ts';
import { temporaryStore } from '../../../../../src/cli/store.ts';
import { inOrder } from '../../../../../src/core/base/in-order.ts';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { bytesOf, readTensorBytes, tensorFromBytes } from '../../../../../src/core/ir/tensor.ts';
import type { Tensor } from '../../../../../src/core/ir/types.ts';
import { GptqWorkspace, gptqMatrix } from '../../../../../src/core/quant/support/gptq/gptq-matrix.ts';
import { type NBitsRequest, quantizeMatrix } from '../../../../../src/core/quant/support/nbits-matrix.ts';
import type { NBitsMatrix } from '../../../../../src/core/quant/support/nbits-store.ts';
import { clipSearch } from '../../../../../src/core/quant/support/search/clip.ts';
import { hqqSearch } from '../../../../../src/core/quant/support/search/hqq.ts';
import { kQuantSearch } from '../../../../../src/core/quant/support/search/kquant.ts';
import type { StepContext } from '../../../../../src/core/step/define.ts';
import { openFileSource } from '../../../../../src/runtime/node-file-source.ts';

let pool: ReturnType<typeof openNodePool>;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'whittle-pool-'));
  const script = await bundle(folder, 'compute-worker', ['src/cli/compute-worker.ts'], 'node');
  pool = openNodePool(pathToFileURL(script), 3);
});
afterAll(() => pool.close());

const context = (withPool: boolean) =>
  ({
    ...quietJob,
    store: temporaryStore(),
    executor: withPool ? { pool, run: () => Promise.reject(new Error('not here')) } : undefined,
  }) as unknown as StepContext;

function normal(count: number): Float32Array {
  let state = 7;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: count }, () => (uniform() + uniform() + uniform()) * 0.05);
}

/** One text, since comparing long arrays element by element takes seconds. */
async function bytesOfMatrix({ packed, scales, zeroPoints }: NBitsMatrix): Promise<string> {
  const tensors = [packed, scales, ...(zeroPoints ? [zeroPoints] : [])];
  const parts = await Promise.all(tensors.map((tensor) => readTensorBytes(tensor)));
  return parts.map((bytes) => Buffer.from(bytes).toString('base64')).join('\n');
}

const scheme = { bits: 4, symmetric: false, scaleType: 'float32' } as const;
const [K, N] = [700, 520];

function request(order: 'columns' | 'rows', values = normal(K * N)): NBitsRequest {
  const tensor = tensorFromBytes('w', 'float32', order === 'columns' ? [K, N] : [N, K], bytesOf(values));
  return { ...scheme, blockSize: 32, tensor, name: 'w', K, N, order };
}

describe('slabs', () => {
  const searches = {
    'round to nearest': undefined,
    clip: clipSearch({ smallest: 0.5, steps: 5 }, false),
    'k-quant': kQuantSearch(scheme),
    'hqq, fractional zero points': hqqSearch({ p: 0.7, beta: 10, kappa: 1.01, iterations: 5 }, true),
  };
  for (const order of ['columns', 'rows'] as const)
    for (const [name, search] of Object.entries(searches))
      it(`are the same from threads: ${name}, ${order}`, async () => {
        const asked = { ...request(order), search };
        const alone = await bytesOfMatrix(await quantizeMatrix(context(false), asked));
        expect(await bytesOfMatrix(await quantizeMatrix(context(true), asked))).toEqual(alone);
      });

  it('leave the weight as it was', async () => {
    const values = normal(K * N);
    await quantizeMatrix(context(true), request('rows', values));
    expect(Buffer.from(values.buffer).equals(Buffer.from(normal(K * N).buffer))).toBe(true);
  });

  it('name the weight that is not finite', async () => {
    const values = normal(K * N);
    values[K * N - 5] = Number.NaN;
    await expect(quantizeMatrix(context(true), request('columns', values))).rejects.toMatchObject({
      code: 'pass/bad-weight',
      data: { tensor: 'w' },
    });
  });

  it('stop when they are cancelled', async () => {
    const cancelled = new AbortController();
    cancelled.abort();
    const ctx = { ...context(true), signal: cancelled.signal } as StepContext;
    await expect(quantizeMatrix(ctx, request('rows'))).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});

describe('weights in a file', () => {
  let path: string;
  const LEAD = 12;

  beforeAll(() => {
    path = join(mkdtempSync(join(tmpdir(), 'whittle-parts-')), 'weights');
    writeFileSync(path, Buffer.concat([Buffer.alloc(LEAD), bytesOf(normal(K * N))]));
  });

  /** What the main thread reads of the file is counted. */
  function stored(order: 'columns' | 'rows') {
    const source = openFileSource(path);
    let reads = 0;
    const read = (offset: number, length: number) => {
      reads += 1;
      return source.read(offset, length);
    };
    const range = { source: { ...source, read }, offset: LEAD, byteLength: 4 * K * N };
    const tensor: Tensor = { ...request(order).tensor, data: { kind: 'range', range } };
    // The descriptor is open while the source can be reached.
    return { asked: { ...request(order), tensor }, reads: () => reads, source };
  }

  for (const order of ['columns', 'rows'] as const)
    it(`are read by the threads: ${order}`, async () => {
      const { asked, reads } = stored(order);
      const alone = await bytesOfMatrix(await quantizeMatrix(context(false), request(order)));
      expect(await bytesOfMatrix(await quantizeMatrix(context(true), asked))).toEqual(alone);
      expect(reads()).toBe(0);
    });

  it('are read here where no thread can be had', async () => {
    const none = openNodePool(new URL('file:///nowhere/compute-worker.js'), 2);
    const ctx = { ...context(true), executor: { pool: none } } as unknown as StepContext;
    const alone = await bytesOfMatrix(await quantizeMatrix(context(false), request('columns')));
    expect(await bytesOfMatrix(await quantizeMatrix(ctx, stored('columns').asked))).toEqual(alone);
  });

  it('are an error with the file’s name where the file has become shorter', async () => {
    const { asked, source } = stored('rows');
    truncateSync(path, LEAD + 2 * K * N);
    await expect(quantizeMatrix(context(true), asked)).rejects.toMatchObject({
      code: 'file/truncated',
      data: { name: source.name },
    });
  });
});

describe('GPTQ', () => {
  const x = normal(1500 * K);
  const hessian = new Float32Array(K * K);
  for (let row = 0; row < 1500; row += 1)
    for (let i = 0; i < K; i += 1) {
      const factor = x[row * K + i]!;
      for (let j = 0; j < K; j += 1) hessian[i * K + j]! += factor * x[row * K + j]!;
    }

  for (const actOrder of [false, true])
    it(`is the same from threads, ${actOrder ? 'important first' : 'in the weight’s order'}`, async () => {
      const asked = { ...request('columns'), hessian, actOrder, damping: 0.01, gridSearch: 'mse' as const };
      const alone = await gptqMatrix(context(false), new GptqWorkspace(), asked);
      const pooled = await gptqMatrix(context(true), new GptqWorkspace(), asked);
      expect(pooled.method).toBe('gptq');
      expect(pooled.relativeLoss).toEqual(alone.relativeLoss);
      expect(await bytesOfMatrix(pooled.matrix)).toEqual(await bytesOfMatrix(alone.matrix));
    });
});

describe('the pool', () => {
  it('runs tasks side by side and reports what a task throws', async () => {
    await expect(pool.run('no such task', {}, [])).rejects.toThrow(/no such task/);
  });

  it('does the work here where no thread can be had', async () => {
    const none = openNodePool(new URL('file:///nowhere/compute-worker.js'), 2);
    const ctx = { ...context(true), executor: { pool: none } } as unknown as StepContext;
    const alone = await bytesOfMatrix(await quantizeMatrix(context(false), request('rows')));
    expect(await bytesOfMatrix(await quantizeMatrix(ctx, request('rows')))).toEqual(alone);
  });
});

describe('in order', () => {
  it('gives results in the order of the items, so many at once', async () => {
    let open = 0;
    let most = 0;
    const work = async (item: number) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, (7 * item) % 5));
      open -= 1;
      return 10 * item;
    };
    const results: number[] = [];
    for await (const result of inOrder([1, 2, 3, 4, 5, 6, 7], 3, work)) results.push(result);
    expect(results).toEqual([10, 20, 30, 40, 50, 60, 70]);
    expect(most).toBe(3);
  });
});
