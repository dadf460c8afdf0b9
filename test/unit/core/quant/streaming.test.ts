/** Quantizers look at a weight through a window: no read and no chunk they hand on grows with the tensor. */
import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../../src/core/base/bytes.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { bytesOf } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { step as dynamicInt8 } from '../../../../src/core/quant/dynamic-int8.ts';
import { step as fp16 } from '../../../../src/core/quant/fp16.ts';
import { step as weightInt8 } from '../../../../src/core/quant/weight-int8.ts';
import { step as weightOnlyRtn } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { StepDefinition, TensorStore } from '../../../../src/core/step/define.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { sampleValues } from './support/models.ts';

const MB = 2 ** 20;

/** A file of any length that repeats one megabyte of weights. */
class EndlessSource implements ByteSource {
  readonly name = 'endless';
  largestRead = 0;
  readonly #piece = bytesOf(sampleValues(MB / 4));

  constructor(readonly byteLength: number) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.largestRead = Math.max(this.largestRead, length);
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const from = (offset + at) % MB;
      const part = this.#piece.subarray(from, Math.min(MB, from + length - at));
      bytes.set(part, at);
      at += part.byteLength;
    }
    return bytes;
  }
}

class CountingStore implements TensorStore {
  largestChunk = 0;
  total = 0;
  readonly put: TensorStore['put'] = async (byteLength, chunks) => {
    let got = 0;
    for await (const chunk of chunks) {
      this.largestChunk = Math.max(this.largestChunk, chunk.byteLength);
      got += chunk.byteLength;
    }
    expect(got).toBe(byteLength);
    this.total += got;
    return { kind: 'range', range: { source: new EndlessSource(byteLength), offset: 0, byteLength } };
  };
}

function modelOf(opType: 'MatMul' | 'Gemm' | 'Conv', dims: readonly number[], source: EndlessSource): Model {
  const attributes = opType === 'Gemm' ? { transB: { type: 'int', value: 1n } as const } : {};
  const graph = makeGraph({
    nodes: [makeNode({ opType, inputs: ['x', 'w'], outputs: ['y'], attributes })],
    inputs: [valueInfo('x', 'float32')],
    outputs: [valueInfo('y', 'float32')],
  });
  const data = { kind: 'range', range: { source, offset: 0, byteLength: source.byteLength } } as const;
  graph.initializers.set('w', { name: 'w', dtype: 'float32', dims, data });
  return makeModel({ graph });
}

describe('a weight of 256 MB', () => {
  const bytes = 256 * MB;
  const cases: readonly [string, StepDefinition, 'MatMul' | 'Gemm' | 'Conv', readonly number[], number][] = [
    ['INT4 blocks of MatMul', weightOnlyRtn as unknown as StepDefinition, 'MatMul', [4096, 16384], bytes / 8],
    ['INT4 blocks of Gemm', weightOnlyRtn as unknown as StepDefinition, 'Gemm', [16384, 4096], bytes / 8],
    ['INT8 weights of MatMul', weightInt8 as unknown as StepDefinition, 'MatMul', [4096, 16384], bytes / 4],
    ['INT8 weights of Conv', weightInt8 as unknown as StepDefinition, 'Conv', [4096, 4096, 2, 2], bytes / 4],
    ['dynamic INT8 of MatMul', dynamicInt8 as unknown as StepDefinition, 'MatMul', [4096, 16384], bytes / 4],
    ['FP16', fp16 as unknown as StepDefinition, 'MatMul', [4096, 16384], bytes / 2],
  ];
  for (const [label, definition, opType, dims, atLeast] of cases)
    it(`${label}: reads at most 8 MB, hands on at most 48 MB at a time`, async () => {
      const source = new EndlessSource(bytes);
      const store = new CountingStore();
      const outcome = await runSteps({
        model: modelOf(opType, dims, source),
        steps: [{ definition, params: definition.params.parse({}) as Record<string, unknown> }],
        job: quietJob,
        store,
      });
      expect(outcome.ledger[0]!.fired).toBeGreaterThan(0);
      expect(store.total).toBeGreaterThanOrEqual(atLeast);
      expect(source.largestRead).toBeLessThanOrEqual(8 * MB);
      expect(store.largestChunk).toBeLessThanOrEqual(48 * MB);
    }, 60_000);

  it('stops within a slab when it is cancelled', async () => {
    for (const definition of [weightOnlyRtn, weightInt8, fp16] as unknown as StepDefinition[]) {
      let yields = 0;
      const signal = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };
      const job = {
        ...quietJob,
        signal,
        yield: async () => {
          yields += 1;
          if (yields === 5) signal.aborted = true;
        },
      };
      const store = new CountingStore();
      const run = runSteps({
        model: modelOf('MatMul', [4096, 16384], new EndlessSource(bytes)),
        steps: [{ definition, params: definition.params.parse({}) as Record<string, unknown> }],
        job,
        store,
      });
      await expect(run).rejects.toMatchObject({ code: 'job/cancelled' });
      expect(yields).toBeLessThanOrEqual(6);
    }
  });
});
