/**
 * How many bits single layers get: what the user says by name pattern. Shared by every step that stores weights in
 * blocks.
 */
import { z } from 'zod';
import type { Model, Node } from '../../ir/types.ts';
import type { Advisory } from '../../step/define.ts';
import { globToRegExp, nodeLabel } from './patterns.ts';
import { unmatchedPatternAdvice } from './report.ts';
import { type WeightBits, weightBits } from './weight-bits.ts';

/** `keep` leaves the layer in floating point. */
export type LayerChoice = 'keep' | WeightBits;

const choices: ReadonlyMap<string, LayerChoice> = new Map<string, LayerChoice>([
  ['keep', 'keep'],
  ...weightBits.map((bits): [string, LayerChoice] => [String(bits), bits]),
]);

interface LayerOverride {
  readonly pattern: string;
  readonly choice: LayerChoice;
}

/** The last `=` divides: names may hold one, choices do not. */
function parseOverride(entry: string): LayerOverride | undefined {
  const at = entry.lastIndexOf('=');
  const pattern = entry.slice(0, Math.max(at, 0)).trim();
  const choice = choices.get(entry.slice(at + 1).trim());
  return pattern === '' || choice === undefined ? undefined : { pattern, choice };
}

export const layerOverrideParams = {
  overrides: z
    .array(
      z
        .string()
        .max(220)
        .refine((entry) => parseOverride(entry) !== undefined, {
          error: ({ input }) =>
            `"${String(input)}" is no override: write a name pattern, "=", and one of ${[...choices.keys()].join(', ')}, as in "*/v_proj/*=8"`,
        }),
    )
    .max(1000)
    .default([])
    .meta({
      title: 'Bits of single layers',
      description:
        'One "pattern=choice" a line: a pattern of node names with * and ?, and 2, 3, 4, 8 (bits) or keep (floating point). The last line that fits a layer counts.',
    }),
};

/**
 * @param overrides as the parameter holds them
 * @returns what a node's layer shall get; undefined where no entry names it
 */
export function layerOverrides(overrides: readonly string[]): (node: Node) => LayerChoice | undefined {
  const entries = overrides
    .flatMap((entry) => parseOverride(entry) ?? [])
    .map(({ pattern, choice }) => ({ pattern: globToRegExp(pattern), choice }));
  return (node) => {
    const label = nodeLabel(node);
    return entries.findLast(({ pattern }) => pattern.test(label))?.choice;
  };
}

/** Overrides whose pattern names no node of the model. */
export function unmatchedOverrideAdvice(model: Model, overrides: readonly string[]): Advisory[] {
  return unmatchedPatternAdvice(
    model,
    overrides.flatMap((entry) => parseOverride(entry)?.pattern ?? []),
  );
}
