/** The roofline as numbers and sentences for its chart and table. */
import type { Ceilings, Roof } from '../../core/profile/ceilings.ts';
import type { Bound, Roofline, RooflineNode } from '../../core/profile/roofline.ts';
import { formatBytes, formatMicroseconds, formatPercent, plural } from '../format.ts';
import { type OpClassId, opClassOf } from './op-classes.ts';
import { selectionOf } from './profile-data.ts';

export interface RoofPoint {
  /** Operations a byte. */
  readonly x: number;
  /** 10^9 operations a second, measured. */
  readonly y: number;
  /** Share of the nodes' time. */
  readonly z: number;
  readonly node: RooflineNode;
  readonly select: string;
  readonly opClass: OpClassId;
}

/** More would be one smear, and slow. Those that take most time are drawn. */
const MOST_POINTS = 400;

export interface RoofPoints {
  readonly points: readonly RoofPoint[];
  /** Drawn nowhere, since they take the least time. */
  readonly left: number;
  /** Compute nothing (they only move data), or have unknown sizes: no place on logarithmic axes. */
  readonly placeless: number;
}

export function roofPoints({ nodes }: Roofline): RoofPoints {
  const placed = nodes.flatMap((entry): RoofPoint[] => {
    const { node, intensity, gigaOpsPerSecond } = entry;
    if (!intensity || !gigaOpsPerSecond) return [];
    return [
      {
        x: intensity,
        y: gigaOpsPerSecond,
        z: node.share,
        node: entry,
        select: selectionOf(node),
        opClass: opClassOf(node).id,
      },
    ];
  });
  const points = placed.sort((a, b) => b.z - a.z).slice(0, MOST_POINTS);
  return { points, left: placed.length - points.length, placeless: nodes.length - placed.length };
}

export interface RoofScale {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
}

/** Whole decades around the points of all charts and the corner of the roof. */
export function roofScale(all: readonly (readonly RoofPoint[])[], roof: Roof): RoofScale {
  const points = all.flat();
  const ridge = roof.float32PerUs / roof.bytesPerUs;
  const peak = Math.max(roof.float32PerUs, roof.int8PerUs) / 1000;
  const decades = (values: readonly number[]): [number, number] => [
    10 ** Math.floor(Math.log10(Math.min(...values))),
    10 ** Math.ceil(Math.log10(Math.max(...values))),
  ];
  return {
    x: decades([...points.map(({ x }) => x), ridge / 2, ridge * 4]),
    y: decades([...points.map(({ y }) => y), peak / 10, peak * 1.05]),
  };
}

export function decadeTicks([low, high]: readonly [number, number]): number[] {
  const ticks: number[] = [];
  for (let power = Math.round(Math.log10(low)); power <= Math.round(Math.log10(high)); power += 1)
    ticks.push(10 ** power);
  return ticks;
}

export interface RoofLine {
  readonly label: string;
  readonly from: { readonly x: number; readonly y: number };
  readonly to: { readonly x: number; readonly y: number };
  readonly dashed: boolean;
}

/** The slope of a bandwidth up to a peak, and the peak from there on, cut to the axes. */
export function roofLines(roof: Roof, { x: [left, right], y: [bottom] }: RoofScale): RoofLine[] {
  const giga = (perUs: number) => perUs / 1000;
  const peak = giga(roof.float32PerUs);
  const slope = (label: string, bytesPerUs: number, dashed: boolean): RoofLine => {
    const start = Math.max(left, bottom / giga(bytesPerUs));
    const ridge = peak / giga(bytesPerUs);
    return { label, from: { x: start, y: giga(bytesPerUs) * start }, to: { x: ridge, y: peak }, dashed };
  };
  const flat = (label: string, y: number, from: number, dashed: boolean): RoofLine => ({
    label,
    from: { x: Math.max(left, from), y },
    to: { x: right, y },
    dashed,
  });
  const lines = [
    slope('memory', roof.bytesPerUs, false),
    flat('float32', peak, peak / giga(roof.bytesPerUs), false),
    ...(roof.cachedBytesPerUs > 1.2 * roof.bytesPerUs ? [slope('cache', roof.cachedBytesPerUs, true)] : []),
    ...(roof.int8PerUs > roof.float32PerUs
      ? [flat('int8', giga(roof.int8PerUs), giga(roof.int8PerUs) / giga(roof.bytesPerUs), true)]
      : []),
  ];
  return lines.filter(({ from, to }) => from.x < to.x);
}

const BOUNDS: readonly (readonly [Bound, string])[] = [
  ['compute', 'by computing'],
  ['memory', 'by memory'],
  ['overhead', 'by neither (far below both roofs)'],
  ['elsewhere', 'on the processor, which has another roof'],
];

/** Predicted against measured, and what bounds the time. */
export function rooflineSummary(name: string, line: Roofline, { left, placeless }: RoofPoints): string {
  const total = line.nodes.reduce((sum, { node }) => sum + node.medianUs, 0);
  const shares = BOUNDS.flatMap(([bound, words]) => {
    const us = line.nodes.filter((one) => one.bound === bound).reduce((sum, { node }) => sum + node.medianUs, 0);
    return us > 0 ? [`${formatPercent(us / total)} ${words}`] : [];
  });
  const sentences = [
    `${name}: predicted ${formatMicroseconds(line.predictedUs)}, measured ${formatMicroseconds(line.measuredUs)} in the same nodes.`,
    `Bound ${shares.join(', ')}.`,
  ];
  if (placeless > 0)
    sentences.push(
      `${plural(placeless, 'node')} without operations or sizes, or that ran elsewhere: in the table only.`,
    );
  if (left > 0) sentences.push(`The ${plural(left, 'node')} that take least are not drawn.`);
  return sentences.join(' ');
}

export interface CeilingRow {
  readonly what: string;
  readonly value: string;
  readonly how: string;
}

export function ceilingRows(ceilings: Ceilings, roof: Roof): CeilingRow[] {
  const rate = (perUs: number) => `${(perUs / 1000).toPrecision(3)} × 10⁹/s`;
  const best = (points: Ceilings['float32']) =>
    points.reduce((most, point) => (point.gigaOpsPerSecond > most.gigaOpsPerSecond ? point : most));
  const product = ({ m, k, n }: Ceilings['float32'][number]) => `product of ${m} × ${k} × ${n}`;
  const largest = ceilings.bandwidth.reduce((most, point) => (point.arrayBytes > most.arrayBytes ? point : most));
  return [
    { what: 'Operations, float32', value: rate(roof.float32PerUs), how: `MatMul, ${product(best(ceilings.float32))}` },
    ...(ceilings.int8.length > 0
      ? [
          {
            what: 'Operations, 8-bit integers',
            value: rate(roof.int8PerUs),
            how: `MatMulInteger, ${product(best(ceilings.int8))}`,
          },
        ]
      : []),
    {
      what: 'Memory',
      value: `${(roof.bytesPerUs / 1000).toPrecision(3)} GB/s`,
      how: `Add, arrays of ${formatBytes(largest.arrayBytes)}`,
    },
    {
      what: 'Cache',
      value: `${(roof.cachedBytesPerUs / 1000).toPrecision(3)} GB/s`,
      how: 'Add, the fastest smaller size',
    },
    { what: 'Starting a node', value: formatMicroseconds(roof.overheadUs), how: 'Add of one number' },
  ];
}
