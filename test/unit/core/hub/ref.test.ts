import { describe, expect, it } from 'vitest';
import { hubRefSchema } from '../../../../src/core/hub/ref.ts';
import { decodeStudy, encodeStudy } from '../../../../src/core/study/link.ts';
import { studySchema } from '../../../../src/core/study/schema.ts';

const ref = {
  kind: 'hub' as const,
  repo: 'onnx-community/some.model_v2',
  revision: '0123456789abcdef0123456789abcdef01234567',
  path: 'onnx/model_q4f16.onnx',
  sha256: '89abcdef'.repeat(8),
  byteLength: 123_456_789,
};

describe('a model of a hub in a link', () => {
  it('survives, and costs little more than its two hashes', () => {
    const study = studySchema.parse({ model: ref, variants: [{ name: 'Original' }], task: { kind: 'random' } });
    const link = encodeStudy(study);
    const decoded = decodeStudy(link);
    expect(decoded.ok && decoded.value.model).toEqual(ref);
    const sample = encodeStudy({ ...study, model: { kind: 'sample', id: 'x' } });
    expect(link.length - sample.length).toBeLessThan(260);
  });

  it('is refused unless it is pinned and leads nowhere else', () => {
    const fits = (change: object) => hubRefSchema.safeParse({ ...ref, ...change }).success;
    expect(fits({})).toBe(true);
    expect(fits({ sha256: undefined, byteLength: undefined })).toBe(true);
    for (const bad of [
      { revision: 'main' },
      { repo: 'a/b/c' },
      { repo: '../x' },
      { repo: 'https://x/y' },
      { path: '../model.onnx' },
      { path: '/model.onnx' },
      { path: '' },
      { sha256: 'x' },
      { byteLength: -1 },
    ])
      expect(fits(bad), JSON.stringify(bad)).toBe(false);
  });
});
