import type { Node } from './types.ts';

/** The nodes of a graph in order, linked, so that one goes in or out in constant time. */
export class NodeList {
  readonly #links = new Map<Node, { previous: Node | undefined; next: Node | undefined }>();
  #first: Node | undefined;
  #last: Node | undefined;

  get first(): Node | undefined {
    return this.#first;
  }

  get last(): Node | undefined {
    return this.#last;
  }

  has(node: Node): boolean {
    return this.#links.has(node);
  }

  /** @throws Error when the node is not in the list */
  before(node: Node): Node | undefined {
    return this.#linkOf(node).previous;
  }

  toArray(): Node[] {
    const nodes: Node[] = [];
    for (let node = this.#first; node; node = this.#links.get(node)!.next) nodes.push(node);
    return nodes;
  }

  /** @param previous undefined: at the beginning */
  insert(node: Node, previous: Node | undefined): void {
    const next = previous ? this.#linkOf(previous).next : this.#first;
    this.#links.set(node, { previous, next });
    if (previous) this.#links.get(previous)!.next = node;
    else this.#first = node;
    if (next) this.#links.get(next)!.previous = node;
    else this.#last = node;
  }

  /** @throws Error when the node is not in the list */
  remove(node: Node): void {
    const { previous, next } = this.#linkOf(node);
    if (previous) this.#links.get(previous)!.next = next;
    else this.#first = next;
    if (next) this.#links.get(next)!.previous = previous;
    else this.#last = previous;
    this.#links.delete(node);
  }

  #linkOf(node: Node) {
    const link = this.#links.get(node);
    if (!link) throw new Error(`node "${node.name}" (${node.opType}) is not in the graph`);
    return link;
  }
}
