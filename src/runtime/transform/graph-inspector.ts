/** Answers the graph view's questions about a model and its variants, and keeps the last few of them at hand. */
import { type MemoryTimeline, memoryTimeline } from '../../core/analysis/memory-plan.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { GraphDocument } from '../../core/graph-view/document.ts';
import { type DescribedGraph, describeGraph } from '../../core/graph-view/extract.ts';
import { type NodeDetail, nodeDetail } from '../../core/graph-view/node-detail.ts';
import {
  hasNumbers,
  type WeightStatistics,
  weightStatistics,
  weightValues,
} from '../../core/graph-view/weight-statistics.ts';
import type { Model, Tensor } from '../../core/ir/types.ts';
import type { StepRecord } from '../../core/step/run-steps.ts';

/** A variant's model with what its steps did. */
export interface AppliedModel {
  readonly model: Model;
  readonly ledger: readonly StepRecord[];
}

export interface GraphAnswer {
  readonly document: GraphDocument;
  /** What each step of the recipe did; empty for the original. */
  readonly ledger: readonly LedgerStep[];
}

export interface LedgerStep {
  readonly step: string;
  readonly title: string;
  readonly entries: readonly {
    readonly action: string;
    readonly from: readonly string[];
    readonly to: readonly string[];
  }[];
}

/** A node of a graph. */
export interface NodePlace {
  readonly scope: number;
  /** In the file's list of nodes. */
  readonly index: number;
}

export interface WeightPlace {
  readonly scope: number;
  /** By which nodes of the scope read it. */
  readonly name: string;
}

export interface WeightPage extends WeightPlace {
  readonly start: number;
  readonly count: number;
}

interface Kept extends DescribedGraph {
  readonly answer: GraphAnswer;
  readonly model: Model;
}

/** A variant's weights stay where the store put them; its structure costs some megabytes at most. */
const KEPT_GRAPHS = 4;

export class GraphInspector {
  readonly #kept = new Map<string, Promise<Kept>>();

  /**
   * @param key names the variant, free dimensions included
   * @param build makes it, if it is not at hand
   */
  async graph(
    key: string,
    dims: Readonly<Record<string, number>>,
    build: () => Promise<AppliedModel>,
    job: JobContext,
  ): Promise<GraphAnswer> {
    return (await this.#get(key, dims, build, job)).answer;
  }

  async detail(key: string, place: NodePlace, again: () => Promise<GraphAnswer>): Promise<NodeDetail | null> {
    const { sources } = await this.#known(key, again);
    const source = sources[place.scope];
    return source ? nodeDetail(source, place.index) : null;
  }

  async statistics(
    key: string,
    place: WeightPlace,
    again: () => Promise<GraphAnswer>,
    job: JobContext,
  ): Promise<WeightStatistics | null> {
    const tensor = await this.#weight(key, place, again);
    return tensor && hasNumbers(tensor.dtype) ? weightStatistics(tensor, job) : null;
  }

  async values(
    key: string,
    { start, count, ...place }: WeightPage,
    again: () => Promise<GraphAnswer>,
  ): Promise<string[]> {
    const tensor = await this.#weight(key, place, again);
    return tensor ? weightValues(tensor, start, count) : [];
  }

  /** @param dims values of free dimensions by symbol */
  async memory(
    key: string,
    dims: Readonly<Record<string, number>>,
    again: () => Promise<GraphAnswer>,
  ): Promise<MemoryTimeline> {
    return memoryTimeline((await this.#known(key, again)).model, dims);
  }

  async #weight(
    key: string,
    { scope, name }: WeightPlace,
    again: () => Promise<GraphAnswer>,
  ): Promise<Tensor | undefined> {
    return (await this.#known(key, again)).sources[scope]?.constant(name);
  }

  /** A worker that was replaced, or a graph that was dropped, is made again. */
  async #known(key: string, again: () => Promise<GraphAnswer>): Promise<Kept> {
    if (!this.#kept.has(key)) await again();
    return this.#kept.get(key)!;
  }

  #get(
    key: string,
    dims: Readonly<Record<string, number>>,
    build: () => Promise<AppliedModel>,
    job: JobContext,
  ): Promise<Kept> {
    const known = this.#kept.get(key);
    if (known) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known;
    }
    const made = this.#make(dims, build, job);
    this.#kept.set(key, made);
    made.catch(() => {
      if (this.#kept.get(key) === made) this.#kept.delete(key);
    });
    if (this.#kept.size > KEPT_GRAPHS) this.#kept.delete([...this.#kept.keys()][0]!);
    return made;
  }

  async #make(
    dims: Readonly<Record<string, number>>,
    build: () => Promise<AppliedModel>,
    job: JobContext,
  ): Promise<Kept> {
    const { model, ledger } = await build();
    job.onProgress({ stage: 'finding repeated blocks', done: 0, total: null, unit: 'nodes' });
    await job.yield();
    const described = describeGraph(model, { dims });
    const steps = ledger.map(({ step, title, entries }) => ({
      step,
      title,
      entries: entries.map(({ action, from, to }) => ({ action, from, to })),
    }));
    return { ...described, model, answer: { document: described.document, ledger: steps } };
  }
}
