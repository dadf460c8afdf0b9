// Ceilings of this very machine, and the arithmetic of the roofline.
import { beforeAll, describe, expect, test } from 'vitest';
import { createNodeInfer } from '../../../../src/cli/node-host.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { type Ceilings, roofOf } from '../../../../src/core/profile/ceilings.ts';
import { rooflineOf } from '../../../../src/core/profile/roofline.ts';
import type { ModelProfile, ProfileNode } from '../../../../src/core/profile/types.ts';
import { measureCeilings } from '../../../../src/core/study/ceilings-run.ts';
import type { ModelFiles } from '../../../../src/core/study/ports.ts';

const request = {
  openInfer: async () => createNodeInfer(),
  toHandle: (bytes: Uint8Array): ModelFiles => ({ graph: [bytes], externalData: [] }),
  wallClock: () => '2030-01-01T00:00:00.000Z',
};

describe('ceilings of this machine', () => {
  let ceilings: Ceilings;
  beforeAll(async () => {
    ceilings = await measureCeilings({ ...request, target: { provider: 'cpu', threads: 1 }, job: quietJob });
  });

  test('are of a size that processors have, and larger work takes longer', () => {
    const roof = roofOf(ceilings);
    expect(roof.float32PerUs / 1000).toBeGreaterThan(0.5);
    expect(roof.float32PerUs / 1000).toBeLessThan(20_000);
    expect(roof.bytesPerUs / 1000).toBeGreaterThan(0.3);
    expect(roof.cachedBytesPerUs).toBeGreaterThanOrEqual(roof.bytesPerUs);
    expect(ceilings).toMatchObject({ threads: 1, clock: 'thread', engine: { name: 'onnxruntime-node' } });
    expect(ceilings.int8.length).toBeGreaterThan(1);
    for (const points of [ceilings.float32, ceilings.int8, ceilings.bandwidth]) {
      const times = points.map(({ us }) => us);
      expect(times.at(-1)!).toBeGreaterThan(times[0]!);
      // Sizes grow at least fourfold from one to the next but one: however noisy the machine is, time must follow.
      for (let at = 2; at < times.length; at += 1) expect(times[at]!).toBeGreaterThan(times[at - 2]!);
    }
    expect(ceilings.overheadUs).toBeLessThan(ceilings.bandwidth.at(-1)!.us);
  });

  test('measuring stops when it is cancelled', async () => {
    const controller = new AbortController();
    const job = { ...quietJob, signal: controller.signal, onProgress: () => controller.abort() };
    const measuring = measureCeilings({ ...request, target: { provider: 'cpu', threads: 1 }, job });
    await expect(measuring).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});

const node = (parts: Partial<ProfileNode>): ProfileNode => ({
  id: 'n',
  name: 'n',
  opType: 'MatMul',
  family: 'matrix-product',
  provider: 'CPUExecutionProvider',
  origin: 'file',
  fileNodes: ['n'],
  fileValues: ['v'],
  calls: 1,
  onGpu: false,
  samplesUs: [],
  medianUs: 100,
  p5Us: 100,
  p95Us: 100,
  share: 1,
  dispatchUs: null,
  macs: 0,
  flops: 0,
  bytes: 0,
  outputs: [],
  ...parts,
});
const profile = (nodes: ProfileNode[]): ModelProfile => ({
  nodes,
  runs: 5,
  runUs: { median: 0, p5: 0, p95: 0 },
  sumUs: 0,
  dispatchUs: null,
  hasGpuTimes: true,
  notRun: { absorbed: 0, untraced: 0 },
  unreadableLines: 0,
  lostEvents: 0,
});
/** 1000 operations, 2000 integer ones and 100 bytes a microsecond. */
const roof = {
  float32PerUs: 1000,
  int8PerUs: 2000,
  bytesPerUs: 100,
  cachedBytesPerUs: 400,
  overheadUs: 3,
  isGpu: false,
};

describe('the roofline', () => {
  test('takes the longer of computing and moving, and names it', () => {
    const { nodes, ...sums } = rooflineOf(
      profile([
        node({ id: 'compute', flops: 80_000, bytes: 1000 }),
        node({ id: 'memory', flops: 1000, bytes: 5000 }),
        node({ id: 'slow', flops: 1000, bytes: 1000 }),
        node({ id: 'integer', opType: 'QLinearMatMul', flops: 80_000, bytes: 1000 }),
        node({ id: 'packed', opType: 'MatMulNBits', flops: 80_000, bytes: 1000 }),
        node({ id: 'mystery', flops: null, bytes: 1000, medianUs: 7 }),
        node({ id: 'view', medianUs: 1 }),
      ]),
      roof,
    );
    expect(nodes.map(({ node: { id }, predictedUs, bound }) => [id, predictedUs, bound])).toEqual([
      ['compute', 80, 'compute'],
      ['memory', 50, 'memory'],
      ['slow', 10, 'overhead'],
      ['integer', 40, 'compute'],
      ['packed', 80, 'compute'],
      ['mystery', null, 'unknown'],
      ['view', 0, 'overhead'],
    ]);
    expect(nodes[0]).toMatchObject({ intensity: 80, gigaOpsPerSecond: 0.8 });
    expect(nodes[6]!.intensity).toBeNull();
    expect(sums).toEqual({
      predictedUs: 260,
      measuredUs: 501,
      predictedWithOverheadUs: 260 + 6 * 3,
      unknownNodes: 1,
      unknownUs: 7,
    });
  });

  test('does not judge by the GPU what ran on the processor', () => {
    const one = node({ provider: 'CPUExecutionProvider', flops: 100, bytes: 100 });
    const other = node({ provider: 'WebGpuExecutionProvider', flops: 100, bytes: 100, onGpu: true, medianUs: 2 });
    const { nodes, unknownUs } = rooflineOf(profile([one, other]), { ...roof, isGpu: true });
    expect(nodes.map(({ bound }) => bound)).toEqual(['elsewhere', 'memory']);
    expect(unknownUs).toBe(100);
  });
});
