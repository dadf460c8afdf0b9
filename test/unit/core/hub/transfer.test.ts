import { describe, expect, it, test } from 'vitest';
import { judgeRange, type PartState } from '../../../../src/core/hub/ranges.ts';
import { addSample, type RateSample, transferRate } from '../../../../src/core/hub/rate.ts';
import { isPassing, retryDelay } from '../../../../src/core/hub/retry.ts';

const part: PartState = { oid: 'a', etag: '"one"', size: 100 };

describe('going on with a part', () => {
  test.each([
    ['the rest of the same file', 40, 206, 'bytes 40-99/100', '"one"', 'go-on'],
    ['the same by a weak tag', 40, 206, 'bytes 40-99/100', 'W/"one"', 'go-on'],
    ['headers that cannot be read', 40, 206, null, null, 'go-on'],
    ['a size that is not told', 40, 206, 'bytes 40-99/*', '"one"', 'go-on'],
    ['all of it, at the start', 0, 200, null, '"one"', 'go-on'],
    ['all of it instead of a part', 40, 200, null, '"one"', 'start-over'],
    ['another file, in part', 40, 206, 'bytes 40-99/100', '"two"', 'ask-anew'],
    ['another file, whole', 40, 200, null, '"two"', 'start-over'],
    ['another part', 40, 206, 'bytes 0-99/100', '"one"', 'ask-anew'],
    ['another size', 40, 206, 'bytes 40-199/200', '"one"', 'ask-anew'],
    ['a shorter file', 40, 416, 'bytes */30', null, 'ask-anew'],
  ] as const)('%s', (_name, from, status, contentRange, etag, kind) => {
    expect(judgeRange(part, from, { status, contentRange, etag }).kind).toBe(kind);
  });
});

describe('asking again', () => {
  const now = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT');
  it('waits as long as the server says, up to a minute', () => {
    expect(retryDelay(0, '7', now, 0)).toBe(7000);
    expect(retryDelay(3, 'Wed, 21 Oct 2026 07:28:30 GMT', now, 0)).toBe(30_000);
    expect(retryDelay(0, 'Wed, 21 Oct 2026 07:27:00 GMT', now, 0)).toBe(0);
    expect(retryDelay(0, '3600', now, 0)).toBeNull();
  });
  it('else doubles, spread out', () => {
    expect([0, 1, 2].map((attempt) => retryDelay(attempt, null, now, 0.5))).toEqual([500, 1000, 2000]);
    expect(retryDelay(0, 'soon', now, 0)).toBe(375);
    expect(retryDelay(20, null, now, 0.5)).toBe(60_000);
  });
  it('only for what may pass', () => {
    expect([429, 500, 503].every(isPassing)).toBe(true);
    expect([200, 206, 401, 403, 404, 416].some(isPassing)).toBe(false);
  });
});

describe('speed', () => {
  const steady = (perSecond: number, seconds: number, begin = 0): RateSample[] => {
    let samples: RateSample[] = [];
    for (let at = 0; at <= seconds * 1000; at += 100)
      samples = addSample(samples, { at, done: begin + (perSecond * at) / 1000 });
    return samples;
  };
  it('is that of the last seconds, and does not count what was there before', () => {
    const rate = transferRate(steady(2e6, 20, 500e6), 600e6);
    expect(rate?.bytesPerSecond).toBeCloseTo(2e6, -2);
    expect(rate?.secondsLeft).toBeCloseTo((100e6 - 40e6) / 2e6, 1);
    expect(steady(2e6, 20).length).toBeLessThan(60);
  });
  it('says nothing too early, while it stands, or after starting over', () => {
    expect(transferRate(steady(2e6, 0.5), null)).toBeNull();
    expect(transferRate(steady(0, 10), 100)).toBeNull();
    expect(addSample(steady(2e6, 3), { at: 3100, done: 0 })).toEqual([{ at: 3100, done: 0 }]);
    expect(transferRate(steady(1e6, 2), null)?.secondsLeft).toBeNull();
  });
  it('keeps an estimate for a transfer that gives a sign every ten seconds', () => {
    let samples: RateSample[] = [];
    for (const at of [0, 10_000, 20_000]) samples = addSample(samples, { at, done: at * 10 });
    expect(transferRate(samples, null)?.bytesPerSecond).toBeCloseTo(10_000);
  });
});
