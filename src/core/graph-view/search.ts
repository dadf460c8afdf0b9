/** Finding nodes by what they are called, what they do, and what they read and write. */
import type { GraphDocument } from './document.ts';

export interface SearchHit {
  readonly scope: number;
  readonly node: number;
  /** What matched. */
  readonly what: 'name' | 'operator' | 'value' | 'weight';
  /** The text that matched, where it is not the name or the operator. */
  readonly text: string;
}

export interface SearchResult {
  /** Nodes in order of the graph, outer graphs first. */
  readonly hits: readonly SearchHit[];
  /** How many there are, kept or not. */
  readonly total: number;
}

/** @param limit hits that are kept. Linear in nodes and values. */
export function searchGraph({ scopes }: GraphDocument, query: string, limit = 1000): SearchResult {
  const text = query.trim().toLowerCase();
  if (text === '') return { hits: [], total: 0 };
  const hits: SearchHit[] = [];
  let total = 0;
  for (const [scope, { nodes }] of scopes.entries())
    for (const [node, { name, op, inputs, outputs, weights }] of nodes.entries()) {
      const includes = (candidate: string) => candidate.toLowerCase().includes(text);
      let hit: Pick<SearchHit, 'what' | 'text'> | undefined;
      if (includes(op)) hit = { what: 'operator', text: '' };
      else if (includes(name)) hit = { what: 'name', text: '' };
      else {
        const value = outputs.find(includes) ?? inputs.find(includes);
        const weight = value === undefined ? weights.find((each) => includes(each.name))?.name : undefined;
        if (value !== undefined) hit = { what: 'value', text: value };
        else if (weight !== undefined) hit = { what: 'weight', text: weight };
      }
      if (!hit) continue;
      total += 1;
      if (hits.length < limit) hits.push({ scope, node, ...hit });
    }
  return { hits, total };
}

/** A node by its name, in the outermost graph that has it. */
export function findNode({ scopes }: GraphDocument, name: string): { scope: number; node: number } | null {
  for (const [scope, { nodes }] of scopes.entries()) {
    const node = nodes.findIndex((candidate) => candidate.name === name && candidate.kind === 'op');
    if (node >= 0) return { scope, node };
  }
  // Names of values stand for the node that makes them.
  for (const [scope, { nodes }] of scopes.entries()) {
    const node = nodes.findIndex((candidate) => candidate.name === name || candidate.outputs.includes(name));
    if (node >= 0) return { scope, node };
  }
  return null;
}
