import type { Attribute, FunctionDef, Graph, Model, Node, ValueInfo } from '../ir/types.ts';
import { isDefaultDomain, subgraphsOf } from '../ir/walk.ts';
import { carriesElements, maxElements } from './constant-elements.ts';
import { InferContext, type Surroundings } from './context.ts';
import { constantFacts, declaredFacts, dimToSym, type Facts, tensorFacts, unknownFacts } from './facts.ts';
import { mergeDeclared } from './merge.ts';
import { inferenceOf, valueInferenceOf } from './registry.ts';
import { newFrame, Scope } from './scope.ts';
import { type Sym, symbol } from './symbolic.ts';
import { dimNameOf } from './symbolic-text.ts';
import { buildTable, factsBehind } from './table.ts';
import type { InferOptions, ShapeNote, ShapeTable } from './types.ts';

/** Nodes visited inside subgraphs and functions, over and over for nested ones; beyond it they stay unknown. */
const maxNestedVisits = 150_000;
const maxNestedDepth = 64;
const maxNotes = 1000;

/**
 * Infers dtype and shape of every value, in one pass over the nodes in their order (which must be topological, as in
 * every valid model). Never throws on what the model contains: unknown operators and contradictions leave a value
 * unknown or a note.
 *
 * Where a model declares more than its operators tell (value_info, outputs), the declaration is used; where the two
 * contradict each other the operators win and a note says so.
 */
export function inferShapes(model: Model, options: InferOptions = {}): ShapeTable {
  return new Engine(model, options).run();
}

class Engine {
  private readonly model: Model;
  private readonly options: InferOptions;
  private readonly functions = new Map<string, FunctionDef>();
  private readonly notes: ShapeNote[] = [];
  /** Names given to sizes that only running the model would tell. */
  private readonly dataDependent = new Set<string>();
  private readonly copies = new Map<string, number>();
  private nestedVisits = 0;

  constructor(model: Model, options: InferOptions) {
    this.model = model;
    this.options = options;
    for (const definition of model.functions)
      this.functions.set(functionKey(definition.domain, definition.name, definition.overload), definition);
  }

  run(): ShapeTable {
    const { model } = this;
    const scope = new Scope(newFrame(model.opsetImports));
    for (const input of model.graph.inputs) scope.values.set(input.name, this.graphInput(input));
    this.addInitializers(model.graph, scope, model.irVersion >= 4);
    const { previous } = this.options;
    const known = previous && factsBehind(previous);
    this.inferNodes(model.graph.nodes, scope, this.declarationsOf(model.graph), known);
    return buildTable(scope, this.notes);
  }

  private readonly override = (name: string): number | undefined => {
    const { overrides } = this.options;
    return overrides && Object.hasOwn(overrides, name) ? overrides[name] : undefined;
  };

  private graphInput(input: ValueInfo): Facts {
    const declared = declaredFacts(input.type, this.override);
    if (declared.container) return declared;
    const given = ownMember(this.options.inputShapes, input.name);
    const shape = given?.map((dim) => dimToSym(dim, this.override)) ?? declared.shape;
    const named = shape?.map((dim, axis): Sym => {
      const name = dimNameOf(input.name, axis);
      return dim ?? this.override(name) ?? symbol(name);
    });
    const values = ownMember(this.options.inputValues, input.name);
    return { dtype: declared.dtype, shape: named, ...(values && { values }) };
  }

  /**
   * @param inputsShadow an initializer that is also a graph input is only a default (IR version 4 on); before, every
   * initializer had to be listed there, so nothing follows from it
   */
  private addInitializers(graph: Graph, scope: Scope, inputsShadow: boolean): void {
    for (const [name, tensor] of graph.initializers)
      if (!inputsShadow || !scope.values.has(name)) scope.values.set(name, constantFacts(tensor));
    for (const { values, dims } of graph.sparseInitializers)
      scope.values.set(values.name, tensorFacts(values.dtype, dims));
  }

  private declarationsOf(graph: Graph): ReadonlyMap<string, ValueInfo> {
    if (graph.outputs.length === 0) return graph.valueInfo;
    const declarations = new Map(graph.valueInfo);
    for (const output of graph.outputs) if (output.type) declarations.set(output.name, output);
    return declarations;
  }

  private inferNodes(
    nodes: readonly Node[],
    scope: Scope,
    declarations: ReadonlyMap<string, ValueInfo>,
    known?: ReadonlyMap<string, Facts>,
  ): void {
    const surroundings = this.surroundingsOf(scope);
    for (const node of nodes) {
      if (known && takeOver(node, known, scope, this.functions)) continue;
      const outputs = this.inferNode(node, scope, surroundings);
      for (const [index, name] of node.outputs.entries()) {
        if (name === '') continue;
        const declared = declarations.get(name);
        const facts = declared ? this.withDeclared(name, outputs[index], declared) : outputs[index];
        if (facts) scope.values.set(name, this.nameUnknownDims(name, facts));
      }
    }
  }

  private surroundingsOf(scope: Scope): Surroundings {
    return {
      lookup: (value) => scope.lookup(value),
      inferSubgraph: (graph, inputs) => this.inferSubgraph(graph, inputs, scope),
      depth: scope.depth,
      callerAttribute: (name) => scope.frame.attributes?.get(name),
      note: (value, text) => this.note(value, text),
    };
  }

  private inferNode(node: Node, scope: Scope, surroundings: Surroundings): readonly (Facts | undefined)[] {
    const domain = isDefaultDomain(node.domain) ? '' : node.domain;
    const definition = this.functions.size > 0 ? this.functionOf(node, domain) : undefined;
    if (definition) return this.inferCall(node, definition, scope);
    const infer = inferenceOf(domain, node.opType);
    if (!infer) return [];
    const context = new InferContext(node, scope.frame.opsets.get(domain) ?? 1, surroundings);
    try {
      infer(context);
      this.inferValues(context, domain);
    } catch (cause) {
      // A node that breaks its operator's contract (wrong attribute types, missing inputs) must not stop the others.
      this.note(node.outputs[0] ?? node.name, `shape inference of ${node.opType} failed: ${String(cause)}`);
      return [];
    }
    return context.outputs;
  }

  private inferValues(context: InferContext, domain: string): void {
    const infer = valueInferenceOf(domain, context.node.opType);
    const facts = context.outputs[0];
    if (!infer || !facts?.shape || facts.tensor || facts.values || !carriesElements(facts.dtype)) return;
    let count = 1;
    for (const dim of facts.shape) {
      if (typeof dim !== 'number') return;
      count *= dim;
    }
    if (count > maxElements) return;
    const values = infer(context);
    if (values?.length === count && values.some((value) => value !== null)) context.setValues(0, values);
  }

  private functionOf(node: Node, domain: string): FunctionDef | undefined {
    return (
      this.functions.get(functionKey(domain, node.opType, node.overload)) ??
      (node.domain === domain ? undefined : this.functions.get(functionKey(node.domain, node.opType, node.overload)))
    );
  }

  private inferCall(node: Node, definition: FunctionDef, caller: Scope): readonly (Facts | undefined)[] {
    const { callers } = caller.frame;
    if (callers.includes(definition) || callers.length >= maxNestedDepth) {
      this.note(node.outputs[0] ?? node.name, `function ${definition.name} calls itself`);
      return [];
    }
    if (!this.mayVisit(definition.nodes.length)) return [];
    const attributes = new Map<string, Attribute>(definition.attributeDefaults);
    for (const [name, attribute] of node.attributes) {
      const value = attribute.type === 'reference' ? caller.frame.attributes?.get(attribute.refAttrName) : attribute;
      if (value) attributes.set(name, value);
    }
    const opsets = definition.opsetImports.size > 0 ? definition.opsetImports : caller.frame.opsets;
    const scope = new Scope(newFrame(opsets, attributes, [...callers, definition]));
    for (const [index, name] of definition.inputs.entries()) {
      const given = node.inputs[index];
      const facts = given ? caller.lookup(given) : undefined;
      if (facts) scope.values.set(name, facts);
    }
    this.inferNodes(definition.nodes, scope, definition.valueInfo);
    caller.frame.calls.set(node, scope);
    return definition.outputs.map((name) => scope.values.get(name));
  }

  private inferSubgraph(graph: Graph, inputs: readonly (Facts | undefined)[], outer: Scope): readonly Facts[] {
    const scope = new Scope(outer.frame, outer);
    if (scope.depth > maxNestedDepth || !this.mayVisit(graph.nodes.length))
      return graph.outputs.map(() => unknownFacts);
    for (const [index, input] of graph.inputs.entries()) {
      const given = inputs[index];
      const facts = given ? this.withDeclared(input.name, given, input) : declaredFacts(input.type, this.override);
      scope.values.set(input.name, this.nameUnknownDims(input.name, facts));
    }
    this.addInitializers(graph, scope, true);
    this.inferNodes(graph.nodes, scope, this.declarationsOf(graph));
    outer.frame.subgraphs.set(graph, scope);
    return graph.outputs.map((output) => scope.lookup(output.name) ?? declaredFacts(output.type, this.override));
  }

  private mayVisit(nodes: number): boolean {
    if (this.nestedVisits > maxNestedVisits) return false;
    this.nestedVisits += nodes + 1;
    if (this.nestedVisits > maxNestedVisits)
      this.note('', `subgraphs and functions are nested so often that shape inference stopped inside them`);
    return true;
  }

  private withDeclared(name: string, inferred: Facts | undefined, declaration: ValueInfo): Facts {
    return mergeDeclared(inferred ?? unknownFacts, declaredFacts(declaration.type, this.override), {
      isDataDependent: (size) => this.dataDependent.has(size),
      note: (text) => this.note(name, text),
    });
  }

  /** Gives every unknown size a name of its own, so that later values of the same size are seen to have it too. */
  private nameUnknownDims(value: string, facts: Facts): Facts {
    const { shape } = facts;
    if (!shape?.some((dim) => dim === null || (typeof dim === 'number' && !(dim >= 0)))) return facts;
    const named = shape.map((dim, axis): Sym => {
      if (dim !== null && (typeof dim !== 'number' || dim >= 0)) return dim;
      if (typeof dim === 'number') this.note(value, `dimension ${axis} would be ${dim}`);
      return this.override(dimNameOf(value, axis)) ?? symbol(this.freshName(dimNameOf(value, axis)));
    });
    return { ...facts, shape: named };
  }

  /** Sibling subgraphs and repeated calls of a function use the same value names. */
  private freshName(hint: string): string {
    const copies = (this.copies.get(hint) ?? 0) + 1;
    this.copies.set(hint, copies);
    const name = copies === 1 ? hint : `${hint}.${copies}`;
    this.dataDependent.add(name);
    return name;
  }

  private note(value: string, text: string): void {
    if (this.notes.length < maxNotes) this.notes.push({ value, text });
  }
}

/** @returns false where a node must be inferred: something about it is new, not in numbers, or inside it */
function takeOver(
  node: Node,
  known: ReadonlyMap<string, Facts>,
  scope: Scope,
  functions: ReadonlyMap<string, FunctionDef>,
): boolean {
  if (functions.has(functionKey(node.domain, node.opType, node.overload)) || subgraphsOf(node).length > 0) return false;
  for (const name of node.outputs) {
    const shape = name === '' ? [] : known.get(name)?.shape;
    if (!shape?.every((dim) => typeof dim === 'number')) return false;
  }
  for (const name of node.outputs) if (name !== '') scope.values.set(name, known.get(name)!);
  return true;
}

function functionKey(domain: string, name: string, overload = ''): string {
  return `${isDefaultDomain(domain) ? '' : domain}\n${name}\n${overload}`;
}

function ownMember<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record && Object.hasOwn(record, key) ? record[key] : undefined;
}
