import { z } from 'zod';
import { throwIfCancelled } from '../base/cancel.ts';
import type { FunctionDef, Model } from '../ir/types.ts';
import { isDefaultDomain } from '../ir/walk.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { calledFunctions, calleeOf, expandedSizes, functionTable, instantiate } from './support/functions.ts';
import { unchangedSince } from './support/opset-changes.ts';
import { NEWEST_TARGET } from './support/raise-opset.ts';
import { editEveryGraph, labelOf, opsetOf } from './support/scopes.ts';

const params = z.object({
  maxNodes: z.number().int().min(0).max(1_000_000).default(50_000).meta({
    title: 'Nodes at most',
    description: 'Calls are put in place as long as that adds no more nodes than this; the rest stay calls.',
    advanced: true,
  }),
});

/** Operators that mean the same in both versions of ai.onnx, whichever is the newer one. */
function meansTheSame(definition: FunctionDef, from: number, to: number): boolean {
  if (from === to) return true;
  if (Math.max(from, to) > NEWEST_TARGET) return false;
  const since = (opType: string) => unchangedSince.get(opType) ?? Number.POSITIVE_INFINITY;
  // Operators in subgraphs are not looked at: If and Loop in a function of another version stay where they are.
  return definition.nodes.every(
    (node) =>
      !isDefaultDomain(node.domain) ||
      (since(node.opType) <= Math.min(from, to) &&
        [...node.attributes.values()].every(({ type }) => type !== 'graph' && type !== 'graphs')),
  );
}

/** Why the body cannot stand in the model's own graph; undefined when it can. */
function refusal(model: Model, definition: FunctionDef): string | undefined {
  for (const [domain, version] of definition.opsetImports) {
    if (isDefaultDomain(domain)) {
      const own = opsetOf(model.opsetImports);
      if (!meansTheSame(definition, version, own))
        return `it is written for opset ${version}, where some of its operators may differ from the model's opset ${own}`;
    } else if ((model.opsetImports.get(domain) ?? version) !== version) {
      return `it is written for version ${version} of ${domain}, the model for ${model.opsetImports.get(domain)}`;
    }
  }
  return undefined;
}

function importDomains(model: Model, definition: FunctionDef): void {
  for (const [domain, version] of definition.opsetImports)
    if (!isDefaultDomain(domain) && !model.opsetImports.has(domain)) model.opsetImports.set(domain, version);
}

function adviseOnce(ctx: StepContext, told: Set<FunctionDef>, definition: FunctionDef, reason: string): void {
  if (told.has(definition)) return;
  told.add(definition);
  ctx.advise({
    level: 'info',
    code: 'inline-functions/kept',
    message: `Calls of ${definition.domain}.${definition.name} were not put in place: ${reason}.`,
  });
}

/** One round over all graphs; the bodies that it puts in place may hold calls in their subgraphs. */
async function inlineCalls(ctx: StepContext, budget: { nodes: number }, told: Set<FunctionDef>): Promise<number> {
  const { model } = ctx;
  const table = functionTable(model);
  const sizes = expandedSizes(table);
  let inlined = 0;
  await editEveryGraph(ctx, ({ editor, nodes }) => {
    const pending = [...nodes].reverse();
    for (let node = pending.pop(); node; node = pending.pop()) {
      const callee = calleeOf(table, node);
      if (!callee) continue;
      throwIfCancelled(ctx.signal);
      const size = sizes.get(callee)!;
      const isRecursive = size === Number.POSITIVE_INFINITY;
      const reason = isRecursive ? 'it calls itself' : refusal(model, callee);
      if (reason !== undefined || size > budget.nodes) {
        adviseOnce(ctx, told, callee, reason ?? 'the limit of added nodes is reached');
        continue;
      }
      budget.nodes -= callee.nodes.length;
      importDomains(model, callee);
      const body = instantiate(editor, node, callee);
      editor.replaceNode(node, body);
      ctx.ledger.record(`put ${callee.name} in the place of a call`, [labelOf(node)], body.map(labelOf));
      inlined += 1;
      pending.push(...body.reverse());
    }
  });
  return inlined;
}

/**
 * Functions hide what is inside from every other pass, and from those of the runtime until it has put them in place
 * itself. Calls inside bodies that are put in place go too, so functions nested in each other vanish in one run.
 */
export const step = defineStep({
  id: 'inline-functions',
  title: 'Inline functions',
  summary:
    'Puts the bodies of the functions that a model defines in the place of their calls, so that other steps see them.',
  section: 'cleanup',
  order: 180,
  params,
  precision: 'exact',
  needs: {},
  source: 'ONNX IR specification, Functions (IR version 8; overloads: version 10)',
  runsOn: () => runsEverywhere,
  run: async (ctx, { maxNodes }) => {
    const { model } = ctx;
    if (model.functions.length === 0) return;
    const budget = { nodes: maxNodes };
    const told = new Set<FunctionDef>();
    while ((await inlineCalls(ctx, budget, told)) > 0);
    const called = calledFunctions(model, functionTable(model));
    model.functions = model.functions.filter((definition) => called.has(definition));
  },
});
