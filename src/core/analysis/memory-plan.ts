/**
 * The memory of one run over time: what is alive while each node runs, in the order of the file, and which tensors make
 * the peak. A prediction from shapes (liveness.ts has the model behind it), as JSON for charts and the command line.
 */
import type { Model, Node } from '../ir/types.ts';
import { opName } from '../ir/walk.ts';
import { freeDims } from '../shape/free-dims.ts';
import { inferShapes } from '../shape/infer.ts';
import { suggestInputs } from './default-inputs.ts';
import { memoryPlan, type PlannedBuffer, type SharedValue } from './liveness.ts';
import { weightSummary } from './weights.ts';

export interface MemoryStep {
  /** The node's name, else its first output. */
  readonly node: string;
  readonly op: string;
  /** Activations alive while it runs, its own outputs included; no weights. */
  readonly liveBytes: number;
}

export interface MemoryBuffer {
  /** The value it was made for; of a subgraph, the node that has it. */
  readonly value: string;
  readonly bytes: number;
  /** subgraph: the most that a node's subgraphs or function body need while it runs. */
  readonly kind: 'input' | 'activation' | 'output' | 'subgraph';
  /** The step that makes it; -1 for inputs. */
  readonly from: number;
  /** The last step at which it is alive. */
  readonly to: number;
  /** What took it over: views, and outputs written in its place. */
  readonly shared: readonly SharedValue[];
}

export interface ResolvedDim {
  readonly symbol: string;
  readonly value: number;
  /** Nobody gave it: a usual size was put in its place. */
  readonly isAssumed: boolean;
}

/** Predicted. */
export interface MemoryTimeline {
  /** In the order of the file, which is the order of running. */
  readonly steps: readonly MemoryStep[];
  /** In order of making; subgraphs last. */
  readonly buffers: readonly MemoryBuffer[];
  /** Held all the time, and not part of any other figure here. */
  readonly weightBytes: number;
  readonly peakBytes: number;
  /** Of several the first; -1 for a graph without nodes. */
  readonly peakStep: number;
  /** Sizes of the inputs' free dimensions that the figures are for. */
  readonly dims: readonly ResolvedDim[];
  /** Values whose size is not known: they are not counted, so the figures are too low. */
  readonly unknownValues: number;
  /** The first of them. */
  readonly unknownExamples: readonly string[];
}

const UNKNOWN_EXAMPLES = 5;

/**
 * @param dims values of free dimensions by symbol, as the task has them; the others get usual sizes, and are listed
 */
export function memoryTimeline(model: Model, dims: Readonly<Record<string, number>> = {}): MemoryTimeline {
  const resolved = resolveDims(model, dims);
  const overrides = { ...dims, ...Object.fromEntries(resolved.map(({ symbol, value }) => [symbol, value])) };
  const plan = memoryPlan(model, inferShapes(model, { overrides }));
  const { nodes, outputs } = model.graph;
  const outputNames = new Set(outputs.map(({ name }) => name));
  const last = Math.max(0, nodes.length - 1);
  const nested = [...plan.nestedBytes].map(
    ([at, bytes]): MemoryBuffer => ({
      value: nameOf(nodes[at]!),
      bytes,
      kind: 'subgraph',
      from: at,
      to: at,
      shared: [],
    }),
  );
  const unknown = plan.buffers.filter(({ isKnown }) => !isKnown);
  return {
    steps: nodes.map((node, at) => ({ node: nameOf(node), op: opName(node), liveBytes: plan.timeline[at]! })),
    buffers: [
      ...plan.buffers.map(({ value, bytes, from, lastUse, shared }: PlannedBuffer): MemoryBuffer => {
        const kind = from < 0 ? 'input' : outputNames.has(value) ? 'output' : 'activation';
        return { value, bytes, kind, from, to: Math.min(lastUse, last), shared: [...shared] };
      }),
      ...nested,
    ],
    weightBytes: weightSummary(model).bytes,
    peakBytes: plan.peakBytes,
    peakStep: plan.peakNode,
    dims: resolved,
    unknownValues: plan.unknownValues,
    unknownExamples: unknown.slice(0, UNKNOWN_EXAMPLES).map(({ value }) => value),
  };
}

/** Every free dimension of the inputs with a number: the caller's, else what default-inputs.ts takes as usual. */
function resolveDims(model: Model, dims: Readonly<Record<string, number>>): ResolvedDim[] {
  const inputs = model.graph.inputs.flatMap(({ name, type }) =>
    type?.kind === 'tensor' && type.dtype !== undefined ? [{ name, dtype: type.dtype, shape: type.shape }] : [],
  );
  const suggested = new Map(suggestInputs(inputs, dims).map((input) => [input.name, input.dims]));
  return freeDims(model).flatMap(({ symbol, uses }) => {
    const given = dims[symbol];
    const value =
      given ?? uses.map(({ input, axis }) => suggested.get(input)?.[axis]).find((size) => size !== undefined);
    return value === undefined ? [] : [{ symbol, value, isAssumed: given === undefined }];
  });
}

/** By which the page selects nodes. */
function nameOf(node: Node): string {
  return node.name || node.outputs.find((output) => output !== '') || node.opType;
}

/** What is alive while a step runs, largest first. */
export function liveAt({ buffers }: MemoryTimeline, step: number): readonly MemoryBuffer[] {
  return buffers.filter(({ from, to }) => from <= step && step <= to).sort((a, b) => b.bytes - a.bytes);
}

/**
 * At most so many stretches of the timeline, each standing for the step within it that needs most: drawn at one pixel
 * each, no peak is lost however long the model is.
 * @returns steps in order
 */
export function worstSteps(timeline: Pick<MemoryTimeline, 'steps'>, columns: number): readonly number[] {
  const { steps } = timeline;
  const count = Math.min(Math.max(1, Math.floor(columns)), steps.length);
  return Array.from({ length: count }, (_, column) => {
    const begin = Math.floor((column * steps.length) / count);
    const end = Math.floor(((column + 1) * steps.length) / count);
    let worst = begin;
    for (let at = begin + 1; at < end; at++) if (steps[at]!.liveBytes > steps[worst]!.liveBytes) worst = at;
    return worst;
  });
}
