/** From a plan to a quantized model: of the draft itself, or of a copy to measure on. */
import type { Bounds } from '../../calib/types.ts';
import { cloneModel } from '../../ir/clone.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Model, Node } from '../../ir/types.ts';
import type { ShapeTable } from '../../shape/types.ts';
import type { StepContext, TensorStore } from '../../step/define.ts';
import { Ledger } from '../../step/ledger.ts';
import { planQdq, type QdqPlan } from './qdq-plan.ts';
import { QdqRewriter, type QdqSettings } from './qdq-rewrite.ts';
import { importContribOps, openScopes, type Scope } from './scopes.ts';
import { staticChooser } from './static-advice.ts';
import type { StaticParams } from './static-params.ts';
import { dropReplaced } from './weights.ts';

export interface PlanQuestion {
  readonly nodes: readonly Node[];
  readonly editor: GraphEditor;
  readonly shapes: ShapeTable;
  readonly settings: StaticParams;
  /** Positions in `nodes` of those that stay in floating point. */
  readonly left?: ReadonlySet<number>;
}

export function planStatic({ nodes, editor, shapes, settings, left }: PlanQuestion): QdqPlan {
  const isChosen = staticChooser(settings);
  const kept = new Set(left ? [...left].map((index) => nodes[index]) : []);
  return planQdq({
    editor,
    nodes,
    isFloat32: (value) => (editor.constantOf(value)?.dtype ?? shapes.get(value)?.dtype) === 'float32',
    isChosen: (node) => isChosen(node) && !kept.has(node),
    computedProducts: settings.computedProducts,
    foldClipping: !settings.symmetricActivations,
  });
}

/**
 * @param scopes of `ctx.model`
 * @param bounds range of every value of the plan
 */
export async function rewriteStatic(
  ctx: StepContext,
  scopes: readonly Scope[],
  plan: QdqPlan,
  qdq: QdqSettings,
  bounds: ReadonlyMap<string, Bounds>,
): Promise<void> {
  const main = scopes[0]!;
  if (qdq.activationDomain !== '') importContribOps(ctx.model);
  const rewriter = new QdqRewriter(ctx, main.editor, plan, qdq, bounds);
  await rewriter.rewrite();
  dropReplaced(
    scopes,
    [...rewriter.replaced].map((value) => ({ scope: main, value })),
  );
}

export interface StaticCopy {
  readonly model: Model;
  readonly plan: QdqPlan;
  /** In the order of the nodes of the original; removed ones too. */
  readonly nodes: readonly Node[];
}

/** Quantizes a copy of the draft, leaving the nodes at `left` in floating point. */
export async function quantizedCopy(
  ctx: StepContext,
  question: Omit<PlanQuestion, 'nodes' | 'editor'>,
  qdq: QdqSettings,
  bounds: ReadonlyMap<string, Bounds>,
): Promise<StaticCopy> {
  const model = cloneModel(ctx.model);
  const nodes = [...model.graph.nodes];
  const scopes = openScopes(model);
  const plan = planStatic({ ...question, nodes, editor: scopes[0]!.editor });
  const silent = { ledger: new Ledger(0), store: heapStore, onProgress: () => {}, advise: () => {}, leave: () => {} };
  await rewriteStatic({ ...ctx, ...silent, model }, scopes, plan, qdq, bounds);
  return { model, plan, nodes };
}

/** What is only measured never goes to disk. */
const heapStore: TensorStore = {
  async put(byteLength, chunks) {
    const bytes = new Uint8Array(byteLength);
    let at = 0;
    for await (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.byteLength;
    }
    return { kind: 'bytes', bytes };
  },
};
