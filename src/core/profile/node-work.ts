/** What a node of a trace computes and moves: the file's figures where it has them, else from the shapes it ran with. */
import type { NodeCost } from '../analysis/cost.ts';
import { workOf } from '../analysis/macs.ts';
import { viewOps } from '../analysis/op-families.ts';
import type { DType } from '../ir/dtype.ts';
import type { Node } from '../ir/types.ts';
import type { ShapeTable, ValueFacts } from '../shape/types.ts';
import type { MappedNode } from './map-nodes.ts';
import type { TraceNode } from './types.ts';

export interface NodeWork {
  readonly macs: number | null;
  readonly flops: number | null;
  readonly bytes: number | null;
}

/** Operators that read only as many bytes of their first input as they write. */
const GATHERS = new Set(['Gather', 'GatherBlockQuantized', 'GatherND', 'GatherElements']);
/** Their result is their input's buffer; others that move data count no operations. */
const isView = (opType: string) => viewOps.has(opType) || opType === 'Shape' || opType === 'Size';

/** @param costOf the file's figures by node; none for nodes of subgraphs and functions */
export function workOfMapped({ trace, nodes }: MappedNode, costOf: (node: Node) => NodeCost | undefined): NodeWork {
  if (isView(trace.opType)) return { macs: 0, flops: 0, bytes: 0 };
  const bytes = bytesMoved(trace, nodes[0] && costOf(nodes[0]));
  const costs = nodes.map(costOf);
  const known = costs.filter((cost) => cost !== undefined);
  if (nodes.length > 0 && known.length === nodes.length && known.every(({ flops }) => flops !== undefined)) {
    const sum = (of: (cost: NodeCost) => number | undefined) => known.reduce((total, cost) => total + of(cost)!, 0);
    return { macs: sum(({ macs }) => macs), flops: sum(({ flops }) => flops), bytes };
  }
  const { macs, flops } = workFromShapes(trace, nodes[0]);
  return { macs: macs ?? null, flops: flops ?? null, bytes };
}

function bytesMoved(trace: TraceNode, cost: NodeCost | undefined): number | null {
  const { activationBytes, parameterBytes, outputBytes, calls } = trace;
  if (outputBytes === null || activationBytes === null) {
    const { readBytes, writtenBytes } = cost ?? {};
    return readBytes === undefined || writtenBytes === undefined ? null : readBytes + writtenBytes;
  }
  if (GATHERS.has(trace.opType)) return 2 * outputBytes * calls;
  // Weights that the runtime packed into a layout of its own are not in its count.
  const listed = parameterBytes ?? 0;
  const weights = listed < (cost?.weightBytes ?? 0) / 8 ? (cost?.weightBytes ?? 0) : listed;
  return (activationBytes + weights + outputBytes) * calls;
}

function workFromShapes(trace: TraceNode, origin: Node | undefined) {
  const facts = new Map<string, ValueFacts>();
  const name = (prefix: string) => (value: TraceNode['inputs'][number], index: number) => {
    facts.set(`${prefix}${index}`, { dtype: dtypeOf(value.type), shape: value.dims });
    return `${prefix}${index}`;
  };
  const node: Node = {
    name: trace.name,
    opType: trace.opType,
    domain: '',
    inputs: trace.inputs.map(name('i')),
    outputs: trace.outputs.map(name('o')),
    attributes: origin?.attributes ?? new Map(),
  };
  const none = () => undefined;
  const shapes: ShapeTable = {
    get: (value) => facts.get(value),
    entries: facts,
    constants: new Map(),
    elements: none,
    notes: [],
    scope: none,
    callee: none,
  };
  const { macs, flops } = workOf(node, shapes);
  const times = (one: number | undefined) => (one === undefined ? undefined : one * trace.calls);
  return { macs: times(macs), flops: times(flops) };
}

/** Only sizes of elements matter here. */
function dtypeOf(type: string): DType {
  const words: Readonly<Record<string, DType>> = { float: 'float32', double: 'float64' };
  return words[type] ?? (type as DType);
}
