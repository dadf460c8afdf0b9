/** What the quantizers do to real tasks: the figures that the studio is there to show, with their margins. */
import { describe, expect, it } from 'vitest';
import { nodeExecutor } from '../../../../src/cli/node-host.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { step as eliminateDead } from '../../../../src/core/passes/eliminate-dead.ts';
import { step as foldConstants } from '../../../../src/core/passes/fold-constants.ts';
import { step as dynamicInt8 } from '../../../../src/core/quant/dynamic-int8.ts';
import { step as fp16 } from '../../../../src/core/quant/fp16.ts';
import { step as weightInt8 } from '../../../../src/core/quant/weight-int8.ts';
import { step as weightOnlyRtn } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { StepDefinition } from '../../../../src/core/step/define.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { loadSampleTask, nodeRunner } from '../eval/tasks/support.ts';
import { applyStep, countOps, loadReal, memoryStore } from './support/bench.ts';

const any = (definition: unknown) => definition as StepDefinition;

async function metric(taskId: string, sample: string, id: string, model: Model, limit: number): Promise<number> {
  const task = await loadSampleTask(taskId, sample);
  const evaluation = await task.evaluate(await nodeRunner(await modelToBytes(model)), quietJob, limit);
  return evaluation.metrics.find((entry) => entry.metric === id)!.value;
}

describe('OCR recognition, character error rate over 24 lines', () => {
  const errorRate = (model: Model) => metric('ocr-recognition', 'ocr-rec', 'cer', model, 24);
  const quantizedWith = async (definition: unknown, params: object) =>
    errorRate((await applyStep(any(definition), await loadReal('rec'), params)).model);

  it('INT8 per tensor destroys it, whatever the form; per channel keeps it', async () => {
    const original = await errorRate(await loadReal('rec'));
    expect(original).toBeLessThan(0.03);
    for (const quantizer of [dynamicInt8, weightInt8]) {
      expect(await quantizedWith(quantizer, { granularity: 'tensor' })).toBeGreaterThan(0.9);
      expect(await quantizedWith(quantizer, { granularity: 'channel' })).toBeLessThan(original + 0.02);
    }
    // It is the convolutions: MatMul bears one scale for all.
    expect(await quantizedWith(dynamicInt8, { granularity: 'tensor', conv: false })).toBeLessThan(original + 0.02);
  }, 180_000);

  it('FP16 and INT4 blocks keep it', async () => {
    const original = await errorRate(await loadReal('rec'));
    expect(await quantizedWith(fp16, {})).toBeLessThan(original + 0.02);
    expect(await quantizedWith(weightOnlyRtn, {})).toBeLessThan(original + 0.02);
  }, 120_000);
});

describe('text detection, F1 at IoU 0.5 over 12 pages', () => {
  it('FP16 keeps it where onnxruntime clamping BatchNormalization variances would end it', async () => {
    const f1 = async (params: object | undefined) => {
      const source = await loadReal('det');
      const model = params === undefined ? source : (await applyStep(any(fp16), source, params)).model;
      return metric('ocr-detection', 'ocr-det', 'f1-iou50', model, 12);
    };
    const original = await f1(undefined);
    expect(await f1({})).toBeGreaterThan(original - 0.02);
    expect(await f1({ protectLargeWeights: false })).toBeLessThan(0.5 * original);
  }, 180_000);
});

describe('voice activity', () => {
  it('its LSTM, whose weights the exporter computes in the graph, is quantized once constants are folded', async () => {
    const source = await loadReal('vad');
    const alone = await applyStep(any(dynamicInt8), source);
    expect(countOps(alone.model)).toMatchObject({ LSTM: 4 });
    expect(alone.advisories.map(({ message }) => message).join()).toMatch(/folding constants before this step/);

    const steps = [any(foldConstants), any(eliminateDead), any(dynamicInt8)].map((definition) => ({
      definition,
      params: definition.params.parse({}) as Record<string, unknown>,
    }));
    const executor = nodeExecutor();
    const { model } = await runSteps({
      model: source,
      steps,
      job: quietJob,
      store: memoryStore,
      executor,
      validate: true,
    });
    expect(countOps(model)).toMatchObject({ 'com.microsoft.DynamicQuantizeLSTM': 4 });
    const original = await metric('voice-activity', 'silero-vad', 'f1', source, 4);
    expect(await metric('voice-activity', 'silero-vad', 'f1', model, 4)).toBeGreaterThan(original - 0.03);
    expect((await modelToBytes(model)).byteLength).toBeLessThan(0.45 * (await modelToBytes(source)).byteLength);
  }, 180_000);
});
