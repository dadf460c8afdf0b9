/** What fusions into late operators share: look first, raise the opset only when there is something to fuse. */
import { z } from 'zod';
import type { StepContext } from '../../step/define.ts';
import { type FactLookup, factsIn } from './facts.ts';
import { raiseOpset } from './raise-opset.ts';
import { editEveryGraph, opsetOf, type Scope } from './scopes.ts';

export function raiseOpsetParam(opType: string, opset: number) {
  return z
    .boolean()
    .default(true)
    .meta({
      title: 'Raise the opset where needed',
      description: `${opType} is part of opset ${opset}. Older models are raised to it when all their operators keep their meaning.`,
    });
}

export interface OpsetNeed {
  readonly stepId: string;
  readonly target: number;
  readonly mayRaise: boolean;
  /** Operators that every match contains one of. */
  readonly ops: readonly string[];
  /** The pattern; only how many matches there are counts. */
  readonly find: (scope: Scope, facts: FactLookup) => readonly unknown[];
}

/** @returns true when the model's opset has the operator, by now; a model without any match is not raised */
export async function prepareOpset(ctx: StepContext, need: OpsetNeed): Promise<boolean> {
  const { target, ops, stepId } = need;
  const opset = opsetOf(ctx.model.opsetImports);
  if (opset >= target) return true;
  const table = await ctx.shapes();
  let matches = 0;
  await editEveryGraph(
    ctx,
    (scope) => {
      matches += need.find(scope, factsIn(table, scope.graph, scope.kind)).length;
    },
    { ops },
  );
  if (matches === 0) return false;
  const refusal = need.mayRaise ? await raiseOpset(ctx, target) : 'raising it is switched off';
  if (refusal === undefined) return true;
  ctx.advise({
    level: 'info',
    code: `${stepId}/opset`,
    message: `${matches} matches of ${stepId} were left alone: the model is at opset ${opset}, the operator needs ${target}, and ${refusal}.`,
  });
  return false;
}
