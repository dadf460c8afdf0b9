import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  bfloat16BitsToFloat32,
  float16BitsToFloat32,
  float32ToBfloat16Bits,
  float32ToFloat16Bits,
} from '../../../../src/core/base/float16.ts';

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);
const fromBits = (pattern: number): number => {
  bits[0] = pattern;
  return floats[0]!;
};

describe('float16', () => {
  it('rounds like numpy over a sweep of float32 patterns, ties and subnormals included', () => {
    // Exact ties between float16 neighbours and their float32 neighbours on both sides, plus a stride over everything.
    const patterns: number[] = [];
    for (let half = 0; half < 0x7c00; half += 7) {
      const middle = (float16BitsToFloat32(half) + float16BitsToFloat32(half + 1)) / 2;
      floats[0] = middle;
      for (const delta of [-1, 0, 1]) patterns.push((bits[0]! + delta) >>> 0);
    }
    for (let pattern = 0; pattern < 2 ** 32; pattern += 65_537 * 3) patterns.push(pattern);
    const finite = patterns.filter((pattern) => !Number.isNaN(fromBits(pattern)));
    const script =
      'import sys,numpy as np\nb=np.frombuffer(sys.stdin.buffer.read(),dtype="<u4").view("<f4")\n' +
      'np.seterr(all="ignore")\nsys.stdout.buffer.write(b.astype("<f2").view("<u2").tobytes())';
    const out = execFileSync('/usr/bin/python3', ['-c', script], {
      input: Buffer.from(Uint32Array.from(finite).buffer),
      maxBuffer: 1 << 26,
    });
    const expected = new Uint16Array(out.buffer.slice(out.byteOffset, out.byteOffset + out.byteLength));
    const wrong = finite.filter((pattern, i) => float32ToFloat16Bits(fromBits(pattern)) !== expected[i]);
    expect(wrong.map((pattern) => pattern.toString(16))).toEqual([]);
  });

  it('round-trips every pattern', () => {
    for (let half = 0; half < 65_536; half += 1) {
      const value = float16BitsToFloat32(half);
      if (Number.isNaN(value)) expect(Number.isNaN(float16BitsToFloat32(float32ToFloat16Bits(value)))).toBe(true);
      else if (float32ToFloat16Bits(value) !== half) expect.fail(`0x${half.toString(16)}`);
    }
  });
});

describe('bfloat16', () => {
  it('round-trips every pattern and rounds ties to even', () => {
    for (let pattern = 0; pattern < 65_536; pattern += 1) {
      const value = bfloat16BitsToFloat32(pattern);
      if (!Number.isNaN(value) && float32ToBfloat16Bits(value) !== pattern) expect.fail(`0x${pattern.toString(16)}`);
    }
    expect(float32ToBfloat16Bits(fromBits(0x3f808000))).toBe(0x3f80);
    expect(float32ToBfloat16Bits(fromBits(0x3f818000))).toBe(0x3f82);
    expect(float32ToBfloat16Bits(fromBits(0x3f808001))).toBe(0x3f81);
    expect(float32ToBfloat16Bits(fromBits(0x7f7fffff))).toBe(0x7f80);
    expect(Number.isNaN(bfloat16BitsToFloat32(float32ToBfloat16Bits(fromBits(0x7f800001))))).toBe(true);
  });
});
