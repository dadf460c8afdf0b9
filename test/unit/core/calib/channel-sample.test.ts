import { describe, expect, it } from 'vitest';
import { ChannelSample } from '../../../../src/core/calib/channel-sample.ts';

const options = { channels: 2, rows: 4, seed: 1 };

describe('ChannelSample', () => {
  it('sees each channel, wherever its axis is', () => {
    const last = new ChannelSample('x', options);
    last.observe(Float32Array.of(1, -8, 3, 2, -5, 0), [3, 2], -1, 0);
    const first = new ChannelSample('x', options);
    first.observe(Float32Array.of(1, 3, -5, -8, 2, 0), [1, 2, 3], -2, 0);
    for (const sample of [last, first]) {
      expect([...sample.min]).toEqual([-5, -8]);
      expect([...sample.max]).toEqual([3, 2]);
      expect([...sample.maxMagnitudes()]).toEqual([5, 8]);
      expect([...sample.meanMagnitudes()]).toEqual([3, 10 / 3]);
      expect([...sample.means()]).toEqual([-1 / 3, -2]);
      expect([...sample.rows().values]).toEqual([1, -8, 3, 2, -5, 0]);
      expect(sample.seen).toBe(3);
    }
  });

  it('draws rows with equal chances, the same ones for the same seed', () => {
    const draw = (seed: number) => {
      const sample = new ChannelSample('x', { channels: 1, rows: 100, seed });
      for (let i = 0; i < 10; i += 1)
        sample.observe(
          Float32Array.from({ length: 100 }, (_, j) => i * 100 + j),
          [100, 1],
          -1,
          i,
        );
      return [...sample.rows().values];
    };
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
    const mean = draw(3).reduce((a, b) => a + b) / 100;
    // The mean of 100 of the numbers 0 to 999 has a standard deviation of 29.
    expect(Math.abs(mean - 499.5)).toBeLessThan(3 * 29);
  });

  it('cuts a channel at a percentile, to within a bin', () => {
    const sample = new ChannelSample('x', { channels: 1, rows: 0, histogram: true, seed: 1 });
    sample.observe(
      Float32Array.from({ length: 1000 }, (_, i) => (i < 990 ? (i / 990) * 2 : 500)),
      [1000, 1],
      -1,
      0,
    );
    expect(sample.percentileMagnitudes(100)[0]).toBe(500);
    const cut = sample.percentileMagnitudes(98.9)[0]!;
    expect(cut).toBeGreaterThanOrEqual(2 * (989 / 990) * 0.999);
    expect(cut).toBeLessThan(2 * 2 ** (1 / 8));
    expect(sample.percentileMagnitudes(99.5)[0]).toBe(500);
  });

  it('keeps zeros finite, and skips empty values', () => {
    const sample = new ChannelSample('x', { ...options, histogram: true });
    sample.observe(new Float32Array(0), [0, 2], -1, 0);
    expect(sample.seen).toBe(0);
    sample.observe(new Float32Array(6), [3, 2], -1, 0);
    expect([...sample.percentileMagnitudes(99)]).toEqual([0, 0]);
    expect([...sample.meanMagnitudes()]).toEqual([0, 0]);
  });

  it('names a value that is not finite, and a wrong axis', () => {
    const sample = new ChannelSample('x', options);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => sample.observe(Float32Array.of(1, bad), [1, 2], -1, 4)).toThrow(
        expect.objectContaining({ code: 'calib/not-finite', data: { tensor: 'x', sample: 5 } }),
      );
    expect(() => sample.observe(new Float32Array(3), [1, 3], -1, 0)).toThrow(
      expect.objectContaining({ code: 'task/shape-mismatch' }),
    );
  });
});
