import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { canonicalHash } from '../../../../src/core/base/canonical-hash.ts';
import { canonicalJson } from '../../../../src/core/base/json.ts';

test('key order and undefined members do not matter, array order does', () => {
  expect(canonicalJson({ b: 1, a: [1, { d: undefined, c: null }] })).toBe('{"a":[1,{"c":null}],"b":1}');
  expect(canonicalHash({ a: 1, b: 2 })).toBe(canonicalHash({ b: 2, a: 1 }));
  expect(canonicalHash([1, 2])).not.toBe(canonicalHash([2, 1]));
});

test("the hash is Node's SHA-256 of the canonical text", () => {
  const value = { name: 'Smållest', steps: [{ id: 'fp16' }] };
  expect(canonicalHash(value)).toBe(createHash('sha256').update(canonicalJson(value)).digest('hex'));
});
