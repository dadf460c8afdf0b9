import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { step as dynamicInt8 } from '../../../../src/core/quant/dynamic-int8.ts';
import { step as fp16 } from '../../../../src/core/quant/fp16.ts';
import { step as weightInt8 } from '../../../../src/core/quant/weight-int8.ts';
import { step as weightOnlyRtn } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { StepDefinition } from '../../../../src/core/step/define.ts';
import { applyStep, asHalf, cosine, countOps, loadReal, type RealModel, realFeeds, runtimes } from './support/bench.ts';

const quantizers: readonly [string, StepDefinition, object][] = [
  ['INT4 blocks', weightOnlyRtn as unknown as StepDefinition, {}],
  ['INT8 blocks', weightOnlyRtn as unknown as StepDefinition, { bits: 8, symmetric: true }],
  ['dynamic INT8', dynamicInt8 as unknown as StepDefinition, {}],
  ['INT8 at load', weightInt8 as unknown as StepDefinition, {}],
  ['INT8 in every run', weightInt8 as unknown as StepDefinition, { expand: 'run' }],
];

async function agreement(source: Model, quantized: Model, name: RealModel, keepIoTypes: boolean): Promise<number> {
  const feeds = realFeeds(name);
  const reference = await runtimes[0][1](source, feeds);
  let worst = 1;
  for (const [, run] of runtimes) {
    const outputs = await run(quantized, keepIoTypes ? feeds : asHalf(feeds));
    for (const [output, values] of reference) worst = Math.min(worst, cosine(outputs.get(output)!, values));
  }
  return worst;
}

describe('a weight quantizer and then FP16', () => {
  for (const [label, definition, params] of quantizers)
    for (const keepIoTypes of [true, false])
      it(`${label}, ${keepIoTypes ? 'float32' : 'float16'} inputs`, async () => {
        const source = await loadReal('rec');
        const quantized = await applyStep(definition, source, params);
        const both = await applyStep(fp16 as unknown as StepDefinition, quantized.model, { keepIoTypes });
        expect(await agreement(source, both.model, 'rec', keepIoTypes)).toBeGreaterThan(0.98);
      }, 60_000);

  it('stores the scales of MatMulNBits in float16, as its activations are', async () => {
    const quantized = await applyStep(weightOnlyRtn as unknown as StepDefinition, await loadReal('rec'));
    const both = await applyStep(fp16 as unknown as StepDefinition, quantized.model);
    const scales = [...both.model.graph.initializers.values()].filter(({ name }) => name.endsWith('_scales'));
    expect(new Set(scales.map(({ dtype }) => dtype))).toEqual(new Set(['float16']));
    expect(countOps(both.model)['com.microsoft.MatMulNBits']).toBe(9);
  });
});

describe('FP16 and then a weight quantizer', () => {
  for (const [label, definition, params] of quantizers)
    it(label, async () => {
      const source = await loadReal('rec');
      const half = await applyStep(fp16 as unknown as StepDefinition, source);
      const both = await applyStep(definition, half.model, params);
      expect(await agreement(source, both.model, 'rec', true)).toBeGreaterThan(0.98);
      // Dynamic INT8 needs float32 activations and says so for every weight it leaves.
      expect(both.ledger[0]!.fired > 0).toBe(definition.id !== 'dynamic-int8');
    }, 60_000);
});
