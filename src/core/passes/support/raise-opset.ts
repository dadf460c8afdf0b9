/**
 * Raising a model's ai.onnx version, for steps whose operator came late (HardSwish 14, LayerNormalization 17, blocked
 * DequantizeLinear 21). Every node must mean the same in the new version, as it is or after a rewrite of its
 * attributes; otherwise nothing changes.
 */

import { cpuMissing } from '../../analysis/kernel-support.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { inferShapes } from '../../shape/infer.ts';
import type { ShapeTable } from '../../shape/types.ts';
import type { StepContext } from '../../step/define.ts';
import { factsIn } from './facts.ts';
import { adapterFor, unchangedSince } from './opset-changes.ts';
import { editEveryGraph, hasReferencedAttributes, opsetOf, type Scope } from './scopes.ts';

/** The newest version that the tables know. */
export const NEWEST_TARGET = 23;

/** IR version that the first ONNX release with opset 13 to 23 wrote (onnx/docs/Versioning.md). */
const irVersionOf = (opset: number): number =>
  opset >= 23 ? 11 : opset >= 21 ? 10 : opset >= 19 ? 9 : opset >= 15 ? 8 : opset >= 13 ? 7 : 6;

/**
 * Raises the model to `target` where that is safe.
 * @returns undefined when the model is now at `target` or above, else the reason why it was left alone
 */
export async function raiseOpset(ctx: StepContext, target: number): Promise<string | undefined> {
  const { model } = ctx;
  const from = opsetOf(model.opsetImports);
  if (from >= target) return undefined;
  // A fresh look: what earlier steps of the round made counts too.
  const table = inferShapes(model);
  const refusal = await refusalFor(ctx, from, target, table);
  if (refusal !== undefined) return refusal;
  await editEveryGraph(ctx, (scope) => {
    for (const node of scope.nodes) adapt(scope, node, from, target, table)?.edit?.();
  });
  model.opsetImports.delete('ai.onnx');
  model.opsetImports.set('', target);
  model.irVersion = Math.max(model.irVersion, irVersionOf(target));
  ctx.ledger.record(`raised the opset from ${from} to ${target}`, []);
  return undefined;
}

async function refusalFor(
  ctx: StepContext,
  from: number,
  target: number,
  table: ShapeTable,
): Promise<string | undefined> {
  const { model } = ctx;
  if (target > NEWEST_TARGET) return `opset ${target} is newer than Whittle can raise a model to`;
  if (model.functions.length > 0) return 'the model has functions of its own';
  if (model.trainingInfo.length > 0) return 'the model carries training information';
  if (model.irVersion < 4 && model.graph.inputs.some(({ name }) => model.graph.initializers.has(name))) {
    return 'its weights are listed as inputs';
  }
  let refusal: string | undefined;
  await editEveryGraph(ctx, (scope) => {
    for (const node of scope.nodes) refusal ??= adapt(scope, node, from, target, table)?.refusal;
  });
  return refusal;
}

function adapt(scope: Scope, node: Node, from: number, target: number, table: ShapeTable) {
  if (!isDefaultDomain(node.domain)) return undefined;
  if (hasReferencedAttributes(node)) return { refusal: `${node.opType} takes attributes from a caller` };
  // Its meaning would stay, but no session could be made any more.
  const missing = cpuMissing.get(node.opType)?.fromOpset;
  if (missing !== undefined && from < missing && target >= missing)
    return { refusal: `onnxruntime has no kernel for ${node.opType} of opset ${missing}` };
  const adapter = adapterFor(node.opType, from, target);
  if (adapter) {
    return adapter({ node, editor: scope.editor, from, target, facts: factsIn(table, scope.graph, scope.kind) });
  }
  const since = unchangedSince.get(node.opType);
  if (since !== undefined && from >= since) return undefined;
  return { refusal: `${node.opType} may differ between opset ${from} and ${target}`, edit: undefined };
}
