import { z } from 'zod';
import { throwIfCancelled } from '../base/cancel.ts';
import type { Graph, Node } from '../ir/types.ts';
import { localValues, subgraphsOf } from '../ir/walk.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { isDroppable } from './support/determinism.ts';
import { calledFunctions, functionTable } from './support/functions.ts';
import { liveNodes, usedValues } from './support/liveness.ts';
import { dropUnusedOutputs } from './support/optional-outputs.ts';
import { isOp, labelOf } from './support/scopes.ts';

interface Sweep {
  readonly ctx: StepContext;
  readonly mayDrop: (node: Node) => boolean;
}

/** Outer graphs first for unused If outputs, then inner graphs, so that what only dead inner nodes read dies as well. */
function sweepGraph(sweep: Sweep, graph: Graph): void {
  throwIfCancelled(sweep.ctx.signal);
  dropDeadNodes(sweep, graph);
  dropUnusedIfOutputs(sweep, graph);
  for (const node of graph.nodes) for (const subgraph of subgraphsOf(node)) sweepGraph(sweep, subgraph);
  dropDeadNodes(sweep, graph);
  dropOptionalOutputs(sweep, graph);
  dropUnusedInitializers(sweep, graph);
  dropStaleValueInfo(graph);
}

/** Statistics, masks and last states that nobody reads: the runtime need not compute them. */
function dropOptionalOutputs({ ctx }: Sweep, graph: Graph): void {
  if (graph.nodes.every((node) => node.outputs.length < 2)) return;
  const used = usedValues(graph);
  for (const node of graph.nodes) {
    if (node.outputs.length < 2) continue;
    const dropped = dropUnusedOutputs(node, (value) => used.has(value));
    if (dropped.length > 0) ctx.ledger.record('left out outputs that nothing reads', dropped, [labelOf(node)]);
  }
}

function dropDeadNodes({ ctx, mayDrop }: Sweep, graph: { nodes: Node[] } & Graph): void {
  const live = liveNodes(graph, (node) => !mayDrop(node));
  if (live.size === graph.nodes.length) return;
  for (const node of graph.nodes) {
    if (!live.has(node)) ctx.ledger.record('removed a node that nothing reads', [labelOf(node)]);
  }
  graph.nodes = graph.nodes.filter((node) => live.has(node));
}

/** An If may have outputs that nobody reads; both branches then stop returning them. */
function dropUnusedIfOutputs({ ctx }: Sweep, graph: Graph): void {
  const parents = graph.nodes.filter((node) => isOp(node, 'If'));
  if (parents.length === 0) return;
  const used = usedValues(graph);
  for (const node of parents) {
    const branches = subgraphsOf(node);
    const keep = node.outputs.map((output) => output !== '' && used.has(output));
    const fits = branches.every((branch) => branch.outputs.length === node.outputs.length);
    if (!fits || keep.every(Boolean) || !keep.some(Boolean)) continue;
    const dropped = node.outputs.filter((output, at) => !keep[at] && output !== '');
    node.outputs = node.outputs.filter((_, at) => keep[at]);
    for (const branch of branches) branch.outputs = branch.outputs.filter((_, at) => keep[at]);
    ctx.ledger.record('removed If outputs that nothing reads', dropped);
  }
}

function dropUnusedInitializers({ ctx }: Sweep, graph: Graph): void {
  const used = usedValues(graph);
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  for (const name of [...graph.initializers.keys()]) {
    if (used.has(name) || inputs.has(name)) continue;
    graph.initializers.delete(name);
    ctx.ledger.record('removed an initializer that nothing reads', [name]);
  }
  graph.sparseInitializers = graph.sparseInitializers.filter(({ values }) => {
    const keep = used.has(values.name);
    if (!keep) ctx.ledger.record('removed an initializer that nothing reads', [values.name]);
    return keep;
  });
}

/** Not recorded: it says nothing about what the model computes. */
function dropStaleValueInfo(graph: Graph): void {
  const local = localValues(graph);
  for (const name of graph.valueInfo.keys()) if (!local.has(name)) graph.valueInfo.delete(name);
}

/** Functions that no node calls any more, directly or through another function. */
function dropUncalledFunctions(ctx: StepContext): void {
  const { model } = ctx;
  if (model.functions.length === 0) return;
  const called = calledFunctions(model, functionTable(model));
  model.functions = model.functions.filter((one) => {
    const keep = called.has(one);
    if (!keep) ctx.ledger.record('removed a function that nothing calls', [`${one.domain}.${one.name}`]);
    return keep;
  });
}

export const step = defineStep({
  id: 'eliminate-dead',
  title: 'Remove what nothing reads',
  summary:
    'Drops nodes, initializers, If outputs, optional outputs and functions that no output of the model depends on.',
  section: 'cleanup',
  order: 190,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'Dead-code elimination over the ONNX graph; operators are pure functions by specification',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    const { model } = ctx;
    const localDomains = new Set(model.functions.map(({ domain }) => domain));
    const sweep: Sweep = { ctx, mayDrop: (node) => isDroppable(node, localDomains) };
    sweepGraph(sweep, model.graph);
    for (const definition of model.functions) {
      const graph = { nodes: definition.nodes, outputs: definition.outputs.map((name) => ({ name })) } as Graph;
      dropDeadNodes(sweep, graph);
      definition.nodes = graph.nodes;
      for (const node of definition.nodes) for (const subgraph of subgraphsOf(node)) sweepGraph(sweep, subgraph);
    }
    dropUncalledFunctions(ctx);
  },
});
