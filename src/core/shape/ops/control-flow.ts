/** If, Loop, Scan: inference inside their subgraphs, and what is known about the outcome. */
import type { InferContext, InferFn } from '../context.ts';
import { containerFacts, type Facts, meet, type Shape, tensorFacts, unknownFacts } from '../facts.ts';
import { isExpr, type Sym, sameSym } from '../symbolic.ts';
import { axisOf } from './helpers.ts';

/** Loops nested deeper than this are inferred once, with nothing assumed about their state. */
const maxRefinedDepth = 3;

const ifOp: InferFn = (c) => {
  const thenGraph = c.graph('then_branch');
  const elseGraph = c.graph('else_branch');
  if (!thenGraph || !elseGraph) return;
  const condition = c.scalar(0);
  const thenOutputs = c.surroundings.inferSubgraph(thenGraph, []);
  const elseOutputs = c.surroundings.inferSubgraph(elseGraph, []);
  for (let output = 0; output < c.outputCount; output++) {
    const taken = typeof condition === 'number' ? (condition ? thenOutputs : elseOutputs)[output] : undefined;
    c.setFacts(output, taken ?? meet(thenOutputs[output], elseOutputs[output]));
  }
};

/** Inputs: trip count, condition, states. Body: (iteration, condition, states) -> (condition, states, scans). */
const loop: InferFn = (c) => {
  const body = c.graph('body');
  if (!body) return;
  const stateCount = c.inputCount - 2;
  const trips: Sym = c.has(0) ? (c.scalar(0) ?? null) : null;
  // While the body runs, the condition is true.
  const condition: Facts = { dtype: 'bool', shape: [], values: [1] };
  let goesOn = false;
  const { states, outputs } = settle(c, initialStates(c, 2, stateCount), (current) => {
    const [next, ...rest] = c.surroundings.inferSubgraph(body, [tensorFacts('int64', []), condition, ...current]);
    goesOn = next?.values?.[0] === 1;
    return rest;
  });
  for (const [index, state] of states.entries()) c.setFacts(index, state);
  // Without a condition input the body's own condition is ignored.
  const isCounted = !c.has(1) || (c.scalar(1) === 1 && goesOn);
  for (let scan = stateCount; scan < outputs.length; scan++) {
    const element = outputs[scan]!;
    c.set(scan, element.dtype, element.shape && [isCounted ? trips : null, ...element.shape]);
  }
};

function initialStates(c: InferContext, first: number, count: number): Facts[] {
  return Array.from({ length: Math.max(0, count) }, (_, index) => withoutElements(c.facts(first + index)));
}

/** A state changes from turn to turn: its first elements say nothing about the later ones. */
function withoutElements(facts: Facts | undefined): Facts {
  if (!facts) return unknownFacts;
  if (facts.container) return containerFacts(facts.container, facts.element);
  return tensorFacts(facts.dtype, facts.shape);
}

/**
 * Facts of loop states that hold in every turn: starts from the initial ones and gives up whatever the body changes.
 * At most three rounds, so nested loops cost at most 3^depth (bounded by `maxRefinedDepth`).
 */
function settle(
  c: InferContext,
  initial: readonly Facts[],
  run: (states: readonly Facts[]) => readonly Facts[],
): { states: readonly Facts[]; outputs: readonly Facts[] } {
  let states = c.surroundings.depth >= maxRefinedDepth ? initial.map(onlyKind) : initial;
  for (let round = 0; ; round++) {
    const outputs = run(states);
    const merged = states.map((state, index) => common(state, outputs[index]));
    if (round === 2 || merged.every((state, index) => state === states[index])) return { states: merged, outputs };
    states = round === 0 ? merged : merged.map((state, index) => (state === states[index] ? state : onlyKind(state)));
    // Giving up the shape of one state may change another's in the last round: give up all of them at once there.
    if (round === 1) states = states.map(onlyKind);
  }
}

const onlyKind = (facts: Facts): Facts =>
  facts.container ? containerFacts(facts.container, undefined) : tensorFacts(facts.dtype, undefined);

/** @returns `state` itself when the body keeps it as it is */
function common(state: Facts, output: Facts | undefined): Facts {
  if (state.container) {
    const element = meet(state.element, output?.element);
    return sameFacts(state.element, element) ? state : containerFacts(state.container, element);
  }
  const merged = meet(state, output);
  const dtype = state.dtype ?? output?.dtype;
  return sameFacts(state, { ...merged, dtype }) ? state : tensorFacts(dtype, merged.shape);
}

function sameFacts(a: Facts | undefined, b: Facts | undefined): boolean {
  if (a?.dtype !== b?.dtype || a?.shape?.length !== b?.shape?.length) return false;
  // A size that is unknown on both sides is no change either.
  return (a?.shape ?? []).every((dim, axis) => {
    const other = b!.shape![axis]!;
    return sameSym(dim, other) || (dim === null && other === null);
  });
}

/** Opset 9 on: states then scanned inputs; opset 8 had a leading sequence-lengths input and a batch axis. */
const scan: InferFn = (c) => {
  const body = c.graph('body');
  if (!body) return;
  const hasBatch = c.opset < 9;
  const offset = hasBatch ? 1 : 0;
  const scanCount = c.int('num_scan_inputs', 0);
  const stateCount = c.inputCount - offset - scanCount;
  const inputAxes = c.ints('scan_input_axes');
  const elements: Facts[] = [];
  let length: Sym = null;
  let batch: Sym = null;
  for (let index = 0; index < scanCount; index++) {
    const facts = c.facts(offset + stateCount + index);
    const shape = facts?.shape;
    if (hasBatch && shape) batch = shape[0] ?? null;
    const axis = shape && (hasBatch ? 1 : axisOf(inputAxes?.[index] ?? 0, shape.length));
    if (axis === undefined) elements.push(tensorFacts(facts?.dtype, undefined));
    else {
      const size = shape![axis]!;
      if (length === null || (isExpr(length) && typeof size === 'number')) length = size;
      elements.push(
        tensorFacts(
          facts?.dtype,
          shape!.filter((_, at) => at !== axis && !(hasBatch && at === 0)),
        ),
      );
    }
  }
  const initial = initialStates(c, offset, stateCount).map((state) =>
    hasBatch && state.shape ? tensorFacts(state.dtype, state.shape.slice(1)) : state,
  );
  const { states, outputs } = settle(c, initial, (current) =>
    c.surroundings.inferSubgraph(body, [...current, ...elements]),
  );
  const withBatch = (shape: Shape | undefined) => (shape && hasBatch ? [batch, ...shape] : shape);
  for (const [index, state] of states.entries()) c.set(index, state.dtype, withBatch(state.shape));
  const outputAxes = c.ints('scan_output_axes');
  for (let index = stateCount; index < outputs.length; index++) {
    const { dtype, shape } = outputs[index]!;
    const axis = shape && axisOf(outputAxes?.[index - stateCount] ?? 0, shape.length + 1);
    c.set(
      index,
      dtype,
      withBatch(axis === undefined ? undefined : [...shape!.slice(0, axis), length, ...shape!.slice(axis)]),
    );
  }
};

export const controlFlow: Record<string, InferFn> = { If: ifOp, Loop: loop, Scan: scan };
