import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from '../../../../src/core/base/base64url.ts';

test("agrees with Node's own base64url, both ways", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = toBase64Url(bytes);
      expect(text).toBe(Buffer.from(bytes).toString('base64url'));
      expect(fromBase64Url(text)).toEqual(bytes);
    }),
  );
});

test('text that is not base64url is refused', () => {
  for (const text of ['a', 'ab=c', 'a b', 'ab+/', 'abcde']) expect(fromBase64Url(text)).toBeUndefined();
});
