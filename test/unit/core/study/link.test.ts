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

/** Made by the first version of the codec. Links live for ever: these must open, and mean the same, in every later one. */
describe('golden links', () => {
  test('a sample', () => {
    const link =
      'w1.7ZfLbtswEEV_xeBaLJIiDVJ_QItu0rQN0EWRBS1R0sB8lRwpcQ3_ey8px5CDBEX32nGG89KdA0Hai06xFuu9qL1rqdGuhnXx7uOHSlj19NPHVOyLS9i-wVmoTfJmQNJhcpmcTQ1ufB1l1LWoxJZcdiRlgymBrGKnOYn1r70I0Y_oFBHwqJJFOPdRqwa37w_V-b3edGGYR1wcHnK1tH3Z1XeOmLx72V2W4EoYssRifX2FaUYVSbnjOA6hXyN15JTBqJPjByGX2t3KO7NDdg7FNNT1nKTzLMmFAQVy3ZYlxEtcKlZC504OqsosJxPn_NabBlOmXoU80SRGBdGt9U4m-qOzWaLmtcgZcvrkktTCaTXSpfWjtqg_LzNs9FNAlwQdsh9J9Va2RrHstM1KN7oZMAFlrZRB2zhr0w6uzhJm1-CiN0Ya78P5QzXYQx51SFoatdPR-ZgrF0e0aW522uTllbOl1D-fexWb9DhznBmKOetWVlkcePxRbhTX_bx48WKR3FvNlKmb-ii2g5GqOU25IZXORklbClhiKZUM1TpJ9jJh4ZxRi8ql4BEH53Fl5z0h0qjKgA_PvHy6u7xeMFkweR0TuAP4ONHy5fb-ZtXsnLJUV6ug46rulXN4lS4ILQi9gdCRFyjKNzAnRCbrHCzsAlNWqxqybyKUzPMtWC1YvYrVRMu_qLpafb-_XTBaMHoLoyM4-XNZRp59GRV4Pt_df1teSAtJ_0tSF_g3UMIv3whd8_0aP6Ij6UeQFVTU7MXhLw';
    const link1 = decodeStudy(link);
    if (!link1.ok) throw link1.error;
    const ids = ['original', 'simplify', 'fp16', 'int8-dynamic', 'int8-static', 'int4-rtn', 'int4-gptq'];
    const variants = ids.map((id) => presets.find((preset) => preset.id === id)!.recipe);
    expect(link1.value).toMatchObject({
      model: { kind: 'sample', id: 'ocr-rec' },
      targets: [
        { provider: 'wasm', threads: 2 },
        { provider: 'webgpu', threads: 0 },
      ],
      task: { kind: 'sample-task', id: 'ocr-recognition', limit: 64 },
      gate: { mode: 'absolute', maxWorse: 0.01, confidence: 0.95 },
      view: 'pareto',
    });
    expect(link1.value.variants.map(({ name }) => name)).toEqual(variants.map(({ name }) => name));
    const stepIds = link1.value.variants.map(({ steps }) => steps.map(({ id }) => id));
    expect(stepIds.map(({ length }) => length)).toEqual([0, 29, 30, 31, 31, 30, 30]);
    const cleaning = new Set(stepIds[1]);
    expect(stepIds.map((list) => list.filter((id) => !cleaning.has(id)))).toEqual([
      [],
      [],
      ['fp16'],
      ['dynamic-int8', 'weight-int8'],
      ['static-int8', 'weight-int8'],
      ['weight-only-rtn'],
      ['weight-only-gptq'],
    ]);
  });
  test('a file, random inputs, a plan and names with other letters', () => {
    const link =
      'w1.pVKxjtswDP2Vg2arSO6SXJGxS5cWBboWNygWbRORKEOikrhBvqV_0a1L78dKOU7gzIUX8Zl8j3zkWflgwantWe0Ghi9ALXdqu3x-Wa03r5XaI1m1VQ06UJUi40EiPzyNVR8C0Ung1Jnn9UZ-mN3_fepSqd4ZKu04w0D18CnbFvhrUtvVYrGobvD3TAKtK3U00ef-Gr5IOZu0L-VIfWbBfpyVRV8ey2qzeqskShxxlxmD6CgK0RsnQ3hzkrmLxDTlSV0kfTIgGrLBl1mN7x0I30d5A8i_V1E9mIiGJr1C-y1iiyTEl-oKfI7vv99_wdPfP4VE8tQRsO04aQqsp25lPGxY14ESj3SVAodeiBg0WiBGHgRsgrM6gvjeg2YTxaGSWwfvA-mEP6XBKWvOheSQ4A5pbMrcIOXahwN44Z_T5B2celFJ4lTBpaje60Y2oFvwxQwLNksHSMhonMjGmUyTqS4mFyhTDM5pF0L_OJQFY0urOYF2ZoBY9nEDok_zsAWXb2-Pqbu9OxNtOs6Ah8CwHMy47AmQ8Q96Z7ju5uQjKlvkzgNjfdcx7LPTxt673KFJD62kPfayxJEqOawhaQ469Q5ZEJbLSX2QPAGnlT1qikkHMzV4vQkdyA06Mqm3coIHsXU81uXlHw';
    const decoded = decodeStudy(link);
    if (!decoded.ok) throw decoded.error;
    expect(decoded.value).toMatchObject({
      model: { kind: 'file', name: 'my model.onnx', byteLength: 1_234_567, sha256: 'ab'.repeat(32) },
      targets: [{ provider: 'wasm', threads: 0 }],
      task: { kind: 'random', seed: 7, samples: 8, inputs: [{ name: 'x', dims: [1, 64], distribution: 'normal' }] },
      plan: { warmupRuns: 3, latencyRuns: 5 },
      view: 'charts',
    });
    expect(decoded.value.variants.map(({ name }) => name)).toEqual(['Original', 'Größe ½']);
    expect(decoded.value.variants[1]!.steps.map(({ id }) => id)).toContain('weight-only-rtn');
  });
});
