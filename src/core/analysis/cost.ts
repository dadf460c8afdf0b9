import type { Graph, Model, Node } from '../ir/types.ts';
import { isDefaultDomain, opName, subgraphsOf } from '../ir/walk.ts';
import type { ShapeTable } from '../shape/types.ts';
import { workOf } from './macs.ts';
import { type OpFamily, opFamily, viewOps } from './op-families.ts';
import { bytesOf } from './value-size.ts';

export interface NodeCost {
  readonly node: Node;
  /** 'Conv', 'com.microsoft.Gelu'. */
  readonly op: string;
  readonly family: OpFamily;
  /** undefined: a size is symbolic or unknown. For If: the more expensive branch; for Loop and Scan: all turns. */
  readonly macs: number | undefined;
  readonly flops: number | undefined;
  /** Bytes of distinct inputs, weights included; a Gather counts only the rows it takes. */
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
  /** Bytes among `readBytes` that are weights. */
  readonly weightBytes: number;
}

export interface CostSum {
  readonly nodes: number;
  readonly macs: number;
  readonly flops: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Nodes that are not in the sums, because a size is not known. */
  readonly unknownNodes: number;
}

export interface ModelCost {
  /** Nodes of the main graph, in their order; what is nested counts towards its If, Loop, Scan or function call. */
  readonly nodes: readonly NodeCost[];
  readonly total: CostSum;
  /** Descending by MACs, then by bytes. Nested nodes count under their own operator. */
  readonly byOp: readonly (CostSum & { readonly op: string; readonly family: OpFamily })[];
  readonly byFamily: readonly (CostSum & { readonly family: OpFamily })[];
}

/** Functions and subgraphs deeper than this count as unknown. */
const maxDepth = 64;
const maxNestedNodes = 150_000;

/**
 * The work that one run of the model takes, from its shapes (give `inferShapes` overrides for all free dimensions).
 * Of an If the more expensive branch counts; a Loop counts its body as often as its trip count says, once if that is
 * not constant.
 */
export function modelCost(model: Model, shapes: ShapeTable): ModelCost {
  const counter = new Counter(model);
  const { costs, sums } = counter.graph(model.graph.nodes, model.graph, shapes, 0);
  const byOp = [...sums].map(([op, sum]) => ({ op, family: opFamily(op.slice(op.lastIndexOf('.') + 1)), ...sum }));
  const byFamily = new Map<OpFamily, CostSum>();
  for (const { family, ...sum } of byOp) byFamily.set(family, addSums(byFamily.get(family), sum));
  return {
    nodes: costs,
    total: [...sums.values()].reduce<CostSum>((total, sum) => addSums(total, sum), noCost),
    byOp: byOp.sort(byCost),
    byFamily: [...byFamily].map(([family, sum]) => ({ family, ...pick(sum) })).sort(byCost),
  };
}

const noCost: CostSum = { nodes: 0, macs: 0, flops: 0, readBytes: 0, writtenBytes: 0, unknownNodes: 0 };
const byCost = (a: CostSum, b: CostSum): number =>
  b.macs - a.macs || b.readBytes + b.writtenBytes - a.readBytes - a.writtenBytes;

type Sums = Map<string, CostSum>;

interface GraphCost {
  readonly costs: readonly NodeCost[];
  readonly sums: Sums;
}

class Counter {
  private readonly functions: ReadonlyMap<string, Model['functions'][number]>;
  private nestedNodes = 0;

  constructor(model: Model) {
    this.functions = new Map(
      model.functions.map((body) => [`${body.domain}\n${body.name}\n${body.overload ?? ''}`, body]),
    );
  }

  /** @param graph where initializers are looked up; undefined for the body of a function */
  graph(nodes: readonly Node[], graph: Graph | undefined, shapes: ShapeTable, depth: number): GraphCost {
    const sums: Sums = new Map();
    const costs = nodes.map((node) => {
      const nested = this.nested(node, shapes, depth);
      const cost = nested ? outerCost(node, nested) : plainCost(node, graph, shapes);
      if (nested) mergeSums(sums, nested);
      else sums.set(cost.op, addSums(sums.get(cost.op), sumOf(cost)));
      return cost;
    });
    return { costs, sums };
  }

  private nested(node: Node, shapes: ShapeTable, depth: number): Sums | undefined {
    const body = this.functions.get(
      `${isDefaultDomain(node.domain) ? '' : node.domain}\n${node.opType}\n${node.overload ?? ''}`,
    );
    const subgraphs = subgraphsOf(node);
    if (!body && subgraphs.length === 0) return undefined;
    const callee = body && shapes.callee(node);
    const parts = body
      ? callee
        ? [{ nodes: body.nodes, graph: undefined, table: callee }]
        : []
      : subgraphs.flatMap((graph) => {
          const table = shapes.scope(graph);
          return table ? [{ nodes: graph.nodes, graph, table }] : [];
        });
    const results = parts.flatMap(({ nodes, graph, table }) => {
      this.nestedNodes += nodes.length;
      if (depth >= maxDepth || this.nestedNodes > maxNestedNodes) return [];
      return [this.graph(nodes, graph, table, depth + 1).sums];
    });
    const worst = results.sort((a, b) => byCost(totalOf(a), totalOf(b)))[0];
    if (!worst) return new Map([[opName(node), { ...noCost, nodes: 1, unknownNodes: 1 }]]);
    return scaled(worst, turnsOf(node, shapes));
  }
}

/** How often the body runs: a constant trip count, or the length that a Scan goes over. */
function turnsOf(node: Node, shapes: ShapeTable): number {
  if (node.opType === 'Loop') {
    const scanned = node.outputs.slice(node.inputs.length - 2).find((output) => output !== '');
    const trips = shapes.elements(node.inputs[0] ?? '')?.[0] ?? (scanned && shapes.get(scanned)?.shape?.[0]);
    return typeof trips === 'number' && trips >= 0 ? trips : 1;
  }
  if (node.opType === 'Scan') {
    const length = shapes.get(node.inputs.at(-1) ?? '')?.shape?.[0];
    return typeof length === 'number' ? length : 1;
  }
  return 1;
}

function plainCost(node: Node, graph: Graph | undefined, shapes: ShapeTable): NodeCost {
  const family = opFamily(node.opType);
  const op = opName(node);
  if (family === 'constant' && node.opType === 'Constant')
    return { node, op, family, macs: 0, flops: 0, readBytes: 0, writtenBytes: 0, weightBytes: 0 };
  const work = workOf(node, shapes);
  const isView = viewOps.has(node.opType) || node.opType === 'Shape' || node.opType === 'Size';
  const written = isView ? 0 : total(node.outputs, shapes);
  let read = isView ? 0 : total([...new Set(node.inputs)], shapes);
  if (node.opType === 'Gather' || node.opType === 'GatherBlockQuantized' || node.opType === 'GatherND')
    read = add(written, bytesOf(shapes.get(node.inputs[1] ?? '')));
  const weightBytes = isView ? 0 : weightBytesOf(node, graph, read);
  return { node, op, family, ...work, readBytes: read, writtenBytes: written, weightBytes };
}

function weightBytesOf(node: Node, graph: Graph | undefined, read: number | undefined): number {
  let bytes = 0;
  for (const input of new Set(node.inputs)) {
    const tensor = graph?.initializers.get(input);
    if (tensor) bytes += bytesOf({ dtype: tensor.dtype, shape: tensor.dims }) ?? 0;
  }
  return read === undefined ? bytes : Math.min(bytes, read);
}

const outerCost = (node: Node, nested: Sums): NodeCost => {
  const sum = totalOf(nested);
  const isKnown = sum.unknownNodes === 0;
  return {
    node,
    op: opName(node),
    family: opFamily(node.opType),
    macs: isKnown ? sum.macs : undefined,
    flops: isKnown ? sum.flops : undefined,
    readBytes: isKnown ? sum.readBytes : undefined,
    writtenBytes: isKnown ? sum.writtenBytes : undefined,
    weightBytes: 0,
  };
};

function total(values: readonly string[], shapes: ShapeTable): number | undefined {
  let bytes: number | undefined = 0;
  for (const value of values) if (value !== '') bytes = add(bytes, bytesOf(shapes.get(value)));
  return bytes;
}

const add = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a + b;

function sumOf({ macs, flops, readBytes, writtenBytes }: NodeCost): CostSum {
  const isKnown = macs !== undefined && flops !== undefined && readBytes !== undefined && writtenBytes !== undefined;
  return {
    nodes: 1,
    macs: macs ?? 0,
    flops: flops ?? 0,
    readBytes: readBytes ?? 0,
    writtenBytes: writtenBytes ?? 0,
    unknownNodes: isKnown ? 0 : 1,
  };
}

function addSums(a: CostSum | undefined, b: CostSum): CostSum {
  if (!a) return pick(b);
  return {
    nodes: a.nodes + b.nodes,
    macs: a.macs + b.macs,
    flops: a.flops + b.flops,
    readBytes: a.readBytes + b.readBytes,
    writtenBytes: a.writtenBytes + b.writtenBytes,
    unknownNodes: a.unknownNodes + b.unknownNodes,
  };
}

const pick = ({ nodes, macs, flops, readBytes, writtenBytes, unknownNodes }: CostSum): CostSum => ({
  nodes,
  macs,
  flops,
  readBytes,
  writtenBytes,
  unknownNodes,
});

const totalOf = (sums: Sums): CostSum => [...sums.values()].reduce<CostSum>((all, sum) => addSums(all, sum), noCost);

function mergeSums(into: Sums, from: Sums): void {
  for (const [op, sum] of from) into.set(op, addSums(into.get(op), sum));
}

/** Counts of nodes stay: a body that runs ten times still has the nodes it has. */
function scaled(sums: Sums, turns: number): Sums {
  if (turns === 1) return sums;
  const times = (sum: CostSum): CostSum => ({
    ...sum,
    macs: sum.macs * turns,
    flops: sum.flops * turns,
    readBytes: sum.readBytes * turns,
    writtenBytes: sum.writtenBytes * turns,
  });
  return new Map([...sums].map(([op, sum]) => [op, times(sum)]));
}
