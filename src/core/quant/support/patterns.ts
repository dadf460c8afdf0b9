/** Node selection by name: globs, as the include and exclude lists of every quantizer understand them. */
import { z } from 'zod';
import type { Node } from '../../ir/types.ts';

/**
 * `*` stands for any run of characters (slashes included: exporters use them in names), `?` for one; a pattern must
 * match the whole name and is case-sensitive.
 */
export function globToRegExp(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}$`, 's');
}

/** The name a node goes by in reports and patterns: its own, else its first output's. */
export function nodeLabel(node: Node): string {
  return node.name || node.outputs.find((output) => output !== '') || node.opType;
}

export interface NodeSelection {
  /** Empty: every node. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** @returns a test that holds for nodes which some include pattern names (or there is none) and no exclude pattern does */
export function nodeSelector({ include, exclude }: NodeSelection): (node: Node) => boolean {
  const included = include.map(globToRegExp);
  const excluded = exclude.map(globToRegExp);
  return (node) => {
    const label = nodeLabel(node);
    if (excluded.some((pattern) => pattern.test(label))) return false;
    return included.length === 0 || included.some((pattern) => pattern.test(label));
  };
}

/** Patterns that match no node at all: almost always a typing error, so the user is told. */
export function unmatchedPatterns(patterns: readonly string[], nodes: Iterable<Node>): string[] {
  const open = new Map(patterns.map((pattern) => [pattern, globToRegExp(pattern)]));
  for (const node of nodes) {
    if (open.size === 0) break;
    const label = nodeLabel(node);
    for (const [pattern, regExp] of open) if (regExp.test(label)) open.delete(pattern);
  }
  return [...open.keys()];
}

/** The parameters by which every quantizer lets the user choose nodes. */
export const nodePatternParams = {
  include: z.array(z.string().min(1).max(200)).max(100).default([]).meta({
    title: 'Only nodes',
    description: 'Name patterns with * and ?; empty means all.',
  }),
  exclude: z.array(z.string().min(1).max(200)).max(100).default([]).meta({
    title: 'Not nodes',
    description: 'Name patterns of nodes to leave as they are.',
  }),
};
