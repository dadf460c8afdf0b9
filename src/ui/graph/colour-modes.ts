/** What boxes are coloured by: a figure or a word for each node, from wherever it is known. */
import type { GraphNode, GraphScope } from '../../core/graph-view/document.ts';
import type { NodeLabels, NodeValues } from '../../core/graph-view/node-values.ts';
import { formatBytes, formatCompact, formatPercent } from '../format.ts';
import { CATEGORICAL, inkOn, mix, sequential } from './colour-scales.ts';
import type { Ink } from './ink.ts';
import type { BoxPaint, Scene } from './scene.ts';

export interface ColourMode {
  readonly id: string;
  readonly title: string;
  readonly source?: string | undefined;
  readonly kind: 'amount' | 'word';
  /** Set for kind 'amount'. */
  readonly amountOf: (node: GraphNode) => number | undefined;
  /** Set for kind 'word'. */
  readonly wordOf: (node: GraphNode) => string | undefined;
  readonly format: (value: number) => string;
  readonly combine: 'sum' | 'max' | 'min' | 'mean';
  readonly notable: 'high' | 'low';
  readonly scale: 'linear' | 'log';
}

const amount = (mode: Pick<ColourMode, 'id' | 'title' | 'amountOf' | 'format'> & Partial<ColourMode>): ColourMode => ({
  kind: 'amount',
  wordOf: () => undefined,
  combine: 'sum',
  notable: 'high',
  scale: 'linear',
  ...mode,
});

const word = (mode: Pick<ColourMode, 'id' | 'title' | 'wordOf'> & Partial<ColourMode>): ColourMode => ({
  kind: 'word',
  amountOf: () => undefined,
  format: String,
  combine: 'sum',
  notable: 'high',
  scale: 'linear',
  ...mode,
});

/** Fifteen families in as many groups as there are colours to tell apart. */
const CLASSES: Readonly<Record<GraphNode['family'], string>> = {
  convolution: 'Convolution',
  'matrix-product': 'Matrix product',
  attention: 'Attention, recurrent',
  recurrent: 'Attention, recurrent',
  normalization: 'Normalization',
  activation: 'Activation',
  elementwise: 'Elementwise, reduction',
  reduction: 'Elementwise, reduction',
  pooling: 'Layout, gather, pooling',
  layout: 'Layout, gather, pooling',
  gather: 'Layout, gather, pooling',
  quantization: 'Quantization',
  'control-flow': 'Other',
  constant: 'Other',
  other: 'Other',
};
const CLASS_COLOURS: Readonly<Record<string, string>> = {
  Convolution: '#0072b2',
  'Matrix product': '#d55e00',
  'Attention, recurrent': '#cc79a7',
  Normalization: '#009e73',
  Activation: '#e69f00',
  'Elementwise, reduction': '#56b4e9',
  'Layout, gather, pooling': '#9aa3ad',
  Quantization: '#f0e442',
  Other: '#6d7885',
};

export const operatorClass = word({
  id: 'class',
  title: 'Operator class',
  wordOf: (node) => (node.kind === 'op' ? CLASSES[node.family] : undefined),
});

/** What the graph itself tells. */
export const graphModes: readonly ColourMode[] = [
  operatorClass,
  amount({
    id: 'macs',
    title: 'MACs',
    scale: 'log',
    source: 'from shapes',
    amountOf: ({ macs }) => (macs === null || macs === 0 ? undefined : macs),
    format: (value) => `${formatCompact(value)} MACs`,
  }),
  amount({
    id: 'bytes',
    title: 'Bytes read and written',
    scale: 'log',
    source: 'from shapes',
    amountOf: ({ bytes, kind }) => (bytes === null || kind !== 'op' ? undefined : bytes),
    format: formatBytes,
  }),
  amount({
    id: 'weights',
    title: 'Bytes of weights',
    scale: 'log',
    amountOf: ({ weights }) => (weights.length === 0 ? undefined : weights.reduce((sum, { bytes }) => sum + bytes, 0)),
    format: formatBytes,
  }),
  word({ id: 'storage', title: 'Storage of weights', wordOf: storageOf }),
];

/** How the largest weight is stored: 'float32', 'int8', '4 bits in blocks of 32'. */
function storageOf({ weights, op, summary }: GraphNode): string | undefined {
  const largest = weights.reduce<GraphNode['weights'][number] | undefined>(
    (most, weight) => (weight.dims.length >= 1 && (!most || weight.bytes > most.bytes) ? weight : most),
    undefined,
  );
  if (!largest || largest.bytes < 64) return undefined;
  if (/(MatMulNBits|GatherBlockQuantized|MatMulBnb4)$/.test(op)) return summary === '' ? 'blocks' : summary;
  return largest.dtype;
}

/** Figures that were measured elsewhere. */
export function figuresMode(figures: NodeValues | NodeLabels): ColourMode {
  const { id, title, source } = figures;
  if (!('unit' in figures)) return word({ id, title, source, wordOf: ({ name }) => figures.byNode.get(name) });
  const { unit, byNode, notable = 'high', scale = 'linear', combine = 'sum', format } = figures;
  return amount({
    id,
    title,
    source,
    notable,
    scale,
    combine,
    amountOf: ({ name }) => byNode.get(name),
    format: format ?? ((value) => formatFigure(value, unit)),
  });
}

function formatFigure(value: number, unit: string): string {
  if (unit === '%') return formatPercent(value / 100, 2);
  if (unit === 'bytes') return formatBytes(value);
  const text = Math.abs(value) >= 1000 ? formatCompact(value) : `${Number(value.toPrecision(3))}`;
  return unit === '' ? text : `${text} ${unit}`;
}

export interface Painted {
  readonly paints: readonly (BoxPaint | undefined)[];
  readonly legend: Legend;
}

export interface Legend {
  readonly kind: 'amount' | 'word';
  readonly low?: string;
  readonly high?: string;
  /** Colours from low to high. */
  readonly ramp: readonly string[];
  readonly words: readonly { readonly text: string; readonly colour: string; readonly nodes: number }[];
  /** Nodes of the graph that have no figure. */
  readonly without: number;
}

/** Ends of the scale over all nodes of the graph, so that colours mean the same whatever is open. */
export interface Extent {
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

export function extentOf({ nodes }: GraphScope, mode: ColourMode): Extent {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let count = 0;
  for (const node of nodes) {
    const value = mode.amountOf(node);
    if (value === undefined || !Number.isFinite(value)) continue;
    count += 1;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return { low, high, count };
}

function shareOf(value: number, { low, high }: Extent, { scale, notable }: ColourMode): number {
  if (high <= low) return 1;
  // Four magnitudes below the largest everything is next to nothing.
  const floor = scale === 'log' && low >= 0 ? Math.max(low, high / 1e4) : low;
  if (high <= floor) return 1;
  const clamped = Math.min(high, Math.max(floor, value));
  const share =
    scale === 'log' && low >= 0
      ? Math.log(clamped / floor) / Math.log(high / floor)
      : (clamped - floor) / (high - floor);
  return notable === 'high' ? share : 1 - share;
}

export function paintScene(scene: Scene, scope: GraphScope, mode: ColourMode, ink: Ink): Painted {
  return mode.kind === 'word'
    ? paintWords(scene, scope, mode, ink)
    : paintAmounts(scene, scope, mode, inkOn(ink.surface) === '#ffffff');
}

/** By box, the nodes that it stands for; none for containers. */
function nodesByBox({ graph }: Scene): number[][] {
  const byBox: number[][] = graph.boxes.map(() => []);
  for (const [node, box] of graph.boxOf.entries()) byBox[box]!.push(node);
  return byBox;
}

function paintAmounts(scene: Scene, scope: GraphScope, mode: ColourMode, isDark: boolean): Painted {
  const extent = extentOf(scope, mode);
  const byBox = nodesByBox(scene);
  const paints = byBox.map((nodes): BoxPaint | undefined => {
    const value = together(
      nodes.map((node) => mode.amountOf(scope.nodes[node]!)),
      mode.combine,
    );
    if (value === undefined) return undefined;
    const fill = sequential(shareOf(value, extent, mode), !isDark);
    return { fill, ink: inkOn(fill), badge: mode.format(value) };
  });
  const ramp = Array.from({ length: 16 }, (_, at) => {
    const share = at / 15;
    return sequential(mode.notable === 'high' ? share : 1 - share, !isDark);
  });
  const isKnown = extent.count > 0;
  return {
    paints,
    legend: {
      kind: 'amount',
      ramp,
      words: [],
      without: scope.nodes.filter(({ kind }) => kind === 'op').length - extent.count,
      ...(isKnown ? { low: mode.format(extent.low), high: mode.format(extent.high) } : {}),
    },
  };
}

export function together(values: readonly (number | undefined)[], combine: ColourMode['combine']): number | undefined {
  const known = values.filter((value): value is number => value !== undefined && !Number.isNaN(value));
  if (known.length === 0) return undefined;
  if (combine === 'max') return known.reduce((a, b) => Math.max(a, b));
  if (combine === 'min') return known.reduce((a, b) => Math.min(a, b));
  const sum = known.reduce((a, b) => a + b, 0);
  return combine === 'sum' ? sum : sum / known.length;
}

function paintWords(scene: Scene, scope: GraphScope, mode: ColourMode, ink: Ink): Painted {
  const counts = new Map<string, number>();
  let without = 0;
  for (const node of scope.nodes) {
    const text = mode.wordOf(node);
    if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + 1);
    else if (node.kind === 'op') without += 1;
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const colours = new Map(
    sorted.map(([text], at) => [text, CLASS_COLOURS[text] ?? CATEGORICAL[Math.min(at, CATEGORICAL.length - 1)]!]),
  );
  const showWord = mode.id !== operatorClass.id;
  const paints = nodesByBox(scene).map((nodes): BoxPaint | undefined => {
    const texts = new Set<string>();
    for (const node of nodes) {
      const text = mode.wordOf(scope.nodes[node]!);
      if (text !== undefined) texts.add(text);
      if (texts.size > 1) break;
    }
    // A group of several kinds has no colour of its own.
    if (texts.size !== 1) return undefined;
    const [text] = texts as unknown as [string];
    const colour = colours.get(text)!;
    return { fill: mix(ink.surface, colour, 0.3), border: colour, ...(showWord ? { badge: text } : {}) };
  });
  const words = sorted.map(([text, nodes]) => ({ text, colour: colours.get(text)!, nodes }));
  return { paints, legend: { kind: 'word', ramp: [], words, without } };
}

/** For the panel and the list: what the colour says, in words. */
export function figureText(mode: ColourMode, node: GraphNode): string {
  if (mode.kind === 'word') return mode.wordOf(node) ?? '';
  const value = mode.amountOf(node);
  return value === undefined ? '' : mode.format(value);
}
