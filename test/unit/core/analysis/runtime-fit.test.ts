/** Where variants run: by building them and asking, with the answers that the runtimes' own tables give. */
import { describe, expect, test } from 'vitest';
import { type RuntimeFit, runtimeFits } from '../../../../src/core/analysis/runtime-fit.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';
import { model, noise, scalar, tensor } from '../passes/helpers.ts';

const fitsOf = (subject: Model) => {
  const { fits, lockIns } = runtimeFits(subject, inferShapes(subject));
  return { by: Object.fromEntries(fits.map((fit) => [fit.runtime, fit])) as Record<string, RuntimeFit>, lockIns };
};

const plain = () =>
  model({ inputs: { x: [2, 8] }, outputs: ['y'], weights: { w: noise(1, [8, 4]) }, nodes: ['y = MatMul(x, w)'] });

describe('where a model runs', () => {
  test('a plain float model runs everywhere but on the NPU as it is', () => {
    const { by, lockIns } = fitsOf(plain());
    for (const runtime of ['cpu', 'wasm', 'webgpu', 'webnn', 'tensorrt', 'openvino', 'coreml', 'directml'])
      expect(by[runtime]!.level, runtime).toBe('runs');
    expect(by.qnn!.level).toBe('partly');
    expect(lockIns).toEqual([]);
  });

  test('says what it has measured and what it has only read', () => {
    const { by } = fitsOf(plain());
    expect(by.wasm!.evidence).toBe('measured');
    expect(by.webgpu!.evidence).toBe('measured');
    for (const runtime of ['webnn', 'tensorrt', 'openvino', 'qnn', 'coreml', 'directml'])
      expect(by[runtime]!.evidence, runtime).toBe('documented');
  });

  const quantized = (zeroPoint: 'int8' | 'uint8', value: number) =>
    model({
      inputs: { x: [2, 8] },
      outputs: ['y'],
      weights: { w: noise(1, [8, 4]), s: scalar(0.1), z: tensor([], [value], zeroPoint) },
      nodes: ['q = QuantizeLinear(x, s, z)', 'd = DequantizeLinear(q, s, z)', 'y = MatMul(d, w)'],
    });

  test('uint8 activations do not run on TensorRT, symmetric int8 ones do', () => {
    const unsigned = fitsOf(quantized('uint8', 128));
    expect(unsigned.by.tensorrt!.level).toBe('does-not-run');
    expect(unsigned.by.tensorrt!.reasons.join()).toContain('uint8');
    expect(unsigned.by.qnn!.level).toBe('runs');
    expect(unsigned.by.webgpu!.level).toBe('partly');
    expect(unsigned.lockIns.join()).toContain('TensorRT');
    expect(fitsOf(quantized('int8', 0)).by.tensorrt!.level).toBe('runs');
    expect(fitsOf(quantized('int8', 3)).by.tensorrt!.reasons.join()).toContain('zero points other than 0');
  });

  test('operators of onnxruntime tie a model to it, and are named', () => {
    const fused = model({
      inputs: { x: [2, 8] },
      outputs: ['y'],
      contrib: true,
      nodes: ['y = com.microsoft.QuickGelu(x)'],
    });
    const { by, lockIns } = fitsOf(fused);
    expect(by.wasm!.level).toBe('runs');
    expect(by.directml!.level).toBe('runs');
    expect(by.openvino!.level).toBe('runs');
    expect(by.tensorrt!.level).toBe('partly');
    expect(by.coreml!.level).toBe('partly');
    expect(lockIns[0]).toContain('QuickGelu');
  });

  test('activations quantized at run time stay off WebGPU and TensorRT', () => {
    const dynamic = model({
      inputs: { x: [2, 8] },
      outputs: ['y'],
      nodes: ['q, s, z = DynamicQuantizeLinear(x)', 'y = DequantizeLinear(q, s, z)'],
    });
    const { by } = fitsOf(dynamic);
    expect(by.tensorrt!.level).toBe('does-not-run');
    expect(by.webgpu!.level).toBe('partly');
    expect(by.qnn!.reasons.join()).toContain('at run time');
  });

  test('free dimensions cost something on NPUs', () => {
    const free = model({
      inputs: { x: ['batch', 8] },
      outputs: ['y'],
      weights: { w: noise(1, [8, 4]) },
      nodes: ['y = MatMul(x, w)'],
    });
    expect(fitsOf(free).by.qnn!.reasons.join()).toContain('batch');
    expect(fitsOf(free).by.coreml!.level).toBe('partly');
  });
});
