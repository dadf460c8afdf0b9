import type { Dim, Graph, Node } from '../ir/types.ts';
import { type Facts, meet, toValueFacts } from './facts.ts';
import type { Scope } from './scope.ts';
import { toDim } from './symbolic.ts';
import type { ShapeNote, ShapeTable, ValueFacts } from './types.ts';

/** The table of a graph and everything nested in it. */
export function buildTable(scope: Scope, notes: readonly ShapeNote[]): ShapeTable {
  const facts = new Map(scope.values);
  for (const inner of scope.frame.subgraphs.values())
    for (const [name, own] of inner.values) {
      if (scope.values.has(name)) continue;
      const known = facts.get(name);
      facts.set(name, known ? meet(known, own) : own);
    }
  return tableOf(facts, scope, notes);
}

function tableOf(facts: ReadonlyMap<string, Facts>, scope: Scope, notes: readonly ShapeNote[]): ShapeTable {
  const entries = new Map<string, ValueFacts>();
  const constants = new Map<string, readonly Dim[]>();
  for (const [name, own] of facts) {
    entries.set(name, toValueFacts(own));
    if (own.values && !own.tensor) constants.set(name, own.values.map(toDim));
  }
  return {
    entries,
    constants,
    notes,
    get: (value) => entries.get(value),
    scope: (graph: Graph) => {
      const inner = scope.frame.subgraphs.get(graph);
      return inner && tableOf(visibleIn(inner), inner, notes);
    },
    callee: (node: Node) => {
      const body = scope.frame.calls.get(node);
      return body && buildTable(body, notes);
    },
  };
}

function visibleIn(scope: Scope): Map<string, Facts> {
  const chain: Scope[] = [];
  for (let at: Scope | undefined = scope; at; at = at.parent) chain.unshift(at);
  const facts = new Map<string, Facts>();
  for (const at of chain) for (const [name, own] of at.values) facts.set(name, own);
  return facts;
}
