import { expect, test } from 'vitest';
import { float32ToFloat16Bits } from '../../../../src/core/base/float16.ts';
import type { Feeds } from '../../../../src/core/eval/types.ts';
import type { HostTensor } from '../../../../src/core/step/define.ts';
import { comparePlaces } from '../../../../src/core/study/parity.ts';

const named = (tensor: HostTensor): Feeds => new Map([['y', tensor]]);
const halves = (values: readonly number[]): Feeds =>
  named({
    dtype: 'float16',
    dims: [values.length],
    data: new Uint8Array(Uint16Array.from(values, (value) => float32ToFloat16Bits(value)).buffer),
  });
const floats = (values: readonly number[]): Feeds =>
  named({ dtype: 'float32', dims: [values.length], data: new Uint8Array(Float32Array.from(values).buffer) });
const texts = (strings: readonly string[]): Feeds =>
  named({ dtype: 'string', dims: [strings.length], data: new Uint8Array(), strings });

const compare = (got: Feeds, expected: Feeds) => comparePlaces('WASM', [{ got, expected }]);

test('float16 is compared as numbers, not as bits', () => {
  // 0.5 against -0.5: bits 0x3800 and 0xb800; the neighbours 1 and 1 + 2^-10 differ by one bit.
  expect(compare(halves([0.5, 1]), halves([-0.5, 1]))).toMatchObject({ maxAbsError: 1, verdict: 'mismatch' });
  const close = compare(halves([1 + 2 ** -10, 100]), halves([1, 100]));
  expect(close.maxAbsError).toBeCloseTo(2 ** -10, 12);
  expect(close.maxRelativeToPeak).toBeCloseTo(2 ** -10 / 100, 12);
  expect(close.verdict).toBe('match');
  // As bits the two would be 1024 apart of 31744, a drift; as numbers NaN stands against infinity.
  expect(compare(halves([Number.NaN]), halves([Number.POSITIVE_INFINITY])).verdict).toBe('mismatch');
});

test('limits: relative to the largest value of the reference', () => {
  expect(compare(floats([10, 0.009]), floats([10, 0]))).toMatchObject({ verdict: 'match' });
  expect(compare(floats([10, 0.02]), floats([10, 0]))).toMatchObject({ verdict: 'drift' });
  const wrong = compare(floats([10, 0.6]), floats([10, 0]));
  expect(wrong).toMatchObject({ verdict: 'mismatch', samples: 1, reference: 'WASM' });
  expect(wrong.cosine).toBeCloseTo(10 / Math.hypot(10, 0.6), 6);
  expect(compare(floats([]), floats([]))).toMatchObject({ verdict: 'match', cosine: 1 });
});

test('infinities and NaN agree only with themselves', () => {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, 1];
  expect(compare(floats(odd), floats(odd)).verdict).toBe('match');
  expect(compare(floats([0, Number.POSITIVE_INFINITY, 1]), floats(odd)).verdict).toBe('mismatch');
  expect(compare(floats([Number.NaN, Number.NEGATIVE_INFINITY, 1]), floats(odd)).verdict).toBe('mismatch');
});

test('a missing output, another shape, other text', () => {
  expect(compare(new Map(), floats([1])).verdict).toBe('mismatch');
  expect(compare(floats([1, 2]), floats([1])).verdict).toBe('mismatch');
  expect(compare(texts(['cat']), texts(['dog'])).verdict).toBe('mismatch');
  expect(compare(texts(['cat']), texts(['cat'])).verdict).toBe('match');
});
