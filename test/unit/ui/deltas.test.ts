import { describe, expect, it } from 'vitest';
import type { MetricDefinition } from '../../../src/core/eval/types.ts';
import { latencyDelta, metricDelta, sizeDelta } from '../../../src/ui/variants/deltas.ts';

const plain = (text: string | undefined) => text?.replaceAll('\u202f', ' ').replaceAll('\u2212', '-');
const cer: MetricDefinition = {
  id: 'cer',
  title: 'Character error rate',
  short: 'CER',
  direction: 'lower-is-better',
  format: 'percent',
  decimals: 2,
};
const cosine: MetricDefinition = {
  ...cer,
  id: 'cosine',
  direction: 'higher-is-better',
  format: 'decimal',
  decimals: 4,
};
const value = (metric: string, number: number) => ({ metric, value: number, n: 10 });

describe('deltas', () => {
  it('says which way size went', () => {
    expect(plain(sizeDelta({ size: { fraction: -0.73 } })?.text)).toBe('-73 % smaller');
    expect(sizeDelta({ size: { fraction: 0.02 } })).toMatchObject({ tone: 'bad' });
    expect(sizeDelta({ size: { fraction: 0.0001 } })).toEqual({ text: 'same size', tone: 'neutral' });
    expect(sizeDelta({ size: null })).toBeNull();
  });

  it('calls noise noise, whatever the medians say', () => {
    expect(latencyDelta({ latency: { fraction: -0.05, difference: 'within noise' } })).toEqual({
      text: 'within noise',
      tone: 'neutral',
    });
    expect(latencyDelta({ latency: { fraction: -0.41, difference: 'faster' } })).toMatchObject({ tone: 'good' });
  });

  it('gives differences of percentages in points, and knows what worse is', () => {
    expect(plain(metricDelta(value('cer', 0.0186), value('cer', 0.006), cer)?.text)).toBe('+1.26 points worse');
    expect(metricDelta(value('cer', 0.004), value('cer', 0.006), cer)).toMatchObject({ tone: 'good' });
    expect(plain(metricDelta(value('cosine', 0.9984), value('cosine', 1), cosine)?.text)).toBe('-0.0016 worse');
    expect(metricDelta(value('cer', 0.006), value('cer', 0.006), cer)).toEqual({ text: 'same', tone: 'neutral' });
    expect(metricDelta(value('cer', 0.006), undefined, cer)).toBeNull();
  });

  it('names no distance from equal outputs, whose ratio to no noise has no end', () => {
    const sqnr = { ...cosine, id: 'sqnr', format: 'decibel', decimals: 1 } as const;
    expect(metricDelta(value('sqnr', 34.5), value('sqnr', 200), sqnr)).toBeNull();
    expect(metricDelta(value('sqnr', 200), value('sqnr', 200), sqnr)?.text).toBe('same');
    expect(plain(metricDelta(value('sqnr', 34.5), value('sqnr', 40), sqnr)?.text)).toBe('-5.5 dB worse');
  });
});
