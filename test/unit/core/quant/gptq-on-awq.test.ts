/** GPTQ after AWQ's factors have been folded in. */
import { describe, expect, it } from 'vitest';
import { step } from '../../../../src/core/quant/weight-only-gptq.ts';
import type { StepDefinition } from '../../../../src/core/step/define.ts';
import { countOps, runOnNode } from './support/bench.ts';
import { applyCalibrated } from './support/calibrated.ts';
import { noiseShare, outlierCalibration, outlierFeeds, outlierModel } from './support/outlier-model.ts';

const gptq = step as unknown as StepDefinition;

describe('GPTQ on scaled channels', () => {
  it('stores what the scaled layers need, and loses less than without where inputs come in the order of the file', async () => {
    const source = outlierModel();
    const reference = await runOnNode(source, outlierFeeds());
    const quantize = async (scaling: 'none' | 'awq') => {
      const params = { bits: 3, blockSize: 32, actOrder: false, gridSearch: 'min-max', scaling };
      const outcome = await applyCalibrated(gptq, source, outlierCalibration(), params);
      expect(countOps(outcome.model)).toMatchObject({ 'com.microsoft.MatMulNBits': 4, Mul: 1 });
      const actions = outcome.ledger[0]!.entries.map(({ action }) => action).join();
      expect(/scaled channels by activations/.test(actions)).toBe(scaling === 'awq');
      const values = await runOnNode(outcome.model, outlierFeeds());
      return noiseShare(values.get('q')!, reference.get('q')!);
    };
    const [plain, scaled] = [await quantize('none'), await quantize('awq')];
    expect(scaled).toBeLessThan(plain);
  });
});
