import type { Attribute, FunctionDef, Graph, Node } from '../ir/types.ts';
import type { Facts } from './facts.ts';

/** One activation of a function body (or of the main graph): what its nodes need beyond the values around them. */
export interface Frame {
  readonly opsets: ReadonlyMap<string, number>;
  /** The caller's attributes, for references inside a function's body. */
  readonly attributes: ReadonlyMap<string, Attribute> | undefined;
  /** Functions being inferred, outermost first: a function that calls itself is refused. */
  readonly callers: readonly FunctionDef[];
  /** Scopes of the subgraphs inside, from their last inference. */
  readonly subgraphs: Map<Graph, Scope>;
  /** Scopes of the function calls inside. */
  readonly calls: Map<Node, Scope>;
}

/** The values of one graph; names that are not here are looked up outside. */
export class Scope {
  readonly values = new Map<string, Facts>();
  readonly frame: Frame;
  readonly parent: Scope | undefined;
  /** 0 for the main graph and for function bodies. */
  readonly depth: number;

  constructor(frame: Frame, parent?: Scope) {
    this.frame = frame;
    this.parent = parent;
    this.depth = parent ? parent.depth + 1 : 0;
  }

  lookup(name: string): Facts | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.parent) {
      const facts = scope.values.get(name);
      if (facts) return facts;
    }
    return undefined;
  }
}

export function newFrame(
  opsets: ReadonlyMap<string, number>,
  attributes?: ReadonlyMap<string, Attribute>,
  callers: readonly FunctionDef[] = [],
): Frame {
  return { opsets, attributes, callers, subgraphs: new Map(), calls: new Map() };
}
