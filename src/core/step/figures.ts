/** Predicted work and memory of a model between two steps, cheap enough to be asked after each. */
import { modelCost } from '../analysis/cost.ts';
import { memoryPlan } from '../analysis/liveness.ts';
import { macsOf } from '../analysis/macs.ts';
import type { Model } from '../ir/types.ts';
import { subgraphsOf } from '../ir/walk.ts';
import { inferShapes } from '../shape/infer.ts';
import type { ShapeTable } from '../shape/types.ts';

export interface Figures {
  /** Multiply-accumulates of one run; null where a size is not known. Predicted. */
  readonly macs: number | null;
  /** Most bytes of activations alive at once; null where a size is not known. Predicted. */
  readonly peakActivationBytes: number | null;
}

export const unknownFigures: Figures = { macs: null, peakActivationBytes: null };

/** Above these a figure stays unknown between steps: it would take longer than the steps do. */
export const MACS_MAX_NODES = 50_000;
export const PEAK_MAX_NODES = 5_000;

/**
 * Follows one model through its steps. Cleanup and fusion keep the value behind every name that stays, so only what is
 * new is inferred; a step that changes what a name means (a quantizer) asks for a `fresh` look.
 */
export class FigureTracker {
  readonly #dims: Readonly<Record<string, number>>;
  #table: ShapeTable | undefined;

  /** @param dims values of free dimensions by symbol */
  constructor(dims: Readonly<Record<string, number>> = {}) {
    this.#dims = dims;
  }

  /** @param nodes of the model, those of subgraphs included */
  of(model: Model, nodes: number, fresh: boolean): Figures {
    // A function counts at each call, and calls can be nested: unknown until they are written out.
    if (nodes > MACS_MAX_NODES || model.functions.length > 0) return unknownFigures;
    const previous = fresh ? undefined : this.#table;
    const table = inferShapes(model, { overrides: this.#dims, ...(previous && { previous }) });
    this.#table = table;
    return {
      macs: macsOfModel(model, table),
      peakActivationBytes: nodes > PEAK_MAX_NODES ? null : peakOf(model, table),
    };
  }
}

function macsOfModel(model: Model, table: ShapeTable): number | null {
  const isFlat = model.graph.nodes.every((node) => subgraphsOf(node).length === 0);
  if (!isFlat) {
    const { total } = modelCost(model, table);
    return total.unknownNodes === 0 ? total.macs : null;
  }
  let macs = 0;
  for (const node of model.graph.nodes) {
    const own = macsOf(node, table);
    if (own === undefined) return null;
    macs += own;
  }
  return macs;
}

function peakOf(model: Model, table: ShapeTable): number | null {
  const plan = memoryPlan(model, table);
  return plan.unknownValues === 0 ? plan.peakBytes : null;
}
