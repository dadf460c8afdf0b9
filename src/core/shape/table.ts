import type { Dim, Graph, Node } from '../ir/types.ts';
import { elementsOf, type Facts, meet, toValueFacts } from './facts.ts';
import type { Scope } from './scope.ts';
import { toDim } from './symbolic.ts';
import type { ShapeNote, ShapeTable, ValueFacts } from './types.ts';

/** The table of a graph (or of one call of a function) and everything nested in it. */
export function buildTable(scope: Scope, notes: readonly ShapeNote[]): ShapeTable {
  const facts = new Map(scope.values);
  for (const inner of scope.frame.subgraphs.values())
    for (const [name, own] of inner.values) {
      if (scope.values.has(name)) continue;
      const known = facts.get(name);
      facts.set(name, known ? meet(known, own) : own);
    }
  return new Table(
    scope,
    notes,
    () => facts,
    (name) => facts.get(name),
  );
}

/** Facts are immutable, and tables that follow each other share them. */
const converted = new WeakMap<Facts, ValueFacts>();

/** The facts behind a table of `buildTable`. */
export function factsBehind(table: ShapeTable): ReadonlyMap<string, Facts> | undefined {
  return table instanceof Table ? table.ownFacts : undefined;
}

class Table implements ShapeTable {
  readonly notes: readonly ShapeNote[];
  private readonly own: Scope;
  private readonly all: () => ReadonlyMap<string, Facts>;
  private readonly find: (name: string) => Facts | undefined;
  private allEntries: ReadonlyMap<string, ValueFacts> | undefined;
  private allConstants: ReadonlyMap<string, readonly Dim[]> | undefined;

  constructor(
    own: Scope,
    notes: readonly ShapeNote[],
    all: () => ReadonlyMap<string, Facts>,
    find: (name: string) => Facts | undefined,
  ) {
    this.own = own;
    this.notes = notes;
    this.all = all;
    this.find = find;
  }

  get(value: string): ValueFacts | undefined {
    const facts = this.find(value);
    if (!facts) return undefined;
    const known = converted.get(facts);
    if (known) return known;
    const result = toValueFacts(facts);
    converted.set(facts, result);
    return result;
  }

  get ownFacts(): ReadonlyMap<string, Facts> {
    return this.own.values;
  }

  get entries(): ReadonlyMap<string, ValueFacts> {
    this.allEntries ??= new Map([...this.all().keys()].map((name) => [name, this.get(name)!]));
    return this.allEntries;
  }

  get constants(): ReadonlyMap<string, readonly Dim[]> {
    if (!this.allConstants) {
      const constants = new Map<string, readonly Dim[]>();
      for (const [name, facts] of this.all())
        if (facts.values && !facts.tensor) constants.set(name, facts.values.map(toDim));
      this.allConstants = constants;
    }
    return this.allConstants;
  }

  elements(value: string): readonly Dim[] | undefined {
    const facts = this.find(value);
    return facts && elementsOf(facts)?.map(toDim);
  }

  scope(graph: Graph): ShapeTable | undefined {
    const inner = this.own.frame.subgraphs.get(graph);
    return (
      inner &&
      new Table(
        inner,
        this.notes,
        () => visibleIn(inner),
        (name) => inner.lookup(name),
      )
    );
  }

  callee(node: Node): ShapeTable | undefined {
    const body = this.own.frame.calls.get(node);
    return body && buildTable(body, this.notes);
  }
}

function visibleIn(scope: Scope): Map<string, Facts> {
  const facts = new Map(scope.parent ? visibleIn(scope.parent) : []);
  for (const [name, own] of scope.values) facts.set(name, own);
  return facts;
}
