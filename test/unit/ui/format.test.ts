import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCompact,
  formatDelta,
  formatElapsed,
  formatInterval,
  formatMetric,
  formatMs,
  formatShape,
  formatSpread,
  plural,
} from '../../../src/ui/format.ts';

// The narrow no-break space between number and unit reads badly in expectations.
const plain = (text: string) => text.replaceAll('\u202f', ' ').replaceAll('\u2212', '-');
const percent = { format: 'percent', decimals: 2 } as const;
const decimal = { format: 'decimal', decimals: 4 } as const;

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    // Rounding up must not give "1000.0 kB".
    [999_950, '1.0 MB'],
    [10_822_323, '10.8 MB'],
    [999_950_000, '1.00 GB'],
    [2_147_483_648, '2.15 GB'],
    [-5_400_000, '-5.4 MB'],
  ])('%d -> %s', (bytes, text) => expect(plain(formatBytes(bytes))).toBe(text));
});

describe('formatMetric in decibels', () => {
  const decibel = { format: 'decibel', decimals: 1 } as const;
  it.each([
    [34.52, '34.5 dB'],
    [200, '∞'],
    [-200, '-∞'],
  ])('%d -> %s', (value, text) => expect(plain(formatMetric(value, decibel))).toBe(text));
});

describe('formatMs', () => {
  it.each([
    [0.4234, '0.42 ms'],
    [4.321, '4.32 ms'],
    [69.04, '69.0 ms'],
    [999.6, '1000 ms'],
    [12_345, '12.3 s'],
  ])('%d -> %s', (ms, text) => expect(plain(formatMs(ms))).toBe(text));
});

describe('formatDelta', () => {
  it.each([
    [-0.73, '-73 %'],
    [0.041, '+4.1 %'],
    [-0.0996, '-10 %'],
    // What the shown digits call zero carries no sign.
    [-0.0001, '±0 %'],
    [1.5, '+150 %'],
  ])('%d -> %s', (fraction, text) => expect(plain(formatDelta(fraction))).toBe(text));
});

describe('formatMetric', () => {
  it('shows fractions as percent and keeps tiny decimals visible', () => {
    expect(plain(formatMetric(0.00586, percent))).toBe('0.59 %');
    expect(plain(formatMetric(0.99841, decimal))).toBe('0.9984');
    expect(plain(formatMetric(3e-8, decimal))).toBe('3.0e-8');
    expect(plain(formatMetric(31.25, { format: 'decibel', decimals: 1 }))).toBe('31.3 dB');
    expect(formatMetric(Number.POSITIVE_INFINITY, decimal)).toBe('∞');
  });

  it('writes the unit of an interval once', () => {
    expect(plain(formatInterval([0.004, 0.009], percent))).toBe('0.40 to 0.90 %');
    expect(plain(formatSpread(0.006, [0.004, 0.009], percent))).toBe('±0.25');
    expect(plain(formatSpread(1, [0.806, 1], percent))).toBe('80.60 to 100.00');
  });
});

describe('small ones', () => {
  it('formats counts, shapes, durations and plurals', () => {
    expect(plain(formatCompact(2_684_354))).toBe('2.7 M');
    expect(formatCompact(9_999)).toBe('9,999');
    expect(formatShape([1, 'height', null])).toBe('1 × height × ?');
    expect(formatShape([])).toBe('scalar');
    expect(formatShape(undefined)).toBe('any rank');
    expect(plain(formatElapsed(65_900))).toBe('1 min 05 s');
    expect(plural(1, 'copy', 'copies')).toBe('1 copy');
    expect(plural(6112, 'node')).toBe('6,112 nodes');
  });
});
