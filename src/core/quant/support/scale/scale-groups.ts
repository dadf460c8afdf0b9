/**
 * Values that linear layers read, each with all its readers: what a factor a channel has to be made up for. Layers that
 * read one value through Reshape, Transpose and the like are of one group, and share its factors.
 */
import { intAttr } from '../../../ir/attributes.ts';
import type { GraphEditor } from '../../../ir/editor.ts';
import type { Dim, Node } from '../../../ir/types.ts';
import { isDefaultDomain } from '../../../ir/walk.ts';
import { findLinearSite, type LinearSite } from '../linear-sites.ts';
import type { Scope } from '../scopes.ts';
import { isFloatWeight, type WeightSource, weightSource } from '../weights.ts';
import { readsShapeOnly, throughMovement } from './fold-plan.ts';

/** A layer whose weight can make up for factors on the channels it reads. */
export interface ScaleReader {
  readonly node: Node;
  /** What it reads, and the axis of the channels there, from the end. */
  readonly value: string;
  readonly axis: number;
  readonly weight: WeightSource;
  readonly kind: 'linear' | 'convolution';
  /** For linear kinds. */
  readonly site: LinearSite | undefined;
  readonly groups: number;
}

export interface ScaleGroup {
  /** The value before all movements: its factors are chosen. */
  readonly root: string;
  readonly axis: number;
  readonly channels: number;
  /** Every layer that could make up for factors; distinct nodes. */
  readonly readers: readonly ScaleReader[];
  /** Those for whose sake factors are chosen; at least one. */
  readonly chosen: readonly ScaleReader[];
  /** Movement nodes between the root and the readers. */
  readonly movements: readonly Node[];
}

export interface GroupOptions {
  readonly shapeOf: (value: string) => readonly Dim[] | undefined;
  readonly isChosen: (reader: ScaleReader) => boolean;
}

const MAX_MOVEMENTS = 8;

/** Groups of one graph, in the order of their first readers. */
export function findScaleGroups(scope: Scope, options: GroupOptions): ScaleGroup[] {
  const { editor } = scope;
  const groups = new Map<string, { root: Root; readers: ScaleReader[]; movements: Set<Node> }>();
  for (const node of editor.nodes()) {
    const reader = scaleReader(scope, node);
    if (!reader || editor.constantOf(reader.value)) continue;
    const root = rootOf(editor, reader, options.shapeOf);
    const key = `${root.axis}/${root.channels}/${root.value}`;
    const group = groups.get(key) ?? { root, readers: [], movements: new Set<Node>() };
    groups.set(key, group);
    group.readers.push(reader);
    for (const movement of root.movements) group.movements.add(movement);
  }
  return [...groups.values()]
    .map(({ root: { value, axis, channels }, readers, movements }) => ({
      root: value,
      axis,
      channels,
      readers,
      chosen: readers.filter(options.isChosen),
      movements: [...movements],
    }))
    .filter(({ chosen }) => chosen.length > 0);
}

/** The node as a reader of its first input; undefined when its weight is no constant or it reads in another way. */
export function scaleReader(scope: Scope, node: Node): ScaleReader | undefined {
  if (!isDefaultDomain(node.domain)) return undefined;
  if (node.opType === 'Conv') {
    const weight = weightSource(scope, node.inputs[1] ?? '');
    if (!weight || weight.transposed || !isFloatWeight(weight.tensor) || weight.tensor.dims.length < 3)
      return undefined;
    const axis = 1 - weight.tensor.dims.length;
    const groups = intAttr(node, 'group', 1);
    return { node, value: node.inputs[0]!, axis, weight, kind: 'convolution', site: undefined, groups };
  }
  if (node.opType !== 'MatMul' && node.opType !== 'Gemm') return undefined;
  const site = findLinearSite(scope, node, undefined);
  if (!site || typeof site === 'string' || site.transA) return undefined;
  return { node, value: site.activation, axis: -1, weight: site.weight, kind: 'linear', site, groups: 1 };
}

export function channelsOf({ weight, site, groups }: ScaleReader): number {
  return site ? site.K : weight.tensor.dims[1]! * groups;
}

interface Root {
  readonly value: string;
  readonly axis: number;
  readonly channels: number;
  readonly movements: readonly Node[];
}

function rootOf(editor: GraphEditor, reader: ScaleReader, shapeOf: GroupOptions['shapeOf']): Root {
  const channels = channelsOf(reader);
  let { value, axis } = reader;
  const movements: Node[] = [];
  for (let hop = 0; hop < MAX_MOVEMENTS; hop += 1) {
    const node = editor.producerOf(value);
    const before = node && throughMovement({ shapeOf, channels }, node, axis);
    if (!node || !before || editor.isGraphOutput(value)) break;
    movements.push(node);
    ({ value, axis } = before);
  }
  return { value, axis, channels, movements };
}

/**
 * Whether all readers of the root, through the group's movements too, are the group's layers (or see its shape only).
 * @returns undefined when they are, else who else reads it
 */
export function otherUse(editor: GraphEditor, { root, readers, movements }: ScaleGroup): string | undefined {
  const layers = new Set(readers.map(({ node }) => node));
  const inner = new Set(movements);
  for (const value of [root, ...movements.map((node) => node.outputs[0]!)]) {
    if (editor.isGraphOutput(value)) return 'it is an output of the graph';
    for (const node of editor.consumersOf(value)) {
      if (readsShapeOnly(node)) continue;
      const isData = node.inputs.every((input, index) => input !== value || index === 0);
      // What reads the movements in turn is looked at, too.
      if (!isData || (!layers.has(node) && !inner.has(node))) return `${node.opType} reads it too`;
    }
  }
  return undefined;
}

/** Whether anything but these nodes reads a weight; then it cannot be changed for their sake. */
export function isSharedWeight(source: WeightSource, nodes: ReadonlySet<Node>): boolean {
  const { editor } = source.scope;
  const pending = [source.valueName];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (editor.isGraphOutput(value)) return true;
    for (const reader of editor.consumersOf(value)) {
      if (nodes.has(reader)) continue;
      const passes = isDefaultDomain(reader.domain) && ['Transpose', 'Identity'].includes(reader.opType);
      if (!passes) return true;
      pending.push(reader.outputs[0]!);
    }
  }
  return false;
}
