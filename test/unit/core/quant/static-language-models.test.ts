/**
 * Static INT8 of language models stays within the gate of 2 % at a size below FP16, where onnxruntime's default static
 * quantization ends above four bits per byte. Calibrated with the calibration split, judged by the novel.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Task } from '../../../../src/core/eval/types.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { applyRecipe } from '../../../../src/core/recipe/apply.ts';
import { parseRecipe } from '../../../../src/core/recipe/parse.ts';
import { findPreset } from '../../../../src/core/recipe/presets.ts';
import { loadSampleTask, nodeRunner } from '../eval/tasks/support.ts';
import { memoryStore } from './support/bench.ts';
import { executor } from './support/statically.ts';

const GATE = 1.02;
const WINDOWS = 4;
const SAMPLES = 4;

async function load(path: string): Promise<Model> {
  const file = new URL(`../../../../public/samples/${path}`, import.meta.url);
  const model = await readModel(memorySource(path, new Uint8Array(readFileSync(file))));
  await expandHalfWeights(model);
  return model;
}

async function bitsPerByte(model: Model, task: Task): Promise<number> {
  const { metrics } = await task.evaluate(await nodeRunner(await modelToBytes(model)), quietJob, WINDOWS);
  return metrics.find(({ metric }) => metric === 'bits-per-byte')!.value;
}

/** With so few samples in its calibrated steps that it takes seconds. */
async function build(model: Model, task: Task, presetId: string) {
  const { recipe } = findPreset(presetId)!;
  const steps = recipe.steps.map((step) =>
    ['smoothquant', 'static-int8'].includes(step.id) ? { ...step, params: { ...step.params, samples: SAMPLES } } : step,
  );
  const parsed = parseRecipe({ ...recipe, steps });
  if (!parsed.ok) throw parsed.error;
  return applyRecipe({
    model,
    recipe: parsed.value,
    job: quietJob,
    store: memoryStore,
    executor,
    calibration: { origin: 'calibration-split', feeds: () => task.calibrationFeeds() },
  });
}

describe('static INT8 of language models', () => {
  it('a plain one bears it: per channel, with products of activations in floating point', async () => {
    const [model, task] = [await load('lm-target/model.fp16w.onnx'), await loadSampleTask('lm-target', 'lm-data')];
    const { model: quantized } = await build(model, task, 'int8-static');
    expect(await bitsPerByte(quantized, task)).toBeLessThan(GATE * (await bitsPerByte(model, task)));
    const bytes = (await modelToBytes(model)).byteLength;
    expect((await modelToBytes(quantized)).byteLength).toBeLessThan(0.4 * bytes);
  }, 180_000);

  it('one with outliers is spoiled, and saved by SmoothQuant and the layers left; the file stays below FP16', async () => {
    const [model, task] = [await load('lm-outlier/model.onnx'), await loadSampleTask('lm-target', 'lm-data')];
    const original = await bitsPerByte(model, task);
    const plain = await build(model, task, 'int8-static');
    expect(await bitsPerByte(plain.model, task)).toBeGreaterThan(1.1 * original);
    const guarded = await build(model, task, 'int8-static-guarded');
    expect(await bitsPerByte(guarded.model, task)).toBeLessThan(GATE * original);
    const bytes = (await modelToBytes(model)).byteLength;
    expect((await modelToBytes(guarded.model)).byteLength).toBeLessThan(0.3 * bytes);
    expect(guarded.advisories.map(({ code }) => code)).toContain('quant/sensitive-left');
    const facts = guarded.ledger.find(({ step }) => step === 'static-int8')!.facts as unknown as {
      fusion: { integer: number };
    };
    expect(facts.fusion.integer).toBeGreaterThan(10);
  }, 240_000);
});
