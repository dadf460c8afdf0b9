/**
 * Predicted memory of activations: which values are alive while each node runs, in the order of the file.
 *
 * The model: a buffer per value, from the node that makes it to the last one that reads it. Graph inputs stay for the
 * whole run (the caller holds them) and so do graph outputs once made. Reshape and the like share their input's buffer;
 * activations whose input dies there write in place (buffer-reuse.ts has onnxruntime's rule). Weights, kernel workspace
 * and the allocator's slack are not in it: this is a prediction of activations, not of the process.
 */
import type { Graph, Model, Node } from '../ir/types.ts';
import { isDefaultDomain, subgraphsOf, usedValuesOf } from '../ir/walk.ts';
import type { ShapeTable } from '../shape/types.ts';
import { type Reuse, reuseOf } from './buffer-reuse.ts';
import { bytesOf } from './value-size.ts';

export interface LiveValue {
  readonly value: string;
  readonly bytes: number;
}

/** A stretch of memory, from the node that makes what is in it to the last one that reads it. */
export interface PlannedBuffer {
  /** What it was made for. */
  readonly value: string;
  /** 0 while the size is not known. */
  readonly bytes: number;
  readonly isKnown: boolean;
  /** Index of the node that makes it; -1 for inputs. */
  readonly from: number;
  /** Index of the last node that reads any value in it; the number of nodes where it stays to the end. */
  readonly lastUse: number;
  /** Values that took it over later, in order. */
  readonly shared: readonly SharedValue[];
}

export interface SharedValue {
  readonly value: string;
  /** Index of the node that makes it. */
  readonly at: number;
  readonly how: Reuse;
}

export interface MemoryPlan {
  readonly peakBytes: number;
  /** Index in the main graph's nodes of the node at the peak; -1 for a graph without nodes. */
  readonly peakNode: number;
  /** What is alive at the peak, largest first; a subgraph's own peak stands as one entry named after its node. */
  readonly peakValues: readonly LiveValue[];
  /** Bytes alive while each node runs, in node order. */
  readonly timeline: Float64Array;
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Values that are not counted, because their size is not known. */
  readonly unknownValues: number;
  /** All of them, in order of making. */
  readonly buffers: readonly PlannedBuffer[];
  /** Bytes that subgraphs and function bodies need while their node runs, by index of the node; 0 is left out. */
  readonly nestedBytes: ReadonlyMap<number, number>;
}

const maxDepth = 64;
const maxNestedNodes = 150_000;

/** @param shapes inferred with a value for every free dimension, or the plan is only a lower bound */
export function memoryPlan(model: Model, shapes: ShapeTable): MemoryPlan {
  return new Planner(model).plan(
    {
      nodes: model.graph.nodes,
      inputs: model.graph.inputs.map(({ name }) => name).filter((name) => !model.graph.initializers.has(name)),
      outputs: model.graph.outputs.map(({ name }) => name),
      weights: weightNames(model.graph),
      table: shapes,
    },
    0,
  );
}

interface Body {
  readonly nodes: readonly Node[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly weights: ReadonlySet<string>;
  readonly table: ShapeTable;
}

interface Buffer extends PlannedBuffer {
  lastUse: number;
  readonly shared: SharedValue[];
}

class Planner {
  private readonly functions: ReadonlyMap<string, Model['functions'][number]>;
  private nestedNodes = 0;

  constructor(model: Model) {
    this.functions = new Map(
      model.functions.map((body) => [`${body.domain}\n${body.name}\n${body.overload ?? ''}`, body]),
    );
  }

  plan(body: Body, depth: number): MemoryPlan {
    const { nodes, table } = body;
    const kept = new Set(body.outputs);
    const nestedBytes = new Map<number, number>();
    const lastUses = lastUsesOf(body);
    const buffers = new Map<string, Buffer>();
    const dyingAt: Buffer[][] = nodes.map(() => []);
    const all: Buffer[] = [];
    const timeline = new Float64Array(nodes.length);
    let unknownValues = 0;
    let live = 0;

    const allocate = (value: string, from: number, lastUse: number): void => {
      const bytes = bytesOf(table.get(value));
      if (bytes === undefined) unknownValues += 1;
      const buffer: Buffer = { value, bytes: bytes ?? 0, isKnown: bytes !== undefined, from, lastUse, shared: [] };
      buffers.set(value, buffer);
      all.push(buffer);
      live += buffer.bytes;
      dyingAt[lastUse]?.push(buffer);
    };
    for (const input of body.inputs) allocate(input, -1, nodes.length);
    const inputBytes = live;

    let peak = { bytes: live, node: -1, nested: 0 };
    for (const [at, node] of nodes.entries()) {
      const how = kept.has(node.outputs[0] ?? '') ? undefined : reuseOf(node.opType);
      const shared = how && sharedBuffer(node, at, how, { table, buffers, weights: body.weights });
      for (const [index, output] of node.outputs.entries()) {
        if (output === '' || node.opType === 'Constant') continue;
        const lastUse = lastUses.get(output) ?? at;
        if (index > 0 || !shared) allocate(output, at, lastUse);
        else {
          buffers.set(output, shared);
          shared.shared.push({ value: output, at, how: how! });
          if (lastUse > shared.lastUse) {
            shared.lastUse = lastUse;
            dyingAt[lastUse]?.push(shared);
          }
        }
      }
      const nested = this.nestedPeak(node, table, depth);
      if (nested > 0) nestedBytes.set(at, nested);
      timeline[at] = live + nested;
      if (timeline[at]! > peak.bytes || peak.node < 0) peak = { bytes: timeline[at]!, node: at, nested };
      // A view may have prolonged a buffer's life since it was entered here.
      for (const buffer of dyingAt[at]!) if (buffer.lastUse === at) live -= buffer.bytes;
    }
    return {
      peakBytes: peak.bytes,
      peakNode: peak.node,
      peakValues: peakValuesOf(all, peak, nodes),
      timeline,
      inputBytes,
      outputBytes: body.outputs.reduce((total, name) => total + (bytesOf(table.get(name)) ?? 0), 0),
      unknownValues,
      buffers: all,
      nestedBytes,
    };
  }

  /** Bytes that a node's subgraphs or function body need beyond what is alive outside: the largest of them. */
  private nestedPeak(node: Node, table: ShapeTable, depth: number): number {
    let peak = 0;
    for (const inner of this.bodiesOf(node, table)) {
      this.nestedNodes += inner.nodes.length;
      if (depth >= maxDepth || this.nestedNodes > maxNestedNodes) return peak;
      peak = Math.max(peak, this.plan(inner, depth + 1).peakBytes);
    }
    return peak;
  }

  private bodiesOf(node: Node, shapes: ShapeTable): Body[] {
    const domain = isDefaultDomain(node.domain) ? '' : node.domain;
    const definition = this.functions.get(`${domain}\n${node.opType}\n${node.overload ?? ''}`);
    const callee = definition && shapes.callee(node);
    // The inputs of a function are the caller's values; nothing is copied.
    if (definition && callee)
      return [{ nodes: definition.nodes, inputs: [], outputs: definition.outputs, weights: new Set(), table: callee }];
    return subgraphsOf(node).flatMap((graph) => {
      const table = shapes.scope(graph);
      if (!table) return [];
      // A loop's state is a second buffer while the body makes the next one.
      const inputs = graph.inputs.map(({ name }) => name);
      return [
        {
          nodes: graph.nodes,
          inputs,
          outputs: graph.outputs.map(({ name }) => name),
          weights: weightNames(graph),
          table,
        },
      ];
    });
  }
}

function peakValuesOf(
  all: readonly Buffer[],
  peak: { readonly node: number; readonly nested: number },
  nodes: readonly Node[],
): readonly LiveValue[] {
  const alive: LiveValue[] = all
    .filter(({ from, lastUse }) => from <= peak.node && lastUse >= peak.node)
    .map(({ value, bytes }) => ({ value, bytes }));
  if (peak.nested > 0) alive.push({ value: nodes[peak.node]?.name || 'subgraph', bytes: peak.nested });
  return alive.sort((a, b) => b.bytes - a.bytes);
}

/** nodes.length for the outputs of the graph: they stay to the end. */
function lastUsesOf({ nodes, outputs }: Body): Map<string, number> {
  const lastUses = new Map<string, number>();
  for (const [at, node] of nodes.entries()) for (const value of usedValuesOf(node)) lastUses.set(value, at);
  for (const output of outputs) lastUses.set(output, nodes.length);
  return lastUses;
}

interface Surroundings {
  readonly table: ShapeTable;
  readonly buffers: ReadonlyMap<string, Buffer>;
  readonly weights: ReadonlySet<string>;
}

/** The buffer that output 0 takes over: that of input 0, if it is no weight, and for writing in place dies here. */
function sharedBuffer(
  { inputs, outputs }: Node,
  at: number,
  how: Reuse,
  { table, buffers, weights }: Surroundings,
): Buffer | undefined {
  const [input = ''] = inputs;
  const buffer = weights.has(input) ? undefined : buffers.get(input);
  if (!buffer || how === 'view') return buffer;
  const bytes = bytesOf(table.get(outputs[0] ?? ''));
  return buffer.lastUse === at && buffer.bytes === bytes ? buffer : undefined;
}

function weightNames(graph: Graph): ReadonlySet<string> {
  return new Set(graph.initializers.keys());
}
