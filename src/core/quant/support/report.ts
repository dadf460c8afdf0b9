/** What every weight quantizer tells the user. */
import { elementCount, tensorByteLength } from '../../ir/tensor.ts';
import type { Model, Node } from '../../ir/types.ts';
import { forEachNode, forEachWeight } from '../../ir/walk.ts';
import type { Advisory, StepContext } from '../../step/define.ts';
import type { SkippedSite } from './linear-sites.ts';
import { type NodeSelection, nodeLabel, unmatchedPatterns } from './patterns.ts';
import { alreadyQuantizedAdvice } from './quantized-ops.ts';

/** One advisory per reason, naming the first few nodes. */
export function adviseSkipped(ctx: StepContext, skipped: readonly SkippedSite[]): void {
  const byReason = new Map<string, string[]>();
  for (const { node, reason } of skipped) {
    const labels = byReason.get(reason) ?? [];
    labels.push(`${nodeLabel(node)} (${node.opType})`);
    byReason.set(reason, labels);
  }
  for (const [reason, labels] of byReason)
    ctx.advise({ level: 'info', code: 'quant/skipped', message: `Left as it is: ${someOf(labels)}: ${reason}.` });
}

/** "a, b, c and 7 more" */
export function someOf(labels: readonly string[], shown = 3): string {
  const rest = labels.length - shown;
  return rest > 0 ? `${labels.slice(0, shown).join(', ')} and ${rest} more` : labels.join(', ');
}

/** Patterns that name no node are almost always a typing error. */
export function unmatchedPatternAdvice(model: Model, patterns: readonly string[]): Advisory[] {
  const nodes: Node[] = [];
  forEachNode(model, (node) => void nodes.push(node));
  return unmatchedPatterns(patterns, nodes).map((pattern) => ({
    level: 'warning' as const,
    code: 'quant/pattern-matches-nothing',
    message: `No node's name matches the pattern "${pattern}".`,
  }));
}

/** What every quantizer checks first: codes that are there, and patterns that name no node. */
export function adviceBefore(model: Model, { include, exclude }: NodeSelection): Advisory[] {
  return [...alreadyQuantizedAdvice(model), ...unmatchedPatternAdvice(model, [...include, ...exclude])];
}

export function nothingToDo(step: string, what: string): Advisory {
  return {
    level: 'warning',
    code: 'quant/nothing-to-quantize',
    message: `${step} found nothing to do: the model has no ${what}.`,
  };
}

/** Bytes of all floating-point weights of at least two dimensions. */
export function floatWeightBytes(model: Model): number {
  let bytes = 0;
  forEachWeight(model, (tensor) => {
    if (tensor.dims.length >= 2 && elementCount(tensor.dims) > 0 && /^b?float/.test(tensor.dtype))
      bytes += tensorByteLength(tensor);
  });
  return bytes;
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${((100 * part) / whole).toFixed(part / whole < 0.1 ? 1 : 0)} %`;
}
