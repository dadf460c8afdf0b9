/**
 * Which nodes are quantized and which values get codes. Decided before anything is measured or edited: what calibration
 * measures follows from it.
 */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { dataInputs, dataOutputs, isClipping, type QdqRole, qdqOps, whyNot } from './qdq-ops.ts';

export interface PlanRequest {
  readonly editor: GraphEditor;
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly isFloat32: (value: string) => boolean;
  /** By the user's lists of types and names. */
  readonly isChosen: (node: Node) => boolean;
  readonly computedProducts: boolean;
  /** Fold Relu and Clip into the codes of their output; needs asymmetric activations. */
  readonly foldClipping: boolean;
}

export interface PlannedNode {
  readonly node: Node;
  readonly role: QdqRole;
  /** Relu or Clip after it that goes; `outputs` is then its output. */
  readonly clipping: Node | undefined;
  /** Values that get codes; none where the node answers in float32. Several only of moving nodes. */
  readonly outputs: readonly string[];
}

export interface QdqPlan {
  readonly planned: ReadonlyMap<Node, PlannedNode>;
  /** Values that get codes, with the planned node that makes them: then all readers get what the codes say. */
  readonly values: ReadonlyMap<string, PlannedNode | undefined>;
  /** Values that share scale and zero point with another, to which moving nodes lead back. */
  readonly sameAs: ReadonlyMap<string, string>;
  readonly skipped: readonly { readonly node: Node; readonly reason: string }[];
}

export function planQdq(request: PlanRequest): QdqPlan {
  const { editor, nodes } = request;
  const planned = new Map<Node, PlannedNode>();
  const skipped: { node: Node; reason: string }[] = [];
  for (const node of nodes) {
    const role = isDefaultDomain(node.domain) ? qdqOps[node.opType]?.role : undefined;
    if (!role || !request.isChosen(node)) continue;
    const reason = whyNot({ node, editor, isFloat32: request.isFloat32, computedProducts: request.computedProducts });
    if (reason === undefined) planned.set(node, withClipping(node, role, request));
    else if (role === 'core') skipped.push({ node, reason });
  }
  const makers = new Map([...planned.values()].flatMap((entry) => entry.outputs.map((output) => [output, entry])));
  dropLonely(request, planned, makers);
  return { planned, ...valuesOf(request, planned, makers), skipped };
}

function withClipping(node: Node, role: QdqRole, { editor, foldClipping }: PlanRequest): PlannedNode {
  const outputs = dataOutputs(node);
  const reader = foldClipping && role !== 'moving' ? editor.singleConsumer(outputs[0]!) : undefined;
  const clipping = reader && reader.inputs[0] === outputs[0] && isClipping(reader, editor) ? reader : undefined;
  return { node, role, clipping, outputs: clipping ? [clipping.outputs[0]!] : outputs };
}

/** Joining and moving nodes need a quantized node before and after them; taking one out may leave others alone. */
function dropLonely({ editor }: PlanRequest, planned: Map<Node, PlannedNode>, makers: Map<string, PlannedNode>): void {
  const hasMaker = ({ node }: PlannedNode) =>
    dataInputs(node).some((index) => {
      const maker = makers.get(node.inputs[index]!);
      return maker !== undefined && planned.has(maker.node);
    });
  const drop = (entries: readonly PlannedNode[], isKept: (entry: PlannedNode) => boolean): boolean => {
    let changed = false;
    for (const entry of entries) {
      if (entry.role === 'core' || !planned.has(entry.node) || isKept(entry)) continue;
      planned.delete(entry.node);
      changed = true;
    }
    return changed;
  };
  // Along the order for what comes before, against it for what comes after: a chain falls in one sweep.
  const forwards = [...planned.values()];
  const backwards = forwards.toReversed();
  for (let changed = true; changed; ) {
    changed = drop(forwards, hasMaker);
    changed =
      drop(backwards, ({ outputs }) => outputs.some((output) => isReadQuantized(editor, planned, output))) || changed;
  }
}

function isReadQuantized(editor: GraphEditor, planned: ReadonlyMap<Node, PlannedNode>, value: string): boolean {
  return editor
    .consumersOf(value)
    .some((reader) => planned.has(reader) && dataInputs(reader).some((index) => reader.inputs[index] === value));
}

/** MatMul and Gemm have kernels that answer in float32: where nothing quantized follows, rounding again only loses. */
const floatOutputs = new Set(['MatMul', 'Gemm']);

function valuesOf(
  { editor }: PlanRequest,
  planned: Map<Node, PlannedNode>,
  makers: ReadonlyMap<string, PlannedNode>,
): Pick<QdqPlan, 'values' | 'sameAs'> {
  const values = new Map<string, PlannedNode | undefined>();
  const sameAs = new Map<string, string>();
  for (const [node, entry] of planned) {
    if (floatOutputs.has(node.opType) && !isReadQuantized(editor, planned, entry.outputs[0]!))
      planned.set(node, { ...entry, clipping: undefined, outputs: [] });
  }
  for (const { node, role, outputs } of planned.values()) {
    for (const index of dataInputs(node)) {
      const value = node.inputs[index]!;
      if (editor.constantOf(value)) continue;
      const maker = makers.get(value);
      values.set(value, maker && planned.has(maker.node) ? planned.get(maker.node) : undefined);
    }
    for (const output of outputs) {
      values.set(output, planned.get(node));
      if (role === 'moving') sameAs.set(output, sameAs.get(node.inputs[0]!) ?? node.inputs[0]!);
    }
  }
  return { values, sameAs };
}
