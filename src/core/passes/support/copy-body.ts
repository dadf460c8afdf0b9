/** Copies of the nodes of a function or a loop body for a place outside it. */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Attribute, AttributeExtras, Graph, Node, ValueInfo } from '../../ir/types.ts';
import { localValues } from '../../ir/walk.ts';

export type Attributes = ReadonlyMap<string, Attribute & AttributeExtras>;

/** Gives every value that a body makes a name of its own in the graph that it is copied to. */
export class BodyCopy {
  readonly #editor: GraphEditor;
  readonly #prefix: string;
  readonly #given: Attributes;

  /**
   * @param prefix of new names
   * @param given what references to a caller's attributes stand for
   */
  constructor(editor: GraphEditor, prefix: string, given: Attributes = new Map()) {
    this.#editor = editor;
    this.#prefix = prefix;
    this.#given = given;
  }

  fresh(name: string): string {
    return this.#editor.freshName(`${this.#prefix}/${name}`);
  }

  /** @param names of the values that the body reads or makes; others are left as they are */
  node(node: Node, names: ReadonlyMap<string, string>): Node {
    const rename = (name: string) => names.get(name) ?? name;
    const attributes: Node['attributes'] = new Map();
    for (const [name, attribute] of node.attributes) {
      // What neither the caller nor a default gives is left out, as the standard says.
      const value = attribute.type === 'reference' ? this.#given.get(attribute.refAttrName) : attribute;
      if (value) attributes.set(name, this.#attribute(value, names));
    }
    return {
      ...node,
      name: node.name === '' ? '' : this.fresh(node.name),
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
      attributes,
    };
  }

  #attribute(attribute: Attribute & AttributeExtras, names: ReadonlyMap<string, string>): Attribute & AttributeExtras {
    if (attribute.type === 'graph') return { ...attribute, value: this.#graph(attribute.value, names) };
    if (attribute.type === 'graphs')
      return { ...attribute, value: attribute.value.map((graph) => this.#graph(graph, names)) };
    return attribute;
  }

  /** Recursion is over nesting only, which the reader limits. Names inside become unique too: none may hide another. */
  #graph(graph: Graph, outer: ReadonlyMap<string, string>): Graph {
    const names = new Map(outer);
    for (const value of localValues(graph)) names.set(value, this.fresh(value));
    const rename = (name: string) => names.get(name) ?? name;
    const renamed = (info: ValueInfo): ValueInfo => ({ ...info, name: rename(info.name) });
    return {
      ...graph,
      nodes: graph.nodes.map((node) => this.node(node, names)),
      inputs: graph.inputs.map(renamed),
      outputs: graph.outputs.map(renamed),
      initializers: new Map(
        [...graph.initializers].map(([name, tensor]) => [rename(name), { ...tensor, name: rename(name) }]),
      ),
      sparseInitializers: graph.sparseInitializers.map((sparse) => ({
        ...sparse,
        values: { ...sparse.values, name: rename(sparse.values.name) },
      })),
      valueInfo: new Map([...graph.valueInfo].map(([name, info]) => [rename(name), renamed(info)])),
    };
  }
}
