/**
 * A model as the graph view shows it: nodes with constants folded into them, in an order that follows the data, and a
 * tree of groups over them. Plain data that survives structured cloning; weights and long attributes stay behind and are
 * asked for node by node.
 */
import type { OpFamily } from '../analysis/op-families.ts';

export interface GraphDocument {
  /** The main graph first, then every subgraph and every function body that occurs, outer ones before inner ones. */
  readonly scopes: readonly GraphScope[];
  /** What the reader of the picture should know: cycles, names that occur twice, what was left out. */
  readonly notes: readonly string[];
}

export interface GraphScope {
  readonly kind: 'main' | 'subgraph' | 'function';
  /** "then_branch of If_12", "function Gelu". */
  readonly title: string;
  /** Where the breadcrumb leads back to; null for the main graph. */
  readonly owner: { readonly scope: number; readonly node: number } | null;
  /** Producers before consumers, as far as there are no cycles. */
  readonly nodes: readonly GraphNode[];
  /** Parents before children. */
  readonly groups: readonly NodeGroup[];
  /** By node: the innermost group around it, or -1. */
  readonly groupOf: readonly number[];
}

export interface GraphNode {
  readonly kind: 'op' | 'input' | 'output';
  /** See `nodeLabel`; of inputs and outputs the value's name. */
  readonly name: string;
  /** 'Conv', 'com.microsoft.Gelu', 'Input', 'Output'. */
  readonly op: string;
  readonly family: OpFamily;
  /** Position in the file's list of nodes (inputs, outputs: in theirs). */
  readonly index: number;
  /** The attributes that tell it from others of its kind, short: "3×3, stride 2". */
  readonly summary: string;
  /** All of them, for comparing nodes: equal texts, equal attributes, but for the contents of tensors and graphs. */
  readonly attributes: string;
  /** Values it reads that other nodes make, subgraphs' captures included; constants are in `weights`. */
  readonly inputs: readonly string[];
  /** '' stands for one that is left out. */
  readonly outputs: readonly string[];
  /** Parallel to `outputs`: 'float32[N, 768]', or '' while nothing is known. */
  readonly types: readonly string[];
  readonly weights: readonly WeightRef[];
  /** Graphs inside it. */
  readonly inner: readonly { readonly label: string; readonly scope: number }[];
  /** null: a size is not known. */
  readonly macs: number | null;
  /** Read and written, weights included; null: a size is not known. */
  readonly bytes: number | null;
}

export interface WeightRef {
  readonly name: string;
  /** Position among the node's inputs. */
  readonly input: number;
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly bytes: number;
}

export interface NodeGroup {
  /** repeat: holds instances that are equal in structure; part: a stretch of nodes that nothing else tells apart. */
  readonly kind: 'repeat' | 'instance' | 'scope' | 'part';
  readonly title: string;
  /** Unique in the graph, and the same in another model with the same names: titles from the outside in. */
  readonly path: string;
  /** -1: none. */
  readonly parent: number;
  /** Nodes inside, at any depth. */
  readonly nodes: number;
  /** Of a repeat. */
  readonly instances: number;
  /** "MatMul ×6, LayerNormalization ×2". */
  readonly summary: string;
}
