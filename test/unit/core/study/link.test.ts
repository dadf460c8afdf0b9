import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toBase64Url } from '../../../../src/core/base/base64url.ts';
import { canonicalRecipe } from '../../../../src/core/recipe/parse.ts';
import { presets } from '../../../../src/core/recipe/presets.ts';
import { decodeStudy, encodeStudy } from '../../../../src/core/study/link.ts';
import { MAX_VARIANTS, type Study, studySchema } from '../../../../src/core/study/schema.ts';

const canonical = (recipe: (typeof presets)[number]['recipe']) => {
  const result = canonicalRecipe(recipe);
  if (!result.ok) throw result.error;
  return result.value;
};

const study: Study = studySchema.parse({
  model: { kind: 'sample', id: 'ocr-rec' },
  variants: presets.slice(0, MAX_VARIANTS).map(({ recipe }) => canonical(recipe)),
  targets: [{ provider: 'wasm', threads: 2 }, { provider: 'webgpu' }],
  task: { kind: 'sample-task', id: 'ocr-recognition', limit: 64 },
  gate: { mode: 'absolute', maxWorse: 0.01 },
  view: 'pareto',
});

const codeOf = (fragment: string) => {
  const decoded = decodeStudy(fragment);
  return decoded.ok ? 'ok' : decoded.error.code;
};
const pack = (json: unknown) => `w1.${toBase64Url(deflateRawSync(JSON.stringify(json)))}`;

test('a study survives the link, and eight ordinary variants fit into 2,000 characters', () => {
  const link = encodeStudy(study);
  expect(link.length).toBeLessThan(2000);
  const decoded = decodeStudy(`#${link}`);
  expect(decoded.ok ? decoded.value : decoded.error.message).toEqual(study);
});

test('encoding is deterministic and a fixed point', () => {
  const link = encodeStudy(study);
  const decoded = decodeStudy(link);
  expect(decoded.ok && encodeStudy(decoded.value)).toBe(link);
});

describe('hostile and damaged links', () => {
  test('cut off anywhere: an error of the link family, never an exception', () => {
    const link = encodeStudy(study);
    for (let length = 0; length < link.length; length++)
      expect(codeOf(link.slice(0, length)), `at ${length}`).toMatch(/^(link|recipe)\//);
  });
  test('random text', () => {
    const isRefused = (text: string) => /^(link|recipe)\//.test(codeOf(text));
    fc.assert(fc.property(fc.string(), isRefused));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => isRefused(`w1.${toBase64Url(bytes)}`)));
    fc.assert(fc.property(fc.json(), (text) => isRefused(pack(JSON.parse(text)))));
  });
  test('a bomb stops at the size limit', () => {
    const bomb = `w1.${toBase64Url(deflateRawSync(Buffer.alloc(40_000_000, 32)))}`;
    expect(bomb.length).toBeLessThan(64_000);
    expect(codeOf(bomb)).toBe('link/too-large');
    expect(codeOf(`w1.${'A'.repeat(70_000)}`)).toBe('link/too-large');
  });
  test('the future is refused by name', () => {
    expect(codeOf('w2.abc')).toBe('recipe/from-the-future');
    expect(
      codeOf(
        pack({ version: 99, variants: [{ n: 'x' }], model: { kind: 'sample', id: 'a' }, task: { kind: 'random' } }),
      ),
    ).toBe('recipe/from-the-future');
  });
  test('nine variants, unknown steps, wrong parameters', () => {
    const base = { version: 1, model: { kind: 'sample', id: 'a' }, task: { kind: 'random' } };
    expect(codeOf(pack({ ...base, variants: Array.from({ length: 9 }, () => ({ n: 'x' })) }))).toBe('recipe/invalid');
    expect(codeOf(pack({ ...base, variants: [{ n: 'x', s: ['no-such'] }] }))).toBe('recipe/unknown-step');
    expect(codeOf(pack({ ...base, variants: [{ n: 'x', s: [['lift-constants', { a: 1 }]] }] }))).toBe('recipe/invalid');
  });
  test('prototype pollution does nothing', () => {
    codeOf(
      `w1.${toBase64Url(deflateRawSync('{"__proto__":{"polluted":1},"variants":[{"__proto__":{"polluted":1}}]}'))}`,
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
