/** GPTQ on a language model with activation outliers: what it is for. A few windows of text, so that it takes seconds. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { step } from '../../../../src/core/quant/weight-only-gptq.ts';
import { step as nearest } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { CalibrationSource } from '../../../../src/core/step/define.ts';
import { loadSampleTask, nodeRunner } from '../eval/tasks/support.ts';
import { applyStep } from './support/bench.ts';
import { applyCalibrated } from './support/calibrated.ts';

const WINDOWS = 8;

describe('lm-outlier', () => {
  it('at 3 bits in blocks of 128 loses less than half of what rounding to nearest loses', async () => {
    const path = fileURLToPath(new URL('../../../../public/samples/lm-outlier/model.onnx', import.meta.url));
    const model = await readModel(memorySource(path, new Uint8Array(await readFile(path))));
    const task = await loadSampleTask('lm-target', 'lm-data');
    const calibration: CalibrationSource = { origin: 'calibration-split', feeds: () => task.calibrationFeeds() };
    const bitsPerByte = async (one: Model) => {
      const { metrics } = await task.evaluate(await nodeRunner(await modelToBytes(one)), quietJob, WINDOWS);
      return metrics.find(({ metric }) => metric === 'bits-per-byte')!.value;
    };
    const params = { bits: 3, blockSize: 128 };
    const plain = await applyStep(nearest, model, params);
    const gptq = await applyCalibrated(step, model, calibration, { ...params, samples: WINDOWS });
    const [original, rounded, fed] = [
      await bitsPerByte(model),
      await bitsPerByte(plain.model),
      await bitsPerByte(gptq.model),
    ];
    expect(rounded).toBeGreaterThan(original);
    expect(fed - original).toBeLessThan(0.5 * (rounded - original));
    const facts = gptq.ledger[0]!.facts!.gptq as { method: string; relativeLoss: number }[];
    expect(facts.every(({ method }) => method === 'gptq')).toBe(true);
  }, 300_000);
});
