/** What the canvas draws: boxes with their texts and places, and edges. Plain data: whoever has a graph can make one. */
import type { GraphScope } from '../../core/graph-view/document.ts';
import type { LayoutRequest, LayoutResult } from '../../core/graph-view/layout/types.ts';
import { type VisibleBox, type VisibleEdge, type VisibleGraph, visibleGraph } from '../../core/graph-view/visible.ts';
import { SpatialIndex } from './spatial-index.ts';

export interface BoxText {
  readonly kind: 'op' | 'input' | 'output' | 'group' | 'container';
  /** Operator, or a group's title. */
  readonly title: string;
  /** Name of a node; size of a group. */
  readonly name: string;
  /** Main attributes; operators of a group. */
  readonly detail: string;
  /** Weights. */
  readonly chips: readonly string[];
  /** Says that it can be opened, and into what: '×32', '+', 'then, else'. */
  readonly mark: string;
}

/** How a box looks beyond the ordinary; what is left out is ordinary. */
export interface BoxPaint {
  readonly fill?: string;
  /** Text and lines on `fill`. */
  readonly ink?: string;
  readonly border?: string;
  readonly dashed?: boolean;
  /** A word in the corner, so that the colour does not stand alone: "12 %", "added". */
  readonly badge?: string;
  readonly faded?: boolean;
}

export interface SceneDraft {
  /** Names the graph: one looks at another one anew. */
  readonly key: string;
  readonly graph: VisibleGraph;
  readonly texts: readonly BoxText[];
  /** By edge: what is written beside it; ''. */
  readonly labels: readonly string[];
  readonly request: LayoutRequest;
}

export interface Scene extends SceneDraft {
  readonly layout: LayoutResult;
  readonly index: SpatialIndex;
  /** By box: indices of edges. */
  readonly edgesInto: readonly (readonly number[])[];
  readonly edgesOutOf: readonly (readonly number[])[];
  /** By piece: 1 where an edge ends. */
  readonly isEnd: Uint8Array;
  /** By piece: what is written beside it, once a trunk; where several begin at one box, at its end instead. */
  readonly pieceLabel: ReadonlyMap<number, { readonly text: string; readonly atEnd: boolean }>;
}

/**
 * @param key names the graph
 * @param open paths of groups
 */
export function draftScene(key: string, scope: GraphScope, open: ReadonlySet<string>): SceneDraft {
  const graph = visibleGraph(scope, open);
  const texts = graph.boxes.map((box) => textOf(scope, box));
  const labels = edgeLabels(scope, graph.edges);
  const sizes = texts.map(sizeOf);
  const { boxes, edges } = graph;
  return {
    key,
    graph,
    texts,
    labels,
    request: {
      width: Float32Array.from(sizes, ({ width }) => width),
      height: Float32Array.from(sizes, ({ height }) => height),
      parent: Int32Array.from(boxes, ({ parent }) => parent),
      isContainer: Uint8Array.from(boxes, ({ kind }) => (kind === 'container' ? 1 : 0)),
      from: Int32Array.from(edges, ({ from }) => from),
      to: Int32Array.from(edges, ({ to }) => to),
      trunk: Int32Array.from(edges, ({ trunk }) => trunk),
    },
  };
}

export function finishScene(draft: SceneDraft, layout: LayoutResult): Scene {
  const { boxes, edges } = draft.graph;
  const edgesInto: number[][] = boxes.map(() => []);
  const edgesOutOf: number[][] = boxes.map(() => []);
  const isEnd = new Uint8Array(layout.pieceParent.length);
  const pieceLabel = new Map<number, { text: string; atEnd: boolean }>();
  const trunksOf = boxes.map(() => new Set<number>());
  for (const { from, trunk } of edges) trunksOf[from]!.add(trunk);
  const labelled = new Set<number>();
  for (const [at, { from, to, trunk }] of edges.entries()) {
    edgesInto[to]!.push(at);
    edgesOutOf[from]!.push(at);
    const last = layout.lastPiece[at]!;
    if (last < 0) continue;
    isEnd[last] = 1;
    const label = draft.labels[at]!;
    if (label === '' || labelled.has(trunk)) continue;
    labelled.add(trunk);
    let first = last;
    while (layout.pieceParent[first]! >= 0) first = layout.pieceParent[first]!;
    pieceLabel.set(first, { text: label, atEnd: trunksOf[from]!.size > 1 });
  }
  const index = new SpatialIndex(layout, draft.request.isContainer);
  return { ...draft, layout, index, edgesInto, edgesOutOf, isEnd, pieceLabel };
}

function textOf({ nodes, groups }: GraphScope, { kind, index }: VisibleBox): BoxText {
  if (kind !== 'node') {
    const group = groups[index]!;
    const count = `${group.nodes.toLocaleString('en')} nodes`;
    return {
      kind: kind === 'group' ? 'group' : 'container',
      title: group.title,
      name: count,
      detail: group.summary,
      chips: [],
      mark: group.kind === 'repeat' ? `× ${group.instances}` : '',
    };
  }
  const node = nodes[index]!;
  const chips = node.weights
    .slice(0, MAX_CHIPS)
    .map(({ dims, dtype }) => `${shapeText(dims)} ${SHORT[dtype] ?? dtype}`);
  if (node.weights.length > MAX_CHIPS) chips.push(`+${node.weights.length - MAX_CHIPS}`);
  return {
    kind: node.kind,
    title: node.op.slice(node.op.lastIndexOf('.') + 1),
    name: node.name,
    detail: node.summary,
    chips,
    mark: node.inner.length > 0 ? node.inner.map(({ label }) => label.replace('_branch', '')).join(', ') : '',
  };
}

const MAX_CHIPS = 2;
const SHORT: Readonly<Record<string, string>> = {
  float32: 'f32',
  float16: 'f16',
  bfloat16: 'bf16',
  float64: 'f64',
  int64: 'i64',
  int32: 'i32',
  int8: 'i8',
  uint8: 'u8',
  int4: 'i4',
  uint4: 'u4',
};

export const shapeText = (dims: readonly (number | string)[]): string =>
  dims.length === 0 ? 'scalar' : dims.join('×');

/** Pixels at scale 1. */
export const text = { title: 12.5, line: 11, pad: 10 } as const;
const MAX_WIDTH = 230;

function sizeOf({ kind, title, name, detail, chips, mark }: BoxText): { width: number; height: number } {
  if (kind === 'container') return { width: 60 + title.length * 7.4 + mark.length * 7, height: 40 };
  const titleWidth = (title.length + (mark === '' ? 0 : mark.length + 2)) * 7.6;
  const lineWidth = Math.max(shortName(name).length, detail.length) * 6.1;
  const chipWidth = chips.reduce((sum, chip) => sum + chip.length * 6 + 14, 0);
  const width = Math.min(MAX_WIDTH, Math.max(84, titleWidth, lineWidth, chipWidth) + 2 * text.pad);
  const lines = (name === '' ? 0 : 1) + (detail === '' ? 0 : 1);
  return { width, height: 26 + lines * 14 + (chips.length > 0 ? 20 : 0) };
}

const NAME_LENGTH = 30;
const MAX_LABEL = 26;

/** The end of a name tells more than its beginning. */
export function shortName(name: string): string {
  return name.length > NAME_LENGTH ? `…${name.slice(1 - NAME_LENGTH)}` : name;
}

const MAX_DIM = 10;
const shortDim = (dim: string): string => (dim.length > MAX_DIM ? `${dim.slice(0, MAX_DIM - 1)}…` : dim);

/** Shapes of values, as far as known; between groups how many values go along. */
function edgeLabels({ nodes }: GraphScope, edges: readonly VisibleEdge[]): string[] {
  const typeOf = new Map<string, string>();
  for (const { outputs, types } of nodes)
    for (const [at, output] of outputs.entries()) if (types[at]) typeOf.set(output, types[at]!);
  return edges.map(({ values }) => {
    if (values.length > 1) return `${values.length} values`;
    const type = typeOf.get(values[0]!) ?? '';
    const shape = /\[(.*)\]$/.exec(type);
    if (!shape) return type;
    const label = shape[1] === '' ? 'scalar' : shape[1]!.split(', ').map(shortDim).join('×');
    return label.length > MAX_LABEL ? `${label.slice(0, MAX_LABEL - 1)}…` : label;
  });
}
