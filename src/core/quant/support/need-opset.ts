import { StudioError } from '../../base/errors/index.ts';
import { raiseOpset } from '../../passes/support/raise-opset.ts';
import type { StepContext } from '../../step/define.ts';

/**
 * Raises the model's opset to `opset` where it is lower.
 * @param step its title
 * @param what needs the opset, to begin a sentence with
 * @throws StudioError pass/refused, with the reason why the model cannot be raised
 */
export async function needOpset(ctx: StepContext, step: string, opset: number, what: string): Promise<void> {
  const obstacle = await raiseOpset(ctx, opset);
  if (obstacle === undefined) return;
  const reason = `${what} needs opset ${opset}, and the model cannot be raised: ${obstacle}`;
  throw new StudioError('pass/refused', { step, reason });
}
